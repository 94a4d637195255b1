"""A plugin of coverage.py: it does not trace imports of other packages, and some calls of them.

Tracing makes an import some 50 % slower, and most of a flow step's time goes into imports.
Measured code that such an import runs is traced all the same. The calls are those in which the
tests of the stores spend most of their time. A process that runs other packages almost alone is not
traced at all. Where coverage.py uses sys.monitoring, which costs nothing in files that are not
measured, this does nothing.
"""

import builtins
import functools
import pkgutil
import sys
import threading
from contextlib import contextmanager

# What is measured, and what imports it.
OWN = frozenset(
    {"__main__", "cluster", "examples", "flows", "functions", "tasador", "tests", "web"}
)
# Run as ``python -m MODULE``: MLflow's server, which takes seconds to begin, for every platform.
FOREIGN = frozenset({"tasador.local.tracking_server"})
# By the package whose import brings them: functions that call no measured code, except for
# the listeners of a warehouse's connections.
FOREIGN_CALLS = {
    "boto3": (
        "boto3.client",
        "botocore.client.BaseClient._make_api_call",
        "s3transfer.manager.TransferManager._submit_transfer",
        "s3transfer.tasks.Task.__call__",
    ),
    "sqlalchemy": (
        "sqlalchemy.create_engine",
        "sqlalchemy.engine.Connection.commit",
        "sqlalchemy.engine.Connection.execute",
        "sqlalchemy.engine.Engine.dispose",
        "sqlalchemy.engine.Engine.raw_connection",
    ),
}
# The warnings module skips frames of importlib when it looks for the code that a warning is about.
_FRAME_TO_SKIP = "<importlib._bootstrap as in tests/kit/coverage_imports.py>"


# The trace function of each thread that runs other packages at the moment, to import measured code.
_paused = threading.local()


def coverage_init(registry, options):
    """Replace ``import``; called by coverage.py in every process that it measures."""
    import_traced = builtins.__import__
    to_pause = dict(FOREIGN_CALLS)
    foreign = not FOREIGN.isdisjoint(sys.orig_argv)

    def import_untraced(name, globals=None, locals=None, fromlist=(), level=0):
        trace = sys.gettrace()
        if trace is not None and foreign:
            sys.settrace(None)
            threading.settrace(None)
            trace = None
        package = name if level == 0 else (globals or {}).get("__package__") or ""
        own = package.partition(".")[0] in OWN
        if trace is not None:
            if own:
                return import_traced(name, globals, locals, fromlist, level)
            with tracing_paused():
                imported = import_traced(name, globals, locals, fromlist, level)
                for path in to_pause.pop(package.partition(".")[0], ()):
                    _pause_during(path)
            return imported
        paused_trace = getattr(_paused, "trace", None)
        if not own or paused_trace is None:
            return import_traced(name, globals, locals, fromlist, level)
        sys.settrace(paused_trace)
        _call()
        try:
            return import_traced(name, globals, locals, fromlist, level)
        finally:
            sys.settrace(None)

    import_untraced.__code__ = import_untraced.__code__.replace(co_filename=_FRAME_TO_SKIP)
    builtins.__import__ = import_untraced


def _pause_during(path):
    """Trace nothing in the calls of a function, named by its path."""
    parent, _, name = path.rpartition(".")
    holder = pkgutil.resolve_name(parent)
    function = getattr(holder, name)

    @functools.wraps(function)
    def untraced_call(*args, **kwargs):
        if sys.gettrace() is None:
            return function(*args, **kwargs)
        with tracing_paused():
            return function(*args, **kwargs)

    setattr(holder, name, untraced_call)


@contextmanager
def tracing_paused():
    """Trace nothing in this thread, but for imports of measured code."""
    trace = sys.gettrace()
    before, _paused.trace = getattr(_paused, "trace", None), trace
    sys.settrace(None)
    try:
        yield
    finally:
        _paused.trace = before
        sys.settrace(trace)
        _call()


@contextmanager
def tracing_resumed(unless=False):
    """Trace again in this thread where tracing is paused, ``unless`` it shall not."""
    trace = getattr(_paused, "trace", None)
    if trace is None or unless:
        yield
        return
    _paused.trace = None
    sys.settrace(trace)
    _call()
    try:
        yield
    finally:
        sys.settrace(None)
        _paused.trace = trace


def _call():
    """coverage.py counts calls and returns. It is on again with the first call, not before."""
