"""cluster/mlflow/serve.sh: MLflow gets the mounted secrets, and is started again with new ones."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from tests.kit.checkout import ROOT
from tests.kit.waiting import wait_for

SERVE = ROOT / "cluster" / "mlflow" / "serve.sh"
# Writes what it was started with. The process that listens is its child, which outlives it, as with
# MLflow: what holds the folder in place of a port.
MLFLOW = """#!/bin/sh
mkdir "$0.port" || exit 4
echo "$@ with $AWS_SECRET_ACCESS_KEY${AWS_SESSION_TOKEN-}" > "$0.writing"
if [ "$AWS_SECRET_ACCESS_KEY" = "breaks it" ]; then mv "$0.writing" "$0.started"; exit 3; fi
sh -c 'trap "sleep 1; rmdir $0.port; exit" TERM
    mv "$0.writing" "$0.started"; while :; do sleep 1; done' "$0" &
wait
"""


@contextmanager
def serving(tmp_path, secret):
    """Yields the script's process and the file of the secret, once MLflow has started."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    # No waiting between two looks at the secrets.
    programs = {"mlflow": MLFLOW, "sleep": f"#!/bin/sh\nexec {shutil.which('sleep')} 0.1\n"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
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
    )
    try:
        started = tmp_path / "mlflow.started"
        line = wait_for(lambda: started.is_file() and started.read_text())
        assert line == f"server --port 5000 with {secret}\n"
        yield process, secrets / "AWS_SECRET_ACCESS_KEY"
    finally:
        # The script ends its server; what stands for it is in a separate process group.
        process.terminate()
        process.wait(60)
        process.stderr.close()


def test_mlflow_is_started_again_with_each_new_value(tmp_path):
    with serving(tmp_path, "first $HOME 'quoted'") as (process, secret):
        started = tmp_path / "mlflow.started"
        token = secret.with_name("AWS_SESSION_TOKEN")
        token.write_text(" and a token")
        for value, gets in (("second", "second and a token"), ("third", "third")):
            secret.write_text(value)
            if value == "third":
                token.unlink()
            line = f"server --port 5000 with {gets}\n"
            wait_for(lambda line=line: started.read_text() == line, 60)
            assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0
        said = process.stderr.read()
        assert said.count("a secret has changed") >= 2
        # No server was started next to one that still listened.
        assert "cannot create directory" not in said
        assert not (tmp_path / "mlflow.port").exists()


@pytest.mark.parametrize(("secret", "code"), [("holds", 0), ("breaks it", 3)])
def test_end_of_the_script_is_the_end_of_mlflow(tmp_path, secret, code):
    with serving(tmp_path, secret) as (process, _):
        if code == 0:
            process.terminate()
        assert process.wait(60) == code
