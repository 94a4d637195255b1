"""What commands print on a terminal: tables, the lineage tree, narration, progress, addresses."""

import io
import json
from datetime import timedelta

import pytest
from rich.console import Console

from tasador.cli import dead_letters, loop, output, platform, progress, tables
from tasador.cli.console import heading, make_console, say
from tasador.cli.narration import Narrator
from tasador.errors import TasadorError
from tasador.gate.checks import NO_CHAMPION
from tasador.operations.lineage import Lineage
from tasador.operations.pipeline import FlowRun
from tasador.settings import Settings
from tasador.stores.model_version import ModelVersion
from tests.kit.records import (
    WHEN,
    make_batch,
    make_decision,
    make_drift_record,
    make_monitor_record,
    make_prediction,
    make_rollout,
)
from tests.kit.warehouse import OpenWarehouse


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=240)


def printed(console, *values):
    for value in values:
        console.print(value)
    return console.file.getvalue()


def run(flow, **artifacts):
    return FlowRun(flow=flow, run_id="1", seconds=3.4, artifacts=artifacts)


def model_version(number, *aliases):
    return ModelVersion(
        name="tasador-price",
        version=number,
        digest=f"d{number}",
        run_id="r",
        artifact_uri="s3://mlflow/r",
        training_id="t",
        correlation_id="c-1",
        created=WHEN,
        aliases=aliases,
    )


def test_models_table_with_and_without_a_decision(console):
    decision = make_decision(version=1, digest="d1", metrics={"r2": 0.7, "median_error": 0.12})
    versions = [model_version(2), model_version(1, "champion")]
    text = printed(console, tables.models_report(versions, {decision.model.key: decision}))
    assert "none yet" in text
    for cell in ("champion", "promoted 2026-01-31 12:00", "0.700", "12.0%", "better"):
        assert cell in text


def test_monitoring_table_shows_errors_as_percentages(console):
    checks = [
        make_monitor_record(estimated_error=0.2, request_reason="training was requested"),
        make_monitor_record(realised_error=0.1, reasons=["nothing moved"], hurts=False),
    ]
    text = printed(console, tables.monitoring_report(checks))
    assert "22%" in text
    assert "11%" in text
    assert "· it hurts" in text
    assert "training was requested" in text


def test_metrics_and_dead_letters_tables(console):
    letter = {
        "time": "2026-01-31T12:00:00.123456+00:00",
        "event": {"type": "tasador.model.promoted", "id": "decision-7"},
        "subscriber": "reload",
        "status": None,
        "reason": "no answer",
    }
    text = printed(
        console,
        tables.metrics_table({"r2": 0.71234, "rows": 1234.0}, "bundle x"),
        tables.dead_letters_report([letter]),
    )
    for cell in ("0.7123", "1,234", "bundle x", "2026-01-31T12:00:00", "decision-7", "no answer"):
        assert cell in text


def test_lineage_tree_names_every_step(console):
    lineage = Lineage(
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        prediction=make_prediction(prediction_id="p1", revision=""),
        rollouts=[make_rollout()],
        decision=make_decision(),
        drift=[make_drift_record()],
        checks=[make_monitor_record()],
        batches=[make_batch(rows_raw=1_200, rows_clean=1_100), make_batch(batch_number=1)],
    )
    text = printed(console, tables.lineage_tree(lineage))
    for part in (
        "prediction p1: $250,000",
        "revision (none), correlation id c-1",
        "serving since 2026-01-31 12:00:00: all traffic",
        "tasador-price@2",
        "MLflow run r",
        "promoted 2026-01-31 12:00:00\n│   │   └── better\n",
        "drift verdict 'drift'\n│   │   └── price moved\n",
        "requested by monitoring\n│       └── it hurts\n",
        "trained on 2 batches",
        "batch 0 of http://source: 1,100 clean of 1,200 rows",
    ):
        assert part in text, text


BATCH = {"batch_number": 1, "rows_raw": 1_000, "rows_clean": 990, "rows_quarantined": 10}


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        (run("ingest", status="ingested", batch=BATCH), ["1,000 rows, 990 clean, 10 in quar"]),
        (run("ingest", status="repeated", batch=BATCH), ["already ingested"]),
        (run("ingest", status="exhausted", batch=None), ["the source is exhausted"]),
        (
            run("drift", verdict="drift", moved=True, hurts=False, reasons=["price moved"]),
            ["moved", "· price moved"],
        ),
        (
            run(
                "drift",
                verdict="broken_feed",
                moved=False,
                hurts=False,
                reasons=["2,234 of 2,500 rows were refused"],
                batch_id="b6",
            ),
            ["broken feed", "· 2,234 of 2,500", "tasador batch accept b6"],
        ),
        (
            run("monitor", verdict="quiet", reasons=["nothing moved"], request_reason="no need"),
            ["· nothing moved", "· no need"],
        ),
        (
            run("train", decision="rejected", version=4, reasons=["not better"]),
            ["version 4 rejected", "· not better"],
        ),
    ],
    ids=["ingested", "repeated", "exhausted", "drift", "broken feed", "monitor", "train"],
)
def test_narrator_summarises_a_finished_flow(console, finished, expected):
    narrator = Narrator(console)
    narrator.started(finished.flow)
    narrator.finished(finished)
    text = console.file.getvalue()
    assert finished.flow in text
    assert "(3 s)" in text
    for part in expected:
        assert part in text


def test_quiet_narrator_prints_nothing(console):
    narrator = Narrator(console, quiet=True)
    narrator.started("train")
    narrator.finished(run("train", decision="promoted", version=1, reasons=[]))
    assert console.file.getvalue() == ""


def test_progress_in_a_file_prints_a_line_at_the_start_and_at_the_end(console, monkeypatch):
    monkeypatch.setattr(progress, "console", console)
    with progress.stages() as report:
        report("search", 0.0, "trial 0 of 3")
        report("search", 0.5, "trial 1 of 3")
        report("search", 1.0, "trial 3 of 3")
    assert console.file.getvalue().splitlines() == [
        "search   0%  trial 0 of 3",
        "search 100%  trial 3 of 3",
    ]


def test_progress_on_a_terminal_draws_a_bar_for_each_stage(monkeypatch):
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    monkeypatch.setattr(progress, "console", terminal)
    with progress.stages() as report:
        report("search", 0.5, "trial 1 of 2")
        report("fit", 1.0, "done")
    text = terminal.file.getvalue()
    assert "search" in text
    assert "fit" in text


def test_print_addresses_leaves_out_what_is_not_set(capsys):
    platform.print_addresses(Settings.load({"TASADOR_MLFLOW_URL": "http://127.0.0.1:5000"}))
    assert capsys.readouterr().out == "MLflow         http://127.0.0.1:5000\n"


def test_as_json_writes_records_times_and_paths(tmp_path):
    text = output.as_json([make_batch(), {"folder": tmp_path}])
    batch, folder = json.loads(text)
    assert batch["fetched_at"] == "2026-01-31T12:00:00+00:00"
    assert folder == {"folder": str(tmp_path)}
    with pytest.raises(TypeError, match="set cannot be written as JSON"):
        output.as_json({1})
    assert output.dollars(-1_234.6) == "-$1,235"


def test_dead_letters_of_one_machine_are_those_of_gateway_and_database(monkeypatch):
    from tasador.local import dead_letters as both

    settings = Settings.load({"TASADOR_PLATFORM": "embedded"})
    requests = []

    def gateway(_, method, path, body=None):
        requests.append((method, path, body))
        newest = {"time": "2026-02-01T00:00:00+00:00", "subscriber": "record"}
        return [newest] if method == "GET" else {"replayed": 1}

    moved = {"time": "2026-01-01T00:00:00+00:00", "subscriber": "record"}
    monkeypatch.setattr(both.gateway_client, "request", gateway)
    monkeypatch.setattr(both.stored, "dead_letters", lambda _: [moved])
    monkeypatch.setattr(both.stored, "replay", lambda _, ids: len(ids))
    assert [letter["time"][5:7] for letter in both.dead_letters(settings)] == ["01", "02"]
    assert both.replay(settings, ["a", "b"]) == 3
    assert requests[-1] == ("POST", "/dead-letters/replay", {"ids": ["a", "b"]})


def test_dead_letters_backend_depends_on_the_platform():
    from tasador.local import dead_letters as gateway
    from tasador.operations import dead_letters as database

    assert dead_letters._backend(Settings.load({"TASADOR_PLATFORM": "embedded"})) is gateway
    assert dead_letters._backend(Settings.load({"TASADOR_PLATFORM": "cluster"})) is database


class Warehouse(OpenWarehouse):
    """A stand-in that only has monitoring checks."""

    def monitor_history(self, limit):
        return [make_monitor_record(window_to=WHEN + timedelta(hours=n)) for n in range(limit)]


def test_monitor_list_prints_a_table_or_json(console, monkeypatch, capsys):
    monkeypatch.setattr("tasador.warehouse.warehouse.Warehouse", Warehouse)
    monkeypatch.setattr("tasador.cli.console.console", console)
    loop._list_checks(Settings.load({"TASADOR_DATABASE_URL": "postgresql://h/x"}), 2, json=True)
    assert len(json.loads(capsys.readouterr().out)) == 2
    loop._list_checks(Settings.load({"TASADOR_DATABASE_URL": "postgresql://h/x"}), 2, json=False)
    assert "2026-01-31 13:00" in console.file.getvalue()


def test_monitor_repeats_after_an_error(monkeypatch, capsys):
    """A service that is down for one check does not end the repetition."""
    pauses = []

    def fail(*_):
        raise TasadorError("MLflow does not answer")

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setenv("TASADOR_DATABASE_URL", "postgresql://127.0.0.1:9/x")
    for name in ("S3_ENDPOINT", "MLFLOW_URL", "BROKER_URL"):
        monkeypatch.setenv(f"TASADOR_{name}", "http://127.0.0.1:9")
    monkeypatch.setattr("tasador.machine.reachable.failure", lambda _url: "")
    monkeypatch.setattr(loop, "_run_flows", fail)
    monkeypatch.setattr(loop.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        loop.monitor(every_minutes=0.5)
    assert pauses == [30.0, 30.0]
    assert capsys.readouterr().out.count("error MLflow does not answer") == 2


def test_empty_reports_say_none(console):
    for report in (
        tables.models_report([], {}),
        tables.monitoring_report([]),
        tables.ledger_report([]),
    ):
        console.print(report)
    console.print(tables.dead_letters_report([]))
    assert console.file.getvalue().count("none: ") == 4


def test_no_line_is_broken_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    wide = make_console()
    address = f"gateway up at http://127.0.0.1:12345/{'x' * 200} (1.0 s)"
    wide.print(address)
    say(wide, address)
    heading(wide, "batch 1")
    assert capsys.readouterr().out.splitlines() == [address, address, "-- batch 1"]


def test_first_training_says_once_that_there_is_no_champion(console):
    narrator = Narrator(console)
    missing = ["there is no champion to judge by: train one first"]
    narrator.finished(run("drift", verdict="train", moved=False, hurts=False, reasons=missing))
    reasons = [NO_CHAMPION, "R² on the permanent holdout is 0.818."]
    narrator.finished(run("train", decision="promoted", version=1, reasons=reasons))
    text = console.file.getvalue()
    assert text.count("no champion") == 1
    assert "R² on" in text
