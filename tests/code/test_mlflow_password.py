"""cluster/mlflow/password: MLflow's app behind a password."""

import asyncio
import base64
import importlib.util
import subprocess
import sys

import pytest

from tests.kit.checkout import ROOT

FOLDER = ROOT / "cluster" / "mlflow" / "password"


@pytest.fixture(scope="module")
def password():
    spec = importlib.util.spec_from_file_location("tasador_mlflow", FOLDER / "tasador_mlflow.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def app(scope, receive, send):
    """Stands for MLflow's: it answers everything."""
    await send({"type": "answered"})


def answer(password, headers=(), path="/api/2.0/mlflow/experiments/search", kind="http"):
    """The first message to a request of a server with the passwords "new" and "old"."""
    sent = []

    async def send(message):
        sent.append(message)

    guarded = password.behind_password(app, password.read_passwords("new, old"))
    scope = {"type": kind, "path": path, "headers": list(headers)}
    asyncio.run(guarded(scope, None, send))
    return sent[0]


def basic(text):
    return [(b"authorization", b"Basic " + base64.b64encode(text.encode()))]


@pytest.mark.parametrize(
    "headers",
    [
        basic("flows:new"),
        basic(":old"),
        [(b"authorization", b"Bearer new")],
        [(b"x", b"y"), (b"authorization", b"bearer old")],
    ],
)
def test_request_with_the_password_is_answered(password, headers):
    assert answer(password, headers) == {"type": "answered"}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        basic("new"),
        basic("flows:"),
        basic("flows:newer"),
        basic("flows:nëw"),
        [(b"authorization", b"Basic ?")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"new")],
    ],
)
def test_request_without_the_password_is_refused(password, headers):
    message = answer(password, headers)
    assert message["status"] == 401
    assert dict(message["headers"])[b"www-authenticate"].startswith(b"Basic ")
    assert answer(password, headers, kind="websocket")["type"] == "websocket.close"


def test_only_the_probes_path_and_the_servers_own_messages_need_no_password(password):
    assert answer(password, path="/health") == {"type": "answered"}
    assert answer(password, kind="lifespan") == {"type": "answered"}
    for path in ("/healthy", "/health/", "/", "/metrics", "/version"):
        assert answer(password, path=path)["status"] == 401


def test_server_does_not_start_without_a_password(password):
    with pytest.raises(SystemExit, match="TASADOR_MLFLOW_PASSWORD is not set"):
        password.read_passwords(" , ")


def test_mlflow_finds_the_plugin_as_the_image_installs_it():
    code = (
        "from importlib.metadata import entry_points;"
        "found = {e.name: e.value for e in entry_points(group='mlflow.app')};"
        "print(found['tasador'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "tasador_mlflow:create"
    dockerfile = (ROOT / "cluster" / "mlflow" / "Dockerfile").read_text()
    assert "COPY cluster/mlflow/password /opt/password" in dockerfile
    assert '"--app-name", "tasador"' in dockerfile
    assert "PYTHONPATH=/opt/password" in dockerfile
