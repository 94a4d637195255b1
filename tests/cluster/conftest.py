"""The platform on a cluster, and the figures that its tests measure."""

import os
import time

import pytest

from tests.cluster import after_failure
from tests.kit import cluster as kit
from tests.kit import gitops


def pytest_collection_modifyitems(items):
    """Skip the tests, with the reason, without a cluster."""
    if why := kit.missing():
        for item in items:
            if "tests/cluster/" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=why))


MEASURED = {}
# what broke -> seconds until it was whole again by itself
HEALED = {}
_printed = set()


@pytest.fixture(scope="session")
def measured():
    """Figures by name, printed after their test and again at the end of the run."""
    return MEASURED


@pytest.fixture(scope="session")
def healed():
    """``healed(what, seconds)`` records the time to heal; printed like the figures."""
    return HEALED.__setitem__


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Print what the test measured: a run that is killed later has told it."""
    result = yield
    reporter = item.config.pluginmanager.get_plugin("terminalreporter")
    for text in _figures():
        if text not in _printed:
            _printed.add(text)
            reporter.ensure_newline()
            reporter.write_line(f"    {text}")
    return result


def _figures():
    yield from (f"{what}: {figure}" for what, figure in MEASURED.items())
    yield from (f"healed: {what}: {seconds:.0f} s" for what, seconds in HEALED.items())


def pytest_terminal_summary(terminalreporter):
    if MEASURED or HEALED:
        terminalreporter.section("measured on the cluster")
    for text in _figures():
        terminalreporter.write_line(text)
    if kit.missing() or not terminalreporter.stats.get("failed"):
        return
    for what, text in after_failure.diagnostics():
        if text.strip():
            terminalreporter.section(what)
            terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def applied(measured):
    """The platform on the cluster, from nothing (or the existing one: TASADOR_TEST_APPLIED=1).

    What another installation left is removed first. Argo CD's goes with its applications, which
    would bring it back.
    """
    if os.environ.get("TASADOR_TEST_APPLIED"):
        return
    if not os.environ.get("TASADOR_TEST_BUILT"):
        kit.images()
    gitops.remove()
    began = time.monotonic()
    # A webhook of Knative that is being started again refuses what it cannot check.
    kit.until("everything applied", kit.apply, 120, pause=5)
    kit.until("everything ready", lambda: not kit.unready(), 900, pause=3)
    measured["from nothing to everything ready"] = f"{time.monotonic() - began:.0f} s"


@pytest.fixture(scope="session")
def loop(applied):
    """The platform with a source of batches next to it, and in a long run a collector of spans."""
    kit.guests(rows=2500, scenario="price-shift")
    if os.environ.get("TASADOR_TEST_LONG"):
        kit.collect()
    kit.train_with(trials=2, tasks=2)
    kit.scale_quickly()
