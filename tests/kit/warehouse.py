"""A warehouse for tests of what a command prints; tests/embedded has the real one."""

from contextlib import contextmanager


class OpenWarehouse:
    """Opens as ``Warehouse`` does; a test's own class adds the queries that its command calls."""

    def __init__(self, url):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def kept_actions(monkeypatch):
    """Record actions in the list that is returned, as (who, action, target), in no database."""
    kept = []

    @contextmanager
    def recorded(_warehouse, by, action, target, **_):
        kept.append((by, action, target))
        yield lambda _detail: None

    monkeypatch.setattr("tasador.accounts.verbs.recorded", recorded)
    return kept
