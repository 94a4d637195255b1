"""Tests marked ``untraced`` run without coverage.py's tracing, in their threads too."""

import os
import subprocess
import sys

import coverage

from tests.kit.checkout import ROOT
from tests.kit.untraced import untraced

MEASURED = """
import threading
def whole():
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
def in_thread():
    done = True
def set_up():
    done = True
def torn_down():
    done = True
def after():
    done = True
"""
# The function runs while tests are collected; the module's own lines are measured all the same.
COLLECTED = """
def called():
    done = True
"""
TESTS = """
import pytest
import measured
from cluster import collected
collected.called()
@pytest.mark.untraced
def test_untraced():
    measured.whole()
@pytest.fixture
def fixture():
    measured.set_up()
    yield
    measured.torn_down()
def test_after(fixture):
    measured.after()
"""


def test_marked_test_is_not_traced_and_the_next_one_is(tmp_path):
    (tmp_path / "measured.py").write_text(MEASURED)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "collected.py").write_text(COLLECTED)
    hooks = (ROOT / "tests" / "kit" / "untraced.py").read_text()
    (tmp_path / "conftest.py").write_text(hooks)
    (tmp_path / "settings").write_text(
        "[run]\nbranch = true\ncore = ctrace\nplugins = tests.kit.coverage_imports\n"
    )
    options = ("-c", "/dev/null", "--rootdir", tmp_path, "-p", "no:cacheprovider")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "coverage", "run", "--rcfile", "settings"),
            *("-m", "pytest", *options, "-p", "no:schemathesis", "."),
        ],
        cwd=tmp_path,
        env=untraced(os.environ),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    data = coverage.CoverageData(str(tmp_path / ".coverage"))
    data.read()
    assert data.lines(str(tmp_path / "cluster" / "collected.py")) == [2]
    lines = set(data.lines(str(tmp_path / "measured.py")))
    bodies = [number for number, text in enumerate(MEASURED.splitlines(), 1) if text[:1] == " "]
    # The last three functions, not those of the marked test.
    assert sorted(lines & set(bodies)) == bodies[-3:]
