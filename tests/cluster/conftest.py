"""The platform on a cluster, and the figures that its tests measure."""

import os
import time

import pytest

from tests.cluster import after_failure
from tests.kit import cluster as kit


def pytest_collection_modifyitems(items):
    """Skip the tests, with the reason, without a cluster."""
    if why := kit.missing():
        for item in items:
            if "tests/cluster/" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=why))


MEASURED = {}


@pytest.fixture(scope="session")
def measured():
    """Figures by name, printed at the end of the run."""
    return MEASURED


def pytest_terminal_summary(terminalreporter):
    if MEASURED:
        terminalreporter.section("measured on the cluster")
    for what, figure in MEASURED.items():
        terminalreporter.write_line(f"{what}: {figure}")
    if kit.missing() or not terminalreporter.stats.get("failed"):
        return
    for what, text in after_failure.diagnostics():
        if text.strip():
            terminalreporter.section(what)
            terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def applied(measured):
    """The platform on the cluster, from nothing (or the existing one: TASADOR_TEST_APPLIED=1)."""
    if os.environ.get("TASADOR_TEST_APPLIED"):
        return
    if not os.environ.get("TASADOR_TEST_BUILT"):
        kit.images()
    kit.remove()
    began = time.monotonic()
    kit.apply()
    kit.until("everything ready", lambda: not kit.unready(), 900, pause=3)
    measured["from nothing to everything ready"] = f"{time.monotonic() - began:.0f} s"


@pytest.fixture(scope="session")
def loop(applied):
    """The platform with a source of batches next to it."""
    kit.guests(rows=2500, scenario="price-shift")
    kit.train_briefly(trials=1)
    kit.scale_quickly()
