"""tests/kit/coverage.py: what the processes of a test run counts, wherever they end."""

import os
import signal
import subprocess
import sys

import pytest

from tests.kit import coverage
from tests.kit.checkout import ROOT

MEASURED = """
def half(number):
    if number > 5:
        return number / 2
    return number

async def doubled(numbers):
    for number in numbers:
        yield number * 2
"""
PROGRAM = """
import asyncio, importlib.util, os, signal, sys, threading
import measured.module
from measured.module import doubled, half

async def all_of(numbers):
    return [number async for number in doubled(numbers)]

thread = threading.Thread(target=half, args=(7,))
thread.start()
thread.join()
assert asyncio.run(all_of([1, 2])) == [2, 4]
end = sys.argv[1]
if end == "executes":
    os.execv(sys.executable, [sys.executable, "-c", ""])
if end == "is terminated":
    print("waits", flush=True)
    signal.pause()
if end == "loads by path":
    spec = importlib.util.spec_from_file_location("other", measured.module.__file__)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""
# The lines that ran and the branches taken: from a line to the next, 0 the end of the function.
RAN = {2, 3, 4, 7, 8, 9, (3, 4), (8, 9), (8, 0)}


@pytest.fixture
def started(tmp_path):
    """Starts the program with its package ``measured`` measured; what its processes wrote."""
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "__init__.py").write_text("")
    (tmp_path / "measured" / "module.py").write_text(MEASURED)
    (tmp_path / "folder" / "code").mkdir(parents=True)
    starts = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]
from tests.kit import coverage
coverage.ROOT = {str(tmp_path)!r}
coverage.start({str(tmp_path / "folder")!r}, ["measured"])
"""
    environ = {k: v for k, v in os.environ.items() if k != coverage.FOLDER}

    def start(end):
        return subprocess.Popen(
            [sys.executable, "-c", starts + PROGRAM, end],
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


def what_ran(folder):
    ran = set()
    for name, lines in coverage.lines_seen(folder):
        if name.endswith("module.py"):
            ran.update(lines)
    return ran


@pytest.mark.parametrize("end", ["returns", "executes", "is terminated", "loads by path"])
def test_process_writes_what_it_ran(started, tmp_path, end):
    with started(end) as process:
        if end == "is terminated":
            assert process.stdout.readline() == "waits\n"
            process.terminate()
        process.wait(60)
    assert process.returncode == (-signal.SIGTERM if end == "is terminated" else 0)
    assert what_ran(tmp_path / "folder") == RAN


def test_report_counts_lines_and_branches_that_did_not_run(started, tmp_path, monkeypatch, capsys):
    for _ in range(2):
        with started("returns") as process:
            assert process.wait(60) == 0
    monkeypatch.setattr(coverage, "ROOT", str(tmp_path))
    settings = {"source": ["measured"], "exclude-also": []}
    # Of seven lines one, and of four branches one, did not run.
    assert coverage.report(tmp_path / "folder", settings) == pytest.approx(100 * 9 / 11, abs=0.1)
    assert "branch coverage: 81.8 %" in capsys.readouterr().out
    assert (
        coverage.report(tmp_path / "folder", {**settings, "exclude-also": ["return number$"]}) > 85
    )


def test_every_process_of_this_run_is_measured():
    if coverage.FOLDER not in os.environ:
        pytest.skip("this run measures no coverage")
    code = "import sys; print('slipcover' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
