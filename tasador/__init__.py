"""Tasador: price models that notice when the market moves and put their successors into service."""

# Metaflow ships this package with every flow's code package.
METAFLOW_PACKAGE_POLICY = "include"
