"""A hook of pytest: tests marked ``untraced`` run without coverage.py's tracing.

Up to Python 3.13 tracing doubles the time of pure Python code, also of code that is not measured.
Tests that send thousands of requests from this process, or that run the same lines a hundred times
to count how often a verdict is wrong, need it for nothing: other tests run the same lines.
"""

import sys
import threading
from contextlib import contextmanager

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if item.get_closest_marker("untraced") is None:
        return (yield)
    with tracing_paused():
        return (yield)


@contextmanager
def tracing_paused():
    """No tracing of this thread and of the threads that it starts."""
    trace, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
        threading.settrace(of_threads)
        _call()


def untraced(environ):
    """The environment of a process whose coverage is not measured."""
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}


def _call():
    """coverage.py is on again with the first call (tests/kit/coverage_imports.py)."""
