"""Commands on stand-ins for the platform, the registry, the warehouse and the dossier."""

import importlib.metadata
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tasador.cli import main as entry
from tasador.cli.app import make_app
from tasador.errors import ConfigurationError, TasadorError
from tasador.local.platform import PartStatus
from tasador.machine.environment import whoami
from tasador.operations.consistency import Finding
from tasador.operations.lake_table import Synced
from tasador.rollout.shadow_report import shadow_report
from tasador.stores.model_version import ModelVersion
from tests.kit.records import (
    WHEN,
    make_batch,
    make_comparison,
    make_decision,
    make_drift_record,
    make_shadow,
)
from tests.kit.warehouse import OpenWarehouse, kept_actions

SET = {
    "TASADOR_DATABASE_URL": "postgresql://127.0.0.1:9/x",
    **{
        f"TASADOR_{name}": "http://127.0.0.1:9"
        for name in ("MLFLOW_URL", "BROKER_URL", "S3_ENDPOINT")
    },
}


@pytest.fixture
def actions(monkeypatch):
    """What commands record of what they do."""
    return kept_actions(monkeypatch)


@pytest.fixture
def invoke(monkeypatch, tmp_path, actions):
    for name, value in {**SET, "TASADOR_HOME": str(tmp_path), "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tasador.machine.reachable.failure", lambda _url: "")

    def run(*arguments):
        result = CliRunner().invoke(make_app(), [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_lake_sync_says_what_the_table_holds(invoke, monkeypatch):
    synced = Synced(added=3, files=1_003, rows=1_084_909, metadata="s3://data-clean/iceberg/m.json")
    monkeypatch.setattr("tasador.operations.lake_table.sync", lambda _: synced)
    assert invoke("lake", "sync").output.splitlines() == [
        "3 files added: clean.listings has 1,084,909 rows in 1,003 files",
        "metadata: s3://data-clean/iceberg/m.json",
    ]
    monkeypatch.setattr(
        "tasador.operations.lake_table.sync",
        lambda _: Synced(added=0, files=0, rows=0, metadata=""),
    )
    assert invoke("lake", "sync").output.startswith("there is no table yet")


def test_db_prune_deletes_until_nothing_is_old(invoke, monkeypatch):
    calls = []

    class Kept(OpenWarehouse):
        def count_old(self, kind, before):
            return 30_000

        def delete_old(self, kind, before):
            calls.append(kind)
            return (20_000, 10_000, 0)[calls.count(kind) - 1]

    monkeypatch.setattr("tasador.operations.retention.Warehouse", Kept)
    assert "everything is kept: set TASADOR_KEEP_PREDICTIONS_DAYS" in invoke("db", "prune").output
    monkeypatch.setenv("TASADOR_KEEP_PREDICTIONS_DAYS", "90")
    assert "30,000 predictions from before" in invoke("db", "prune", "--dry-run").output
    assert calls == []
    assert "30,000 predictions from before" in invoke("db", "prune").output
    assert calls == ["predictions"] * 3 + ["comparisons"] * 3


@pytest.mark.parametrize(("problems", "status"), [((), 0), (("batch b1 has no rows",), 1)])
def test_db_check_fails_if_something_is_missing(invoke, monkeypatch, problems, status):
    findings = [Finding("rows", "10 rows of 1 batches are as recorded", problems)]
    monkeypatch.setattr("tasador.operations.consistency.check", lambda _settings: findings)
    result = invoke("db", "check")
    expected = problems or ("10 rows of 1 batches are as recorded",)
    assert (result.exit_code, result.output) == (status, f"rows: {expected[0]}\n")


def test_version_of_an_image_is_its_commit(invoke, monkeypatch):
    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", not_installed)
    monkeypatch.setenv("GIT_SHA", "0123abc")
    result = invoke("--version")
    assert (result.exit_code, result.output) == (0, "tasador at commit 0123abc\n")


class Platform:
    def __init__(self, home):
        self.home = home

    def up(self, *, web, progress):
        progress(f"web: {web}")

    def status(self):
        return [
            PartStatus("mlflow", True, "http://127.0.0.1:9", self.home),
            PartStatus("web", False, "http://127.0.0.1:8", self.home),
        ]

    def down(self):
        (self.home / "down").touch()


def test_up_prints_progress_and_addresses_and_down_says_stopped(invoke, monkeypatch, tmp_path):
    monkeypatch.setattr("tasador.local.platform.Platform", Platform)
    monkeypatch.setenv("TASADOR_WEB_URL", "http://127.0.0.1:8")
    up = invoke("up", "--no-web")
    assert up.exit_code == 0
    assert "MLflow         http://127.0.0.1:9" in up.output
    assert "web app" not in up.output  # an earlier `tasador up` chose that address
    assert invoke("down").output.endswith("stopped\n")
    assert (tmp_path / "down").exists()


def test_serve_replaces_the_process_by_the_function(invoke, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.delenv("TASADOR_RECORDING", raising=False)
    invoke("serve", "predict", "--bundle", tmp_path, "--port", 1234)
    ((program, command, environ),) = started
    assert (program, command[-1]) == (sys.executable, "functions/predict")
    assert environ["PORT"] == "1234"
    assert environ["MODEL_URI"] == str(tmp_path.resolve())
    assert environ["TASADOR_RECORDING"] == "off"
    assert (Path.cwd() / "functions" / "predict" / "func.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("serve", "nothing"), "there is no function 'nothing'"),
        (("serve", "predict", "--bundle", "."), "has no manifest.json"),
        (
            ("ratio-study", "--bundle", "b", "--csv", "own.csv", "--html", "own.csv"),
            "--html own.csv is a file that is read: name another one",
        ),
        (("source", "serve"), "give either --csv FILE or --simulate SEED"),
    ],
)
def test_wrong_arguments_are_configuration_errors(
    invoke, monkeypatch, tmp_path, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("kept")
    with pytest.raises(ConfigurationError, match=message):
        invoke(*arguments)
    assert (tmp_path / "own.csv").read_text() == "kept"


@pytest.mark.parametrize(
    "command",
    [
        ("approve", "1"),
        ("decline", "1", "--note", "no"),
        ("rollout", "pause", "--reason", "r"),
        ("review", "record", "p", "--verdict", "accept"),
    ],
)
def test_an_empty_name_is_nobody(command):
    done = CliRunner().invoke(make_app(), [*command, "--by", " "])
    assert done.exit_code == 2
    assert "is empty: name who decides" in " ".join(done.output.replace("│", " ").split())


class Registry:
    def __init__(self, settings):
        pass

    def versions(self):
        version = ModelVersion(
            name="tasador-price",
            version=2,
            digest="d2",
            run_id="r",
            artifact_uri="s3://mlflow/r",
            training_id="t",
            correlation_id="c-1",
            created=WHEN,
            aliases=("champion",),
        )
        return [version]


BROKEN = make_batch(
    batch_id="b6", batch_number=5, status="ready", rows_quarantined=2_234, refused_at=WHEN
)


class Warehouse(OpenWarehouse):
    def batches(self):
        return [make_batch(status="ready"), BROKEN]

    def newest_verdicts(self):
        verdict = make_drift_record(batch_id="b6", verdict="broken_feed", reasons=["89% refused"])
        return {"b6": verdict}

    def model_history(self, limit):
        # Newest first; a rollback is not the decision about its version.
        return [make_decision(decision="rolled_back"), make_decision(metrics={"r2": 0.5})]


def test_models_lists_versions_with_the_decision_of_the_gate(invoke, monkeypatch):
    monkeypatch.setattr("tasador.stores.registry.Registry", Registry)
    monkeypatch.setattr("tasador.warehouse.warehouse.Warehouse", Warehouse)
    (listed,) = json.loads(invoke("models", "--json").output)
    assert listed["version"]["aliases"] == ["champion"]
    assert listed["decision"]["decision"] == "promoted"


def test_a_refused_batch_is_listed_and_told_with_the_models(invoke, monkeypatch):
    monkeypatch.setattr("tasador.stores.registry.Registry", Registry)
    monkeypatch.setattr("tasador.warehouse.warehouse.Warehouse", Warehouse)
    for name in ("tasador.stores.bundles.check_readable",):
        monkeypatch.setattr(name, lambda *_: None)
    assert "batch 5 (b6) trains no model: its feed broke" in invoke("models").output
    text = invoke("batch", "list").output
    for part in ("b6", "refused", "2,234", "broken feed", "89% refused", "none yet"):
        assert part in text, text
    listed = json.loads(invoke("batch", "list", "--json").output)
    assert [one["verdict"] and one["verdict"]["verdict"] for one in listed] == [None, "broken_feed"]


@pytest.mark.parametrize(
    ("command", "says"), [("skip", "batch 5 is set aside"), ("retry", "batch 5 is tried again")]
)
def test_a_batch_that_fails_is_skipped_or_tried_again(invoke, monkeypatch, actions, command, says):
    monkeypatch.setattr(f"tasador.ingestion.verbs.{command}", lambda settings, batch_id: BROKEN)
    assert says in invoke("batch", command, "b6").output
    assert actions == [(whoami(), f"batch {command}", "b6")]


@pytest.mark.parametrize("argo", ["", "http://127.0.0.1:9"])
def test_accepting_a_batch_says_what_judges_it_again(invoke, monkeypatch, argo):
    monkeypatch.setattr("tasador.drift.verbs.accept", lambda settings, batch_id: BROKEN)
    monkeypatch.setenv("TASADOR_ARGO_EVENTS_URL", argo)
    text = invoke("batch", "accept", "b6").output
    assert text.startswith("batch 5 is accepted")
    assert ("the drift flow judges it" in text) == bool(argo)
    assert ("python flows/drift.py run --batch-id b6" in text) == (not argo)


@dataclass
class Fetched:
    folder: Path
    uri: str = "s3://mlflow/r/dossier"
    readme: str = "# tasador-price@2\n\nWhen not to use it\n"

    @property
    def page(self):
        return self.folder / "model-card.html"

    @property
    def index(self):
        return {"decision": "promoted"}


def test_dossier_is_printed_as_text_or_json(invoke, monkeypatch, tmp_path):
    monkeypatch.setattr("tasador.dossier.verbs.fetch", lambda *_: Fetched(tmp_path))
    text = invoke("dossier", 2).output
    assert f"{Fetched.uri}\nwas downloaded to {tmp_path}" in text
    assert "file://" not in text, "an older dossier has no page"
    (tmp_path / "model-card.html").touch()
    assert f"file://{tmp_path}/model-card.html" in invoke("dossier", 2).output.replace("\n", "")
    assert json.loads(invoke("dossier", "--json").output) == {
        "uri": Fetched.uri,
        "folder": str(tmp_path),
        "decision": "promoted",
    }


@pytest.mark.parametrize(
    ("announce_error", "outcome"),
    [("", "reload is rolling it out"), ("the broker is down", "the broker is down: reload will")],
)
def test_rollback_says_how_the_version_gets_into_service(
    invoke, monkeypatch, announce_error, outcome
):
    decision = make_decision(version=1, promotion=9, decision="rolled_back")
    monkeypatch.setattr(
        "tasador.rollout.rollback.roll_back", lambda *_, **__: (decision, announce_error)
    )
    output = invoke("rollback").output
    assert "version 1 (digest d2) is champion again (promotion 9); " + outcome in output


def test_shadow_is_started_stopped_and_reported(invoke, monkeypatch, actions):
    shadow = make_shadow(mirroring_at=WHEN)
    monkeypatch.setattr("tasador.rollout.shadow.start", lambda *_, **__: (shadow, ""))
    monkeypatch.setattr("tasador.rollout.shadow.stop", lambda *_: (shadow, "the broker is down"))
    assert (
        "version 8 shadows what serves as soon as reload" in invoke("rollout", "shadow", 8).output
    )
    stopped = invoke("rollout", "shadow", "--stop", "--by", "ben").output
    assert "version 8 shadows no longer" in stopped
    assert "the broker is down: reload notices at its next check" in stopped
    assert [action[1:] for action in actions] == [
        ("rollout shadow", "8"),
        ("rollout shadow", "stop"),
    ]
    assert invoke("rollout", "shadow", 8, "--stop").exit_code == 2

    compared = [make_comparison(price=price) for price in (210_000.0, 90_000.0)]
    report = shadow_report(shadow, compared, 3, 1)
    monkeypatch.setattr("tasador.rollout.shadow_report.read_shadow_report", lambda _: report)
    text = invoke("rollout", "shadow").output
    assert "3 requests were mirrored and should be compared; 1 have no comparison" in text
    assert "50.0% of 2 values would move by more than 10%" in text
    assert re.search(r"\$200,000 │ \$90,000 +│ -55% +│ bed 3 ", text)
    printed = json.loads(invoke("rollout", "shadow", "--json").output)
    assert (printed["shadow"]["version"], printed["churn"]["moved"]) == (8, 0.5)
    monkeypatch.setattr("tasador.rollout.shadow_report.read_shadow_report", lambda _: None)
    assert "no version has shadowed yet" in invoke("rollout", "shadow").output


def test_main_prints_an_error_as_one_line_and_exits(monkeypatch, capsys):
    def fail():
        raise TasadorError("no champion")

    def interrupt():
        raise KeyboardInterrupt

    # It would clear the environment of the tests.
    monkeypatch.setattr(entry.environment, "enter", lambda _command: None)
    monkeypatch.setattr(entry, "_run", fail)
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: no champion\n"
    monkeypatch.setattr(entry, "_run", interrupt)
    with pytest.raises(SystemExit) as stopped:
        entry.main()
    assert stopped.value.code == 130


def test_replay_names_ids_that_no_dead_letter_has(invoke, monkeypatch):
    class Backend:
        @staticmethod
        def dead_letters(_settings):
            return [{"event": {"id": "p-1"}}]

        @staticmethod
        def replay(_settings, ids):
            return len(ids) or 1

    monkeypatch.setenv("TASADOR_GATEWAY_ADMIN_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("tasador.cli.dead_letters._backend", lambda _: Backend)
    assert invoke("dead-letters", "replay").output == "1 event delivered\n"
    assert invoke("dead-letters", "replay", "p-1").output == "1 event delivered\n"
    with pytest.raises(TasadorError, match="no dead letter has the id p-2, p-3; `tasador dead-"):
        invoke("dead-letters", "replay", "p-1", "p-2", "p-3")
