"""The ``tasador`` command line.

``main`` is the entry point and ``app`` assembles the commands, which the modules that it names
declare: a command imports what it runs when it runs, so that `tasador --help` and shell completion
stay fast. ``tables``, ``narration``, ``progress`` and ``demo`` print with Rich, ``output`` prints
without it.

May import everything in tasador. Nothing imports this folder.
"""
