"""Postgres: raw, clean and quarantined rows, and the history of every decision.

``warehouse`` holds the ``Warehouse`` class, assembled from a module for each subject (``batches``,
``histories``, ``predictions``, ``accounts``, ...) over ``database``. ``ledger`` and ``overview``
read from it. ``schema`` and modules for some subjects (``account_tables``, ...) declare the tables,
``migrations`` creates them, ``rows`` copies the rows of a batch, ``connection`` opens engines.

May import the records, the listings, ``model.model_ref``, the clock, the environment and the
errors, SQLAlchemy and psycopg2. Functions load it, so nothing here may import pandas or numpy, nor
Alembic except to migrate.
"""
