"""Pricing files: a CSV or Parquet file without any service (``price_file``), and the score flow.

The flow cuts a file of any size into parts (``parts``), prices each by a registered version
(``part_prices``), and joins the results (``verbs``). It imports no training.
"""
