"""cluster/mlflow/serve.sh: MLflow gets the mounted secrets, and is ended when one is rotated."""

import os
import signal
import subprocess
from contextlib import contextmanager, suppress

import pytest

from tests.kit.checkout import ROOT
from tests.kit.waiting import wait_for

SERVE = ROOT / "cluster" / "mlflow" / "serve.sh"
# Writes what it was started with, then serves until it is ended.
MLFLOW = """#!/bin/sh
echo "$@ with $AWS_SECRET_ACCESS_KEY" > "$0.started"
[ "$AWS_SECRET_ACCESS_KEY" != "breaks it" ] || exit 3
exec sleep 60
"""


@contextmanager
def serving(tmp_path, secret):
    """Yields the script's process and the file of the secret, once MLflow has started."""
    program, secrets = tmp_path / "mlflow", tmp_path / "secrets"
    program.write_text(MLFLOW)
    program.chmod(0o755)
    secrets.mkdir()
    (secrets / "AWS_SECRET_ACCESS_KEY").write_text(secret)
    process = subprocess.Popen(
        [str(SERVE), "--port", "5000"],
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "TASADOR_SETTINGS": str(secrets),
        },
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        started = tmp_path / "mlflow.started"
        line = wait_for(lambda: started.is_file() and started.read_text())
        assert line == f"server --port 5000 with {secret}\n"
        yield process, secrets / "AWS_SECRET_ACCESS_KEY"
    finally:
        process.kill()
        process.stderr.close()
        # What the test left behind: the program that stands for MLflow, and a sleep.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_rotated_secret_ends_mlflow(tmp_path):
    with serving(tmp_path, "first $HOME 'quoted'") as (process, secret):
        secret.write_text("second")
        assert process.wait(20) == 0
        assert "a secret has changed" in process.stderr.read()


@pytest.mark.parametrize(("secret", "code"), [("holds", 0), ("breaks it", 3)])
def test_end_of_the_script_is_the_end_of_mlflow(tmp_path, secret, code):
    with serving(tmp_path, secret) as (process, _):
        if code == 0:
            process.terminate()
        assert process.wait(20) == code
