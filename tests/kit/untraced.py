"""Hooks of pytest: no tracing by coverage.py where it would show nothing new.

Up to Python 3.13 tracing doubles the time of pure Python code, also of code that is not measured.
So it is on only in fixtures, in the functions of tests, and while a test is torn down: pytest's own
work for a test costs more than many a test. While pytest collects, it is on for imports of measured
code alone. It is off in tests marked ``untraced``. These send thousands of requests from this
process, or run the same lines a hundred times to count how often a verdict is wrong; other tests
run the same lines. The process of pytest-xdist that only hands out tests is not traced either, nor
are the services of the platforms that many tests share: those of test_platform.py and test_loop.py
are.
"""

import os
import sys
import threading
from contextlib import contextmanager

import pytest

from tests.kit.coverage_imports import tracing_paused, tracing_resumed

_UNTRACED = pytest.StashKey[bool]()


def pytest_sessionstart(session):
    config = session.config
    if not hasattr(config, "workerinput") and getattr(config.option, "numprocesses", None):
        threading.settrace(None)
        sys.settrace(None)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    with tracing_paused():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    untraced_test = item.get_closest_marker("untraced") is not None
    item.session.stash[_UNTRACED] = untraced_test
    of_threads = threading.gettrace()
    if untraced_test:
        threading.settrace(None)
    try:
        with tracing_paused():
            return (yield)
    finally:
        threading.settrace(of_threads)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request):
    with tracing_resumed(unless=request.session.stash.get(_UNTRACED, False)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    with tracing_resumed(unless=pyfuncitem.session.stash.get(_UNTRACED, False)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    with tracing_resumed(unless=item.session.stash.get(_UNTRACED, False)):
        return (yield)


def untraced(environ):
    """The environment of a process whose coverage is not measured."""
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}


@contextmanager
def children_untraced():
    """Do not measure the coverage of processes that are started meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - untraced(os.environ).keys():
            patch.delenv(name)
        yield
