"""Commands and steps of flows look for garbage seldom, and not at their end."""

import subprocess
import sys

import pytest

# What is registered first runs last.
_AT_THE_END = (
    "import atexit, gc, sys;"
    "atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 0));"
)


@pytest.mark.parametrize(
    "begins",
    [
        "from tasador.cli.main import main; sys.argv = ['tasador', '--version']; main()",
        "from tasador.flowkit import prepare; sys.argv = ['flow.py', 'show']; prepare()",
    ],
    ids=["command", "flow"],
)
def test_modules_are_no_garbage_to_look_for(begins):
    ended = subprocess.run(
        [sys.executable, "-c", f"{_AT_THE_END}{begins}"], capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.splitlines()[-1:] == ["200000 True"], ended.stderr
