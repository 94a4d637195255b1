"""Ingestion: fetch a batch from the source, validate its rows, store the clean ones.

``verbs`` does what the steps of flows/ingest.py call, ``replay`` decides when the source must be
restarted (pure), ``stores`` opens the object store and the database. ``loading`` reads a payload
once: ``read_rows`` makes Arrow columns, the digest and the lines for COPY from its blocks
(``uniform_rows``, ``received_columns``, ``plain_dictionaries``, ``row_texts``, ``lines``).
``batch_file`` writes and profiles Parquet, ``card`` builds the flow's card.

May import the source, the listings, the stores, the warehouse, the events and the records; no flow
and no function.
"""
