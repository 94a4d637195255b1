"""`tasador doctor` and `tasador status` without a platform: each failure says what to do."""

import json

import pytest
from typer.testing import CliRunner

from tasador.cli.app import make_app
from tasador.errors import ConfigurationError
from tasador.local.endpoints import settle
from tasador.local.platform import CORE
from tasador.operations import doctor
from tasador.operations.doctor import diagnose
from tasador.settings import Settings
from tests.kit.network import free_port
from tests.kit.source import http, scripted


def test_doctor_without_a_platform_says_up():
    (diagnosis,) = diagnose(Settings.load({"TASADOR_HOME": "/nowhere"}))
    assert (diagnosis.part, diagnosis.healthy) == ("settings", False)
    assert "run `tasador up`" in diagnosis.message


def test_doctor_names_every_setting_that_is_missing():
    settings = Settings.load({"TASADOR_PLATFORM": "cluster", "TASADOR_HOME": "/nowhere"})
    by_part = {d.part: (d.healthy, d.message) for d in diagnose(settings)}
    assert by_part.pop("settings")[0]
    parts = {"database", "objects", "mlflow", "champion", "rollouts", "broker", "functions"}
    assert set(by_part) == parts
    # Outside a pod, and without an address: nothing to check, and no failure.
    assert by_part.pop("functions")[0]
    for part, variable in (
        ("database", "TASADOR_DATABASE_URL"),
        ("objects", "TASADOR_S3_ENDPOINT"),
        ("mlflow", "TASADOR_MLFLOW_URL"),
        ("champion", "TASADOR_DATABASE_URL"),
        ("rollouts", "TASADOR_DATABASE_URL"),
        ("broker", "TASADOR_BROKER_URL"),
    ):
        healthy, message = by_part[part]
        assert not healthy
        assert variable in message


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(200, {"ready": True}), "predict is ready at http"),
        (http(503, {"detail": "no model has been promoted"}), "not ready: no model has been"),
        (http(503, {"title": "x"}), 'predict is not ready: {"title": "x"}'),
    ],
)
def test_doctor_reports_whether_predict_is_ready(answer, expected):
    with scripted(answer) as (url, _):
        settings = Settings.load({"TASADOR_PLATFORM": "cluster", "TASADOR_FUNCTIONS_URL": url})
        (functions,) = [d for d in diagnose(settings) if d.part == "functions"]
    assert functions.healthy
    assert expected in functions.message


def test_doctor_finds_predict_in_the_namespace_of_its_pod(tmp_path, monkeypatch):
    cluster = {"TASADOR_PLATFORM": "cluster", "TASADOR_HOME": str(tmp_path)}
    assert doctor.predict_url(Settings.load(cluster)) == ""
    (tmp_path / "namespace").write_text("homes\n")
    monkeypatch.setattr(doctor, "_NAMESPACE", tmp_path / "namespace")
    assert doctor.predict_url(Settings.load(cluster)) == "http://predict.homes.svc.cluster.local"
    # As the web app's Deployment sets it.
    web = {**cluster, "TASADOR_FUNCTIONS_URL": "http://{function}.tasador.svc.cluster.local"}
    assert doctor.predict_url(Settings.load(web)) == "http://predict.tasador.svc.cluster.local"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The environment of a flow's pod, with addresses at which nothing but the broker listens."""
    for name in Settings._fields:
        monkeypatch.delenv(f"TASADOR_{name.upper()}", raising=False)
    nobody = f"127.0.0.1:{free_port()}"
    environ = {
        "TASADOR_PLATFORM": "cluster",
        "TASADOR_HOME": str(tmp_path),
        "TASADOR_DATABASE_URL": f"postgresql://tasador:secret@{nobody}/tasador",
        "TASADOR_S3_ENDPOINT": f"http://{nobody}",
        "TASADOR_S3_ACCESS_KEY": "flows",
        "TASADOR_S3_SECRET_KEY": "secret",
        "TASADOR_MLFLOW_URL": f"http://{nobody}",
        "TASADOR_ARGO_EVENTS_URL": f"http://{nobody}/metaflow-event",
    }
    with scripted(http(404, {})) as (broker, _):
        for name, value in {**environ, "TASADOR_BROKER_URL": f"{broker}/ns/default"}.items():
            monkeypatch.setenv(name, value)
        yield f"{broker}/ns/default"


def test_status_and_doctor_in_a_pod_tell_which_address_does_not_answer(cluster):
    status = CliRunner().invoke(make_app(), ["status"])
    assert status.exit_code == 1
    assert f"broker        up     {cluster}" in status.output
    for part in ("database", "s3", "mlflow", "argo_events"):
        assert f"{part:<14}down" in status.output
    assert "refuses connections" in status.output
    assert "secret" not in status.output
    healthy = {part["name"]: part["running"] for part in json.loads(
        CliRunner().invoke(make_app(), ["status", "--json"]).output
    )}  # fmt: skip
    assert [name for name, runs in healthy.items() if runs] == ["broker"]
    result = CliRunner().invoke(make_app(), ["doctor"])
    assert result.exit_code == 1
    first, *parts = result.output.splitlines()
    assert "cluster, from the environment: TASADOR_DATABASE_URL, TASADOR_S3_ENDPOINT" in first
    assert [line[:4] for line in parts] == ["fail"] * 3 + ["ok  "] * 2
    assert "tasador up" not in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize("command", ["up", "down", "demo"])
def test_the_embedded_platform_is_not_started_on_a_cluster(cluster, command):
    result = CliRunner().invoke(make_app(), [command])
    assert isinstance(result.exception, ConfigurationError)
    assert "TASADOR_PLATFORM is cluster" in str(result.exception)


def test_doctor_reports_functions_that_do_not_answer():
    url = f"http://127.0.0.1:{free_port()}"
    settings = Settings.load({"TASADOR_PLATFORM": "cluster", "TASADOR_FUNCTIONS_URL": url})
    (functions,) = [d for d in diagnose(settings) if d.part == "functions"]
    assert not functions.healthy
    assert f"{url} does not answer" in functions.message


def test_doctor_exits_with_1_if_a_part_fails(monkeypatch):
    checks = [
        doctor.Diagnosis("database", True, "3 batches"),
        doctor.Diagnosis("mlflow", False, "MLflow does not answer"),
    ]
    monkeypatch.setattr(doctor, "diagnose", lambda settings: iter(checks))
    result = CliRunner().invoke(make_app(), ["doctor"])
    assert result.exit_code == 1
    assert result.output == ("ok   database   3 batches\nfail mlflow     MLflow does not answer\n")


def test_status_of_a_platform_that_is_down(tmp_path, monkeypatch):
    settle(tmp_path, CORE, lambda _: False)
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    table = CliRunner().invoke(make_app(), ["status"])
    assert table.exit_code == 1
    assert "start with `tasador up`" in table.stderr
    assert table.output.splitlines()[0].startswith("part")
    for part in CORE:
        assert f"{part:<14}down" in table.output
    parts = json.loads(CliRunner().invoke(make_app(), ["status", "--json"]).output)
    assert {part["name"] for part in parts} >= set(CORE)
    assert not any(part["running"] for part in parts)
