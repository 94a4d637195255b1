"""Every command while the platform is down: one line that names the part and what starts it."""

import os
import subprocess
import sys

import click
import pytest
import typer

from tasador.cli.app import make_app
from tasador.errors import ServiceUnavailable
from tasador.local.endpoints import settle
from tasador.local.platform import CORE
from tasador.machine import reachable
from tasador.settings import CHECKOUT, Settings
from tests.kit.network import free_port
from tests.kit.source import http, scripted

# These need no platform, or start or stop it, or need one on a cluster.
WITHOUT_PLATFORM = {
    *("up", "down", "status", "demo", "train", "score", "ratio-study", "serve", "source serve"),
    *("connect", "restore"),
}
# Arguments of which a command needs one.
EITHER = {"sign": ["1"]}


def leaves(command, path=()):
    """Every command below a group: its words and its parameters."""
    if isinstance(command, click.Group) or hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from leaves(child, (*path, name))
    else:
        yield path, command.params


def needed(parameters):
    """A value for each argument and option that a command needs: its first choice, or "1"."""
    words = []
    for parameter in parameters:
        if parameter.required:
            is_option = parameter.param_type_name == "option"
            value = next(iter(getattr(parameter.type, "choices", ())), "1")
            words += [*parameter.opts[:is_option], value]
    return words


# So a command that somebody adds is tried too.
COMMANDS = {
    " ".join(path): [*path, *needed(parameters), *EITHER.get(" ".join(path), ())]
    for path, parameters in leaves(typer.main.get_command(make_app()))
}


@pytest.fixture(scope="module")
def down(tmp_path_factory):
    """The environment of a platform whose parts have all stopped, and of a stopped source."""
    home = tmp_path_factory.mktemp("home")
    settle(home, CORE, lambda _: False)
    kept = {n: v for n, v in os.environ.items() if not n.startswith("TASADOR_")}
    source = f"http://127.0.0.1:{free_port()}"
    return {**kept, "TASADOR_HOME": str(home), "TASADOR_SOURCE_URL": source}


def run(environ, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tasador", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert "HTTPConnectionPool" not in output
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - WITHOUT_PLATFORM - {"doctor"}))
def test_command_says_what_is_not_running(down, command):
    code, _, stderr = run(down, *COMMANDS[command])
    assert code == 1
    assert "not running (127.0.0.1:" in stderr
    assert "run `tasador up`" in stderr
    assert len(stderr.splitlines()) == 1


def test_commands_without_platform_still_exist():
    assert set(COMMANDS) >= WITHOUT_PLATFORM


def test_status_and_doctor_of_a_stopped_platform(down):
    code, stdout, stderr = run(down, "status")
    assert (code, stdout.count("down"), stdout.count("up ")) == (1, 9, 0)
    assert "postgres, objects, mlflow, gateway not running: start with `tasador up`" in stderr
    code, stdout, _ = run(down, "doctor")
    assert code == 1
    assert stdout.count("run `tasador up`") == 4


@pytest.mark.parametrize("flow", ["ingest", "train"])
def test_flow_by_hand_says_what_is_not_running(down, flow, tmp_path):
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "flows" / f"{flow}.py"), "run"],
        env=down,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Postgres, the object store, MLflow and the gateway are not running" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_the_part_that_is_down_is_named(tmp_path):
    with scripted(http(200, {})) as (alive, _):
        nobody = f"http://127.0.0.1:{free_port()}"
        settings = Settings(
            home=tmp_path, mlflow_url=nobody, s3_endpoint=alive, broker_url=f"{alive}/broker"
        )
        names = ("mlflow_url", "s3_endpoint", "broker_url")
        with pytest.raises(ServiceUnavailable, match=r"^MLflow is not running \(127\.0\.0\.1:"):
            reachable.require_running(settings, *names)
        assert reachable.require_running(settings, *names[1:]) is settings


def test_probe_of_the_gateway_starts_no_function():
    with scripted(http(404, {})) as (alive, requests):
        assert reachable.failure(alive) == ""
    # As tasador/local/gateway serves it by itself; "/" is a route of predict.
    assert requests == ["GET /_admin/health HTTP/1.1"]


def test_a_part_that_accepts_but_never_answers_is_down(monkeypatch):
    import socket

    monkeypatch.setattr(reachable, "_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/x"
        assert reachable.failure(url) == "does not answer within 0.1 s"


def test_stopped_source_is_named_with_the_command_that_starts_one(tmp_path):
    port = free_port()
    nobody = f"http://127.0.0.1:{port}"
    message = reachable.not_running(Settings(home=tmp_path, source_url=nobody), ["source_url"])
    assert "The batch source is not running" in message
    assert f"`tasador source serve --simulate 7 --port {port}`" in message
    # Elsewhere it may be behind a proxy.
    away = Settings(home=tmp_path, source_url="http://source.invalid")
    assert reachable.not_running(away, ["source_url"]) == ""
