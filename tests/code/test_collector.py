"""Commands and steps of flows look for garbage seldom, and not at their end; idle threads sleep."""

import subprocess
import sys

import pytest

# What is registered first runs last.
_AT_THE_END = (
    "import atexit, gc, os, sys;"
    "seldom = lambda: (gc.get_threshold()[0], gc.get_freeze_count() > 0);"
    "soon = lambda: (os.environ['OPENBLAS_THREAD_TIMEOUT'], 'numpy' in sys.modules);"
    "atexit.register(lambda: print(*seldom(), *soon()));"
)


@pytest.mark.parametrize(
    "begins",
    [
        "from tasador.cli.main import main; sys.argv = ['tasador', '--version']; main()",
        "from tasador.flowkit import prepare; sys.argv = ['flow.py', 'show']; prepare()",
    ],
    ids=["command", "flow"],
)
def test_processes_that_import_much_begin_so(begins):
    ended = subprocess.run(
        [sys.executable, "-c", f"{_AT_THE_END}{begins}"], capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.splitlines()[-1:] == ["200000 True 20 False"], ended.stderr
