"""The monitor flow on the real platform: requests through the gateway lead to one training."""

import json
import os
import subprocess
import sys
from dataclasses import fields

import httpx
import pytest

from tasador.local.platform import Platform
from tasador.operations.pipeline import pending_flows
from tasador.settings import Settings
from tasador.source.simulator import generate
from tasador.warehouse.warehouse import Warehouse
from tests.kit.flows import card_text
from tests.kit.ingestion import Source
from tests.kit.untraced import untraced
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.filterwarnings(
    # Metaflow's own.
    "ignore:The _yaml extension module:DeprecationWarning"
)


def tasador(settings, *arguments, traced=False):
    """The command line, as a user would have it; the flows that it ran.

    ``traced``: with coverage. test_loop.py measures the pipeline and its trainings.
    """
    environ = os.environ if traced else untraced(os.environ)
    done = subprocess.run(
        [sys.executable, "-m", "tasador", *arguments, "--json", "--trials", "1"],
        env={**environ, "TASADOR_HOME": str(settings.home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    decoder, runs, text = json.JSONDecoder(), [], done.stdout.strip()
    while text:
        run, end = decoder.raw_decode(text)
        runs.append(run)
        text = text[end:].lstrip()
    return runs


@pytest.fixture(scope="module")
def served(new_home):
    """A platform of this module's own whose champion, trained on one batch, is in service."""
    with pytest.MonkeyPatch.context() as patch:
        for field in fields(Settings):
            patch.delenv(f"TASADOR_{field.name.upper()}", raising=False)
        # The dossiers of test_train_flow.py leave states out.
        patch.setenv("TASADOR_DOSSIER_ROTATIONS", "0")
        platform = Platform(new_home())
        try:
            settings = platform.up(web=False)
            with Source([list(generate(7, "steady", 0, 3_000))]).serving() as source:
                patch.setenv("TASADOR_SOURCE_URL", source.url)
                runs = tasador(settings, "pipeline")
            assert [run["flow"] for run in runs] == ["ingest", "drift", "train", "ingest"]
            with httpx.Client(base_url=settings.functions_url, timeout=60) as client:
                wait_for(lambda: client.get("/model").json().get("version") == 1, 90)
            yield settings
        finally:
            platform.down()


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
    # The champion's own market: 400 listings, each of them twice.
    usual = requests_of(1, 400)
    request_prices(served, usual + usual)
    (run,) = tasador(served, "monitor", traced=True)
    quiet = history(served)[0]
    assert (run["artifacts"]["verdict"], quiet.verdict) == ("quiet", "quiet"), quiet.reasons
    assert (quiet.predictions, quiet.requested_training) == (800, False)
    assert 380 < quiet.judged <= 400
    assert quiet.estimated_error == pytest.approx(quiet.usual_error, rel=0.15)
    assert 0 < quiet.latency_ms["p50"] <= quiet.latency_ms["p95"] <= quiet.latency_ms["p99"]
    assert quiet.missing["prev_sold_date"] > 0.2 > quiet.missing["state"]
    assert pending_flows(served) == []

    # Only land, where the champion's error is largest.
    request_prices(
        served, requests_of(2, 2_500, lambda row: not row["house_size"] and not row["bed"])
    )
    monitored, trained = tasador(served, "monitor")
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
    (again,) = tasador(served, "monitor")
    assert again["artifacts"]["verdict"] == "hurts"
    assert again["artifacts"]["events"] == []
    assert again["artifacts"]["request_reason"].endswith("no batch has arrived since")
    assert [record.requested_training for record in history(served)] == [False, True, False]
    listed = tasador(served, "monitor", "--list", "2")[0]
    assert [record["monitor_id"] for record in listed] == [3, 2]
    assert listed[1]["reasons"] == check.reasons
    with Warehouse(served.database_url) as warehouse:
        assert len(warehouse.model_history()) == 2
        # Its lineage leads back to the check.
        assert warehouse.model_history()[0].correlation_id == check.correlation_id
