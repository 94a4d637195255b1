"""The whole loop by `tasador pipeline`: events start flows, reload serves, monitoring retrains, and
the machine is lost.

The tests share one platform and its champion, and run in this order.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tasador.local.platform import Platform
from tasador.machine.environment import for_child
from tasador.operations.pipeline import pending_flows
from tasador.settings import Settings
from tasador.source.simulator import generate
from tasador.tracing.context import root_of
from tasador.warehouse.warehouse import Warehouse
from tests.kit.flows import card_text
from tests.kit.ingestion import Source, ingest_one, own_database
from tests.kit.otlp_sink import otlp_sink
from tests.kit.platform import running_platform
from tests.kit.records import make_drift_record
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.filterwarnings(
    # Metaflow's own.
    "ignore:The _yaml extension module:DeprecationWarning"
)


def batches(count):
    """The first batches of the source."""
    return [list(generate(7, "steady", number, 3_000)) for number in range(count)]


def tasador(settings, *arguments):
    """The command line, as a user would have it."""
    done = subprocess.run(
        [sys.executable, "-m", "tasador", *arguments],
        env={**os.environ, "TASADOR_HOME": str(settings.home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_flows(settings, *arguments):
    """The flows that a command ran."""
    output = tasador(settings, *arguments, "--json", "--trials", "1")
    return read_many(output)


def flows_of(runs):
    return [run["flow"] for run in runs]


@pytest.fixture(scope="module")
def collector():
    """What receives the spans of the platform and the flows."""
    with otlp_sink() as sink, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        yield sink


@dataclass(frozen=True)
class Served:
    """A platform whose champion is in service, and the runs of the flows that led there."""

    settings: Settings
    runs: list[dict[str, Any]]


@pytest.fixture(scope="module")
def served(new_home, collector):
    """A platform of this module's own whose champion, trained on one batch, is in service."""
    # The dossiers of test_train_flow.py leave states out.
    with (
        running_platform(new_home(), TASADOR_DOSSIER_ROTATIONS="0") as settings,
        Source(batches(2)).serving() as source,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TASADOR_SOURCE_URL", source.url)
        yield Served(settings, run_flows(settings, "pipeline", "--batches", "1"))


def test_pipeline_runs_the_flows_that_events_start(served):
    assert flows_of(served.runs) == ["ingest", "drift", "train"]
    first, drift, train = (run["artifacts"] for run in served.runs)
    assert (drift["verdict"], train["decision"]) == ("train", "promoted")
    assert first["correlation_id"] == drift["correlation_id"] == train["correlation_id"]


def test_lineage_leads_from_a_prediction_to_its_batch(served, collector):
    settings = served.settings
    first, _, train = (run["artifacts"] for run in served.runs)
    with httpx.Client(base_url=settings.functions_url, timeout=60, trust_env=False) as client:
        wait_for(lambda: client.get("/model").json().get("version") == train["version"], 90)
        answer = client.post("/predict", json={"state": "Texas", "house_size": 1500}).json()
        explained = client.post("/explain", json={"state": "Texas", "house_size": 1500}).json()
        assert answer["price"] == explained["price"]
        total = explained["base"] + sum(c["dollars"] for c in explained["contributions"])
        assert total == pytest.approx(explained["price"], abs=1)
        path = f"/predictions/{answer['prediction_id']}"
        wait_for(lambda: client.get(path).status_code == 200, 90)
    assert answer["correlation_id"] == first["correlation_id"]

    lineage = json.loads(tasador(settings, "lineage", answer["prediction_id"], "--json"))
    assert lineage["prediction"]["prediction_id"] == answer["prediction_id"]
    assert lineage["decision"]["version"] == train["version"]
    assert [batch["batch_id"] for batch in lineage["batches"]] == [first["batch_id"]]
    assert lineage["drift"][0]["verdict"] == "train"
    (rollout,) = [r for r in lineage["rollouts"] if r["outcome"] == "serving"]
    assert rollout["revision"] == answer["revision"]
    tree = tasador(settings, "lineage", answer["prediction_id"])
    assert first["batch_id"] in tree.replace("\n", "").replace("│", "").replace(" ", "")
    listed = json.loads(tasador(settings, "models", "--json"))
    assert listed[0]["version"]["aliases"] == ["champion"]
    assert "champion tasador-price@" in tasador(settings, "doctor")
    if os.environ.get("TASADOR_TEST_LONG"):
        assert_one_trace(collector, lineage["trace_id"], answer["correlation_id"])


# From the batch to the stored prediction; FlowSpec classes name the flows' spans.
WORK = {
    *("IngestFlow start", "IngestFlow end"),
    *("DriftFlow start", "TrainFlow search", "TrainFlow judge", "TrainFlow end"),
    *("reload POST /", "predict POST /predict", "explain POST /explain", "record POST /"),
}


def assert_one_trace(collector, trace_id, correlation_id):
    """Everything from the batch to the stored prediction is in the trace, below one root."""
    wait_for(lambda: {span["name"] for span in collector.of(trace_id)} >= WORK, 30)
    spans = collector.of(trace_id)
    root = root_of(correlation_id)
    (begins,) = [span for span in spans if "parentSpanId" not in span]
    assert (begins["name"], begins["spanId"]) == ("IngestFlow start", root.span_id)
    known = {span["spanId"] for span in spans}
    assert {span["parentSpanId"] for span in spans if span is not begins} <= known
    services = {span["service"] for span in spans}
    assert {"flows", "reload", "predict", "explain", "record"} <= services
    names = {span["name"] for span in spans}
    assert {"postgres INSERT", "postgres SELECT", "s3 data-raw", "s3 data-clean"} <= names
    # The event's attribute: record continues the prediction that it stores, or the root.
    (stored,) = [span for span in spans if span["name"] == "record POST /"]
    predicted = {span["spanId"] for span in spans if span["name"] == "predict POST /predict"}
    assert stored["parentSpanId"] in predicted


def request_prices(settings, listings):
    """Request prices through the gateway and wait until all of them are recorded."""
    with Warehouse(settings.database_url) as warehouse:
        before = warehouse.prediction_summary()["count"]
        answer = httpx.post(
            f"{settings.functions_url}/batch_predict", json={"listings": listings}, timeout=60
        )
        assert answer.status_code == 200, answer.text
        wait_for(lambda: warehouse.prediction_summary()["count"] == before + len(listings), 90)


def requests_of(number, rows, only=lambda row: True):
    """Listings of the market as requests: without a price."""
    matching = [row for row in generate(7, "steady", number, 15_000) if only(row)]
    return [{k: v for k, v in row.items() if k != "price"} for row in matching[:rows]]


def history(settings):
    with Warehouse(settings.database_url) as warehouse:
        return warehouse.monitor_history()


def test_monitor_flow_requests_one_training(served, checkout, monkeypatch):
    served = served.settings
    with Warehouse(served.database_url) as warehouse:
        earlier = warehouse.prediction_summary()["count"]
    # The champion's own market: 400 listings, each of them twice.
    usual = requests_of(1, 400)
    request_prices(served, usual + usual)
    (run,) = run_flows(served, "monitor")
    quiet = history(served)[0]
    assert (run["artifacts"]["verdict"], quiet.verdict) == ("quiet", "quiet"), quiet.reasons
    assert (quiet.predictions, quiet.requested_training) == (earlier + 800, False)
    assert 380 < quiet.judged <= earlier + 400
    assert quiet.estimated_error == pytest.approx(quiet.usual_error, rel=0.15)
    assert 0 < quiet.latency_ms["p50"] <= quiet.latency_ms["p95"] <= quiet.latency_ms["p99"]
    assert quiet.missing["prev_sold_date"] > 0.2 > quiet.missing["state"]
    assert pending_flows(served) == []

    # Only land, where the champion's error is largest.
    request_prices(
        served, requests_of(2, 2_500, lambda row: not row["house_size"] and not row["bed"])
    )
    monitored, trained = run_flows(served, "monitor")
    check = history(served)[0]
    assert (monitored["flow"], trained["flow"]) == ("monitor", "train")
    assert (check.verdict, check.causes, check.requested_training) == (
        "hurts",
        ["estimated_error"],
        True,
    )
    assert check.estimated_error > 1.2 * check.usual_error
    assert check.missing["house_size"] > 0.6
    (event,) = monitored["artifacts"]["events"]
    assert event["type"] == "tasador.training.requested"
    assert event["id"] == f"monitor-{check.monitor_id}"
    assert event["data"]["reasons"] == check.reasons == monitored["artifacts"]["reasons"]
    assert event["correlationid"] == check.correlation_id
    assert trained["artifacts"]["correlation_id"] == check.correlation_id
    # The same data gives the same model, which the gate rejects.
    assert trained["artifacts"]["decision"] == "rejected"
    card = card_text("monitor", "judge", served.home, checkout)
    assert check.reasons[0] in card
    assert "Training was requested" in card
    assert "<iframe" in card
    assert "data:image/png" in card

    # The same cause again: no request and no training, although the quiet period is over.
    monkeypatch.setenv("TASADOR_MONITOR_QUIET_HOURS", "0")
    (again,) = run_flows(served, "monitor")
    assert again["artifacts"]["verdict"] == "hurts"
    assert again["artifacts"]["events"] == []
    assert again["artifacts"]["request_reason"].endswith("no batch has arrived since")
    assert [record.requested_training for record in history(served)] == [False, True, False]
    listed = run_flows(served, "monitor", "--list", "2")[0]
    assert [record["monitor_id"] for record in listed] == [3, 2]
    assert listed[1]["reasons"] == check.reasons
    with Warehouse(served.database_url) as warehouse:
        assert len(warehouse.model_history()) == 2
        # Its lineage leads back to the check.
        assert warehouse.model_history()[0].correlation_id == check.correlation_id


def test_pipeline_goes_on_until_the_source_is_exhausted(served):
    runs = run_flows(served.settings, "pipeline")
    assert flows_of(runs) == ["ingest", "drift", "ingest"]
    second, quiet, end = (run["artifacts"] for run in runs)
    assert quiet["verdict"] == "no_drift"
    assert second["correlation_id"] != served.runs[0]["artifacts"]["correlation_id"]
    assert end["status"] == "exhausted"


def test_restore_after_the_loss_of_the_machine(served, new_home, tmp_path, monkeypatch):
    """The platform of the loop above, and what it would have done next."""
    alone = served.settings
    folder, ask = tmp_path / "backups", {"state": "Texas", "house_size": 1500}
    with httpx.Client(base_url=alone.functions_url, timeout=60, trust_env=False) as client:
        price = client.post("/predict", json=ask).json()
        newest = client.get("/predictions/history?limit=1").json()["predictions"][0]
    before = {
        "lineage": json.loads(tasador(alone, "lineage", newest["prediction_id"], "--json")),
        "models": json.loads(tasador(alone, "models", "--json")),
        "batches": json.loads(tasador(alone, "batch", "list", "--json")),
    }
    card = get_card(alone)
    lake = tasador(alone, "lake", "sync")
    assert lake.startswith("2 files added: clean.listings has ")

    first = json.loads(tasador(alone, "backup", str(folder), "--json"))
    assert first["missing"] == []
    assert first["rows"]["ops.batches"] == 2
    second = json.loads(tasador(alone, "backup", str(folder), "--keep", "1", "--json"))
    assert second["deleted"] == [first["backup"]]
    # Only the dumps differ.
    assert second["new_contents"] <= 3
    assert second["new_bytes"] < first["new_bytes"] / 2
    tasador(alone, "backup", str(folder), "--check")
    assert "platform is not empty" in refused(alone, "restore", str(folder))

    Platform(alone.home).down()
    shutil.rmtree(alone.home)
    home = new_home()
    monkeypatch.setenv("TASADOR_HOME", str(home))
    try:
        restored = alone._replace(home=home)
        tasador(restored, "restore", str(folder))
        restored = Settings.load()
        assert restored.database_url != alone.database_url
        after = {
            "lineage": json.loads(tasador(restored, "lineage", newest["prediction_id"], "--json")),
            "models": json.loads(tasador(restored, "models", "--json")),
            "batches": json.loads(tasador(restored, "batch", "list", "--json")),
        }
        rollouts = after["lineage"].pop("rollouts"), before["lineage"].pop("rollouts")
        assert rollouts[0][: len(rollouts[1])] == rollouts[1]
        assert after == before
        assert get_card(restored) == card
        assert tasador(restored, "lake", "sync") == lake.replace("2 files added", "0 files added")
        with httpx.Client(base_url=restored.functions_url, timeout=60, trust_env=False) as client:
            again = client.post("/predict", json=ask).json()
        assert (again["price"], again["intervals"]) == (price["price"], price["intervals"])
        with Source(batches(3)).serving() as source:
            for number in range(3):
                taken = ingest_one(restored, source.url)
                expected = "ingested" if number == 2 else "repeated"
                assert (taken.batch.batch_number, taken.status) == (number, expected)
    finally:
        Platform(home).down()


def refused(settings, *arguments):
    """What a command that fails says."""
    done = subprocess.run(
        [sys.executable, "-m", "tasador", *arguments],
        env={**os.environ, "TASADOR_HOME": str(settings.home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def get_card(settings):
    """The page of the newest train flow's card, as the user gets it."""
    return subprocess.run(
        [sys.executable, "flows/train.py", "card", "get", "judge"],
        env=for_child(settings.home, os.environ),
        capture_output=True,
        check=True,
    ).stdout


def test_pending_flows_after_a_killed_pipeline(platform):
    with own_database(platform) as own:
        own = own._replace(source_url="unused")
        assert pending_flows(own) == []
        with Source([list(generate(3, "steady", 0, 50))]).serving() as source:
            batch = ingest_one(own, source.url).batch
        parameters = {"batch-id": batch.batch_id, "correlation-id": batch.correlation_id}
        assert pending_flows(own) == [("drift", parameters)]
        with Warehouse(own.database_url) as warehouse:
            warehouse.record_drift(
                make_drift_record(
                    batch_id=batch.batch_id,
                    champion_version=0,
                    correlation_id=batch.correlation_id,
                    verdict="train",
                )
            )
        assert pending_flows(own) == [("train", parameters)]


def read_many(text):
    """The JSON values that stand in a text one after the other."""
    decoder, values, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    return values
