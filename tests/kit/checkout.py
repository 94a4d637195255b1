"""Where the checkout is, and the files that a test run is given from outside."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.path.realpath(__file__)).parents[2]
# The variable that names a folder which all processes of one test run share (tests/conftest.py).
RUN_FOLDER = "TEST_RUN_FOLDER"


def real_listings() -> Path:
    """The CSV that TASADOR_LISTINGS_CSV names; skips the test where the variable is not set."""
    path = os.environ.get("TASADOR_LISTINGS_CSV")
    if not path:
        pytest.skip("no real listings: set TASADOR_LISTINGS_CSV to a CSV of them")
    return Path(path)
