"""The table of processor time after a run of tests."""

import subprocess
import sys

from tests.kit.checkout import ROOT

BUSY = """
import subprocess, sys, time
BUSY = "import time\\nwhile time.process_time() < 0.3: pass"
def test_busy():
    while time.process_time() < 0.3: pass
def test_busy_child():
    subprocess.run([sys.executable, "-c", BUSY], check=True)
"""


def test_processor_time_counts_children_in_every_process(tmp_path):
    (tmp_path / "test_busy.py").write_text(BUSY)
    (tmp_path / "test_idle.py").write_text("def test_idle(): pass")
    hooks = (ROOT / "tests" / "kit" / "processor_time.py").read_text()
    (tmp_path / "conftest.py").write_text(hooks)
    command = ("-m", "pytest", "-c", "/dev/null", "--rootdir", tmp_path, "-p", "no:cacheprovider")
    options = ("--durations", "3", "-n", "2", "-p", "no:schemathesis", ".")
    done = subprocess.run(
        [sys.executable, *command, *options], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.partition("processor time: ")[2].splitlines()
    assert table[0].partition(" in ")[2].startswith("2 files")
    first, second = (line.split() for line in table[1:3])
    assert (first[1], second[1]) == ("test_busy.py", "test_idle.py")
    assert float(first[0].rstrip("s")) >= 0.3
