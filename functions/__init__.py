"""The functions: predict, explain, record and reload, and the host that runs each of them.

A function is its folder's ``func.py``. The modules here are shared by them: ``host`` runs one,
``server`` speaks HTTP, ``http`` and ``function`` are the types between. They may import
``tasador`` (what a serving image holds), waitress, Flask, parliament, orjson and
prometheus_client; ``tasador`` never imports them.
"""
