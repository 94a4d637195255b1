"""A warehouse for tests of what a command prints; tests/embedded has the real one."""


class OpenWarehouse:
    """Opens as ``Warehouse`` does; a test's own class adds the queries that its command calls."""

    def __init__(self, url):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
