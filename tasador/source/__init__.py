"""The batch source: a client of the course's API, and a server that offers the same API.

``client`` fetches batches, ``received`` limits an answer, ``payload`` reads it (with ``plain_rows``
and ``json_reader``). ``verbs`` serves a CSV of listings or a simulated market: ``course`` splits
the CSV into batches that are ``stored``, ``simulator`` generates the market (``market``, ``places``
and ``scenarios`` describe it), ``server`` is the API.

May import arrays, clock, errors and listings; nothing of the loop. Only ``client``, ``received``,
``payload`` and ``refusals`` are part of the images that fetch batches.
"""
