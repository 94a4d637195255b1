"""What these tests check is no Python, so they run without coverage.py's tracing."""

from pathlib import Path

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("untraced")
