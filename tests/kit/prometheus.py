"""Prometheus' programs, where they are installed.

Debian's packages prometheus and prometheus-alertmanager bring all of them. TASADOR_PROMETHEUS names
a folder that is searched first.
"""

import os
import shutil
import subprocess

import pytest

_NAMES = {"alertmanager": ("alertmanager", "prometheus-alertmanager")}


def program(name):
    """The path of prometheus, promtool, alertmanager or amtool; None if it is not installed."""
    path = os.pathsep.join([os.environ.get("TASADOR_PROMETHEUS", ""), os.environ["PATH"]])
    for each in _NAMES.get(name, (name,)):
        if found := shutil.which(each, path=path.strip(os.pathsep)):
            return found
    return None


def needs(*names):
    """Skips a test where one of the programs is missing."""
    missing = [name for name in names if program(name) is None]
    reason = (
        f"{', '.join(missing)} not on PATH or in TASADOR_PROMETHEUS: "
        "apt-get install prometheus prometheus-alertmanager"
    )
    return pytest.mark.skipif(bool(missing), reason=reason)


def promtool(*arguments, stdin=None, code=0):
    """The output of promtool; fails with it if promtool finds a fault (any ``code``: None).

    Testing the rules of all alerts may take minutes on a busy machine, so only pytest limits it.
    """
    done = subprocess.run(
        [program("promtool"), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert code is None or done.returncode == code, output
    return output


def check_metrics(text):
    """Check a process's metrics against Prometheus' conventions and Tasador's prefix."""
    promtool("check", "metrics", stdin=text)
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    strangers = [name for name in names if not name.startswith(("tasador_", "process_"))]
    assert not strangers
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")}
    assert set(names) == helped
