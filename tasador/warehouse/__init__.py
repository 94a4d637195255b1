"""Postgres: raw, clean and quarantined rows, and the history of every decision.

``warehouse`` holds the ``Warehouse`` class, assembled from ``batches``, ``histories``,
``predictions`` and ``dead_letters`` over ``database``. ``schema`` declares the tables,
``migrations`` creates them, ``rows`` copies the rows of a batch, ``connection`` opens engines.

May import the records, the listings, the clock and the errors, SQLAlchemy and psycopg2. Functions
load it, so nothing here may import pandas or numpy, nor Alembic except to migrate.
"""
