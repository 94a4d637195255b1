"""`tasador doctor` and `tasador status` without a platform: each failure says what to do."""

import json

import pytest
from typer.testing import CliRunner

from tasador.cli.app import make_app
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
    assert set(by_part) == {"database", "objects", "mlflow", "champion", "rollouts", "functions"}
    for part, variable in (
        ("database", "TASADOR_DATABASE_URL"),
        ("objects", "TASADOR_S3_ENDPOINT"),
        ("mlflow", "TASADOR_MLFLOW_URL"),
        ("champion", "TASADOR_DATABASE_URL"),
        ("rollouts", "TASADOR_DATABASE_URL"),
        ("functions", "TASADOR_FUNCTIONS_URL"),
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
    assert table.exit_code == 0
    assert table.output.splitlines()[0].startswith("part")
    for part in CORE:
        assert f"{part:<14}down" in table.output
    parts = json.loads(CliRunner().invoke(make_app(), ["status", "--json"]).output)
    assert {part["name"] for part in parts} >= set(CORE)
    assert not any(part["running"] for part in parts)
