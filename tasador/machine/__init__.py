"""The machine that a process runs on: its files, its disk, its environment, and the other services.

``files`` replaces files and folders whole, ``disk`` turns a full disk into an error that names it,
``environment`` decides what processes inherit from the user's, ``reachable`` says which services
answer, ``collector`` spares short processes the search for garbage, ``memory`` keeps what malloc
would return.

Imports ``settings`` and ``errors``.
"""
