"""The whole loop by `tasador pipeline`: events start flows, reload serves, lineage walks back."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import httpx
import pytest

from tasador.environment import for_child
from tasador.local.platform import Platform
from tasador.operations.pipeline import pending_flows
from tasador.settings import Settings
from tasador.source.simulator import generate
from tasador.trace_context import root_of
from tasador.warehouse.warehouse import Warehouse
from tests.kit.ingestion import Source, ingest_one, own_database
from tests.kit.otlp_sink import otlp_sink
from tests.kit.records import make_drift_record
from tests.kit.waiting import wait_for


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


@pytest.fixture(scope="module")
def collector():
    """What receives the spans of the platform and the flows."""
    with otlp_sink() as sink, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        yield sink


@pytest.fixture(scope="module")
def alone(new_home, collector):
    """A platform of this module's own: its champion is nobody else's."""
    platform = Platform(new_home())
    try:
        yield platform.up(web=False)
    finally:
        platform.down()


def test_pipeline_from_a_batch_to_the_lineage_of_a_prediction(alone, collector, monkeypatch):
    batches = [list(generate(7, "steady", number, 1_500)) for number in range(2)]
    with Source(batches).serving() as source:
        monkeypatch.setenv("TASADOR_SOURCE_URL", source.url)
        # The dossiers of test_train_flow.py leave states out.
        monkeypatch.setenv("TASADOR_DOSSIER_ROTATIONS", "0")
        output = tasador(alone, "pipeline", "--trials", "1", "--json")
        runs = read_many(output)
    assert [run["flow"] for run in runs] == [
        "ingest",
        "drift",
        "train",
        "ingest",
        "drift",
        "ingest",
    ]
    first, drift, train, second, quiet, end = (run["artifacts"] for run in runs)
    assert (drift["verdict"], train["decision"]) == ("train", "promoted")
    assert first["correlation_id"] == drift["correlation_id"] == train["correlation_id"]
    assert quiet["verdict"] == "no_drift"
    assert second["correlation_id"] != first["correlation_id"]
    assert end["status"] == "exhausted"

    with httpx.Client(base_url=alone.functions_url, timeout=60, trust_env=False) as client:
        wait_for(lambda: client.get("/model").json().get("version") == train["version"], 90)
        answer = client.post("/predict", json={"state": "Texas", "house_size": 1500}).json()
        explained = client.post("/explain", json={"state": "Texas", "house_size": 1500}).json()
        assert answer["price"] == explained["price"]
        total = explained["base"] + sum(c["dollars"] for c in explained["contributions"])
        assert total == pytest.approx(explained["price"], abs=1)
        path = f"/predictions/{answer['prediction_id']}"
        wait_for(lambda: client.get(path).status_code == 200, 90)
    assert answer["correlation_id"] == first["correlation_id"]

    lineage = json.loads(tasador(alone, "lineage", answer["prediction_id"], "--json"))
    assert lineage["prediction"]["prediction_id"] == answer["prediction_id"]
    assert lineage["decision"]["version"] == train["version"]
    assert [batch["batch_id"] for batch in lineage["batches"]] == [first["batch_id"]]
    assert lineage["drift"][0]["verdict"] == "train"
    (rollout,) = [r for r in lineage["rollouts"] if r["outcome"] == "serving"]
    assert rollout["revision"] == answer["revision"]
    tree = tasador(alone, "lineage", answer["prediction_id"])
    assert first["batch_id"] in tree.replace("\n", "").replace("│", "").replace(" ", "")
    listed = json.loads(tasador(alone, "models", "--json"))
    assert listed[0]["version"]["aliases"] == ["champion"]
    assert "champion tasador-price@" in tasador(alone, "doctor")
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


def test_restore_after_the_loss_of_the_machine(alone, new_home, tmp_path, monkeypatch):
    """The platform of the loop above, and what it would have done next."""
    third = list(generate(7, "steady", 2, 1_500))
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
        restored = replace(alone, home=home)
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
        with httpx.Client(base_url=restored.functions_url, timeout=60, trust_env=False) as client:
            again = client.post("/predict", json=ask).json()
        assert (again["price"], again["intervals"]) == (price["price"], price["intervals"])
        batches = [list(generate(7, "steady", number, 1_500)) for number in range(2)]
        with Source([*batches, third]).serving() as source:
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
        own = replace(own, source_url="unused")
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
