"""CloudEvents 1.0: the event types of Tasador, and how they are built, read and published.

``event`` holds the types and ``Event``, ``build`` makes an event of a record, ``read`` parses HTTP
requests (with ``attributes``, ``timestamps`` and ``strict_json``), ``predictions`` reads the data
of prediction.made, ``schemas/`` has the JSON Schema of each type, ``seal`` proves that an event is
Tasador's. ``publish`` posts to a broker, ``announce`` also posts to Argo Events on a cluster.

May import the records, ``tasador.model.model_ref``, the settings, the clock and the errors; nothing
that is slow to import, because functions load it at start.
"""
