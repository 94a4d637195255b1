"""The drift flow on the real platform: a verdict is recorded once, published and on the card."""

import uuid
from dataclasses import replace

import pytest

from tasador.drift import verbs
from tasador.errors import TasadorError
from tasador.operations.pipeline import pending_flows
from tasador.source.simulator import generate
from tasador.stores.lake import Lake
from tasador.stores.registry import CHAMPION, Registry
from tasador.training import verbs as training
from tasador.training.search_options import SearchOptions
from tasador.warehouse.warehouse import Warehouse
from tests.kit.broker import recording_broker
from tests.kit.flows import Flow, artifacts, card_text
from tests.kit.ingestion import Source, ingest_one, own_database

pytestmark = pytest.mark.filterwarnings(
    # Metaflow's own.
    "ignore:The _yaml extension module:DeprecationWarning"
)
ROWS = 1_500


@pytest.fixture
def settings(platform):
    """A database, a registered model and a broker of the test's own."""
    with own_database(platform) as own, recording_broker() as (broker, published):
        own = own._replace(model_name=f"test-{uuid.uuid4().hex[:8]}", broker_url=broker)
        Lake(own).ensure_buckets()
        yield own, published


@pytest.fixture(autouse=True)
def no_datastore_of_another_test(monkeypatch):
    """Metaflow's client keeps the first datastore of a process."""
    from metaflow.plugins.datastores.local_storage import LocalStorage

    monkeypatch.setattr(LocalStorage, "datastore_root", None)


def ingested(settings, batches):
    with Source(batches).serving() as source:
        return [ingest_one(settings, source.url).batch for _ in batches]


def history(settings):
    with Warehouse(settings.database_url) as warehouse:
        return list(reversed(warehouse.drift_history()))


def test_drift_flow_without_a_champion_requests_training_once(
    settings, tmp_path, checkout, monkeypatch
):
    own, published = settings
    ingested(own, [generate(3, "steady", 0, 300)])
    published.clear()
    for _ in range(2):
        code, output = Flow("drift", own, tmp_path, checkout, "run").end()
        assert code == 0, output
    (recorded,) = history(own)
    assert (recorded.verdict, recorded.champion_version) == ("train", 0)
    # The same event twice; consumers identify it by its id.
    assert published == [("tasador.drift.detected", f"drift-{recorded.drift_id}")] * 2
    data = artifacts("DriftFlow", tmp_path, monkeypatch)
    with Warehouse(own.database_url) as warehouse:
        (batch,) = warehouse.batches()
    assert (data.verdict, data.reasons) == ("train", recorded.reasons)
    assert (data.batch_id, data.correlation_id) == (batch.batch_id, batch.correlation_id)
    assert data.events[0]["data"]["verdict"] == "train"
    assert data.events[0]["correlationid"] == batch.correlation_id
    assert "no champion yet" in card_text("drift", "judge", tmp_path, checkout)


def test_broken_feed_trains_nothing_until_it_is_accepted(settings, tmp_path, checkout, monkeypatch):
    own, published = settings
    sound, garbage = generate(3, "demo", 0, 300), generate(3, "demo", 5, 300)
    before, batch = ingested(own, [sound, garbage])
    # Not even a training that starts before the verdict uses it.
    assert training.plan(own).batch_ids == (before.batch_id,)
    # Killed after the mark and before the verdict: the batch is still to be judged.
    with Warehouse(own.database_url) as warehouse:
        warehouse.refuse_batch(batch.batch_id)
    assert pending_flows(own) == [pending(before), pending(batch)]
    published.clear()
    code, output = Flow("drift", own, tmp_path, checkout, "run").end()
    assert code == 0, output
    (recorded,) = history(own)
    assert recorded.verdict == "broken_feed"
    assert "house_size" in recorded.scores["broken_fields"]
    assert "rows (8" in recorded.reasons[0] or "rows (9" in recorded.reasons[0]
    assert published == [("tasador.batch.refused", f"drift-{recorded.drift_id}")]
    data = artifacts("DriftFlow", tmp_path, monkeypatch)
    assert data.verdict == "broken_feed"
    card = card_text("drift", "judge", tmp_path, checkout)
    assert "broken feed" in card
    assert f"tasador batch accept {batch.batch_id}" in card
    # No training uses it, and the pipeline asks for none.
    assert training.plan(own).batch_ids == (before.batch_id,)
    assert pending_flows(own) == [pending(before)]

    published.clear()
    accepted = verbs.accept(own, batch.batch_id)
    assert published == [("tasador.batch.ingested", f"batch-{batch.batch_id}-accepted")]
    assert verbs.accept(own, batch.batch_id) == accepted
    assert training.plan(own).batch_ids == (before.batch_id, batch.batch_id)
    assert pending_flows(own) == [pending(before), pending(batch)]
    case = verbs.choose(own, batch.batch_id)
    again = verbs.record(own, case, verbs.judge(own, case, print))
    assert again.verdict == "train"
    assert [one.verdict for one in history(own)] == ["broken_feed", "train"]
    with pytest.raises(TasadorError, match="was not refused"):
        verbs.accept(own, before.batch_id)
    with pytest.raises(TasadorError, match="there is no batch abc"):
        verbs.accept(own, "abc")


def pending(batch):
    return "drift", {"batch-id": batch.batch_id, "correlation-id": batch.correlation_id}


def test_drift_flow_against_a_champion(settings, tmp_path, checkout, monkeypatch):
    own, published = settings
    batches = [generate(3, "price-shift", number, ROWS) for number in range(3)]
    ingested(own, batches[:1])
    planned = training.plan(own)
    result = training.search(own, planned, SearchOptions(trials=1))
    candidate = training.fit(own, planned, result, seed=0)
    decided = training.judge(own, planned, candidate).record
    assert decided.decision == "promoted", decided.reasons
    # Only now: a model is judged on the holdout of all batches that have come.
    _, steady, shifted = ingested(own, batches)
    published.clear()

    run = ("run", "--batch-id", steady.batch_id)
    code, output = Flow("drift", own, tmp_path, checkout, *run).end()
    assert code == 0, output
    # Without a batch id it is the newest.
    code, output = Flow("drift", own, tmp_path, checkout, "run").end()
    assert code == 0, output
    assert "above what the champion expects" in output

    quiet, moved = history(own)
    assert [r.batch_id for r in (quiet, moved)] == [steady.batch_id, shifted.batch_id]
    assert (quiet.verdict, moved.verdict) == ("no_drift", "drift")
    assert published == [("tasador.drift.detected", f"drift-{moved.drift_id}")]
    # The baseline that training learned from the reference is stored next to it, and judges.
    champion = Registry(own).aliased(CHAMPION)
    _, baseline = verbs.reference_of(Lake(own), champion)
    assert baseline is not None
    assert baseline.rows == quiet.scores["rows"]["reference"]
    assert moved.champion_version == Registry(own).aliased(CHAMPION).version
    assert set(moved.scores) >= {"univariate", "multivariate", "quality", "performance"}
    assert (moved.moved, moved.hurts, quiet.moved, quiet.hurts) == (True, True, False, False)
    data = artifacts("DriftFlow", tmp_path, monkeypatch)
    assert (data.verdict, data.correlation_id) == ("drift", shifted.correlation_id)
    assert (data.moved, data.hurts) == (True, True)
    assert data.events[0]["data"]["moved"] is data.events[0]["data"]["hurts"] is True
    card = card_text("drift", "judge", tmp_path, checkout)
    assert moved.reasons[0] in card
    assert "the market moved, and it hurts the champion" in card
    assert "<iframe" in card


def test_missing_reference_requests_a_training_with_the_reason(settings):
    own, _ = settings
    (batch,) = ingested(own, [generate(3, "steady", 0, 300)])
    champion = Registry(own).reserve_version(
        Registry(own).open_run("none", batch.correlation_id), "none", batch.correlation_id
    )
    case = verbs.Case(batch=batch, champion=champion, correlation_id=batch.correlation_id)
    with Warehouse(own.database_url) as warehouse:
        case = replace(case, batch=warehouse.batch(batch.batch_id))
    report = verbs.judge(own, case, print)
    assert report.verdict == "train"
    assert "does not exist in the object store" in report.reasons[0]


def test_unknown_or_unfinished_batch_is_refused(settings):
    own, _ = settings
    with pytest.raises(TasadorError, match="no batch has been ingested yet"):
        verbs.choose(own)
    with pytest.raises(TasadorError, match="there is no batch abc"):
        verbs.choose(own, "abc")
    (batch,) = ingested(own, [generate(3, "steady", 0, 300)])
    with Warehouse(own.database_url) as warehouse:
        warehouse.save_batch(replace(batch, status="validated"))
    with pytest.raises(TasadorError, match="is validated, not ready"):
        verbs.choose(own, batch.batch_id)
