"""Hooks of pytest: no tracing by coverage.py where it would show nothing new.

Up to Python 3.13 tracing doubles the time of pure Python code, also of code that is not measured.
So it is off while pytest collects, but for imports of measured code, and in tests marked
``untraced``. These send thousands of requests from this process, or run the same lines a hundred
times to count how often a verdict is wrong; other tests run the same lines.
"""

import threading

import pytest

from tests.kit.coverage_imports import tracing_paused


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    with tracing_paused():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if item.get_closest_marker("untraced") is None:
        return (yield)
    of_threads = threading.gettrace()
    threading.settrace(None)
    try:
        with tracing_paused():
            return (yield)
    finally:
        threading.settrace(of_threads)


def untraced(environ):
    """The environment of a process whose coverage is not measured."""
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}
