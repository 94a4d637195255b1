"""Monitoring's verbs on the real stores: one row per check, one request for training per cause."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tasador.clock import now
from tasador.listings.listing import read_row
from tasador.listings.table import columns_of, frame_of
from tasador.monitoring import verbs
from tasador.operations.lineage import trace
from tasador.operations.pipeline import pending_flows
from tasador.source.simulator import generate
from tasador.stores.lake import Lake
from tasador.training import verbs as training
from tasador.training.search_options import SearchOptions
from tasador.warehouse.warehouse import Warehouse
from tests.kit.broker import recording_broker
from tests.kit.ingestion import Source, ingest_one, own_database
from tests.kit.records import make_prediction

ROWS = 1_500


@pytest.fixture(scope="module")
def rising_market(platform):
    """A champion on the first batch of a market whose prices then rise by a quarter."""
    with own_database(platform) as own, recording_broker() as (broker, published):
        own = own._replace(model_name=f"test-{uuid.uuid4().hex[:8]}", broker_url=broker)
        Lake(own).ensure_buckets()
        ingested(own, generate(3, "price-shift", 0, ROWS))
        planned = training.plan(own)
        result = training.search(own, planned, SearchOptions(trials=1))
        candidate = training.fit(own, planned, result, seed=0)
        judgement = training.judge(own, planned, candidate)
        assert judgement.record.decision == "promoted"
        yield own, judgement, published


def ingested(settings, rows):
    with Source([list(rows)]).serving() as source:
        return ingest_one(settings, source.url).batch


def record_predictions(settings, judgement, rows):
    """Store the champion's predictions of these rows as the record function does; returns them."""
    read = [listing for listing, problems in map(read_row, rows) if not problems]
    prices = judgement.bundle.predict(columns_of(frame_of(read))).price
    version = judgement.record
    records = [
        make_prediction(
            predicted_at=now(),
            correlation_id=version.correlation_id,
            model_name=version.model_name,
            model_version=version.version,
            model_digest=version.digest,
            listing={k: v for k, v in listing._asdict().items() if k != "price"},
            price=float(price),
            intervals={},
            missing=list(listing.missing()),
        )
        for listing, price in zip(read, prices, strict=True)
    ]
    with Warehouse(settings.database_url) as warehouse:
        assert warehouse.log_predictions(records) == len(records)
    return records


def check_now(settings):
    case = verbs.choose(settings)
    return case, verbs.check(settings, case, lambda text: None)


def test_choose_without_a_champion(platform):
    with own_database(platform) as empty:
        empty = empty._replace(model_name=f"test-{uuid.uuid4().hex[:8]}")
        assert verbs.choose(empty) is None
        assert verbs.due(empty) is False
        assert verbs.summary(None)[0] == "no_champion"


def test_choose_window_starts_with_the_champion(rising_market):
    settings, judgement, _ = rising_market
    case = verbs.choose(settings)
    assert case.champion.version == judgement.record.version
    assert case.since == judgement.record.decided_at
    case = verbs.choose(settings._replace(monitor_days=0))
    assert case.since == case.until


def test_prices_that_arrived_since_request_one_training(rising_market):
    settings, judgement, published = rising_market
    offered = list(generate(3, "price-shift", 2, ROWS))
    assert verbs.due(settings) is False
    case, result = check_now(settings)
    assert result.reasons == ["no predictions: too few to judge"]
    record_predictions(settings, judgement, offered[:50])
    case, result = check_now(settings)
    assert "too few to tell a change from chance (fewer than 100)" in result.reasons[0]
    few = verbs.record(settings, case, result)
    assert (few.verdict, few.requested_training, few.judged) == ("too_few", False, 0)
    predictions = record_predictions(settings, judgement, offered)
    # Malformed predictions from a client of the broker do no harm.
    odd = replace(
        predictions[0],
        prediction_id=uuid.uuid4().hex,
        listing={"bed": "many", "zip_code": [1], "unheard": "of"},
    )
    with Warehouse(settings.database_url) as warehouse:
        warehouse.log_predictions([odd, replace(odd, prediction_id="cheap", price=0.01)])
    assert verbs.due(settings) is True

    case, result = check_now(settings)
    assert result.predictions == few.predictions + len(predictions) + 2
    # Listings requested before are not counted again.
    assert len(result.requests) <= len(predictions) + 1
    assert result.realised.error is None
    quiet = verbs.record(settings, case, result)
    assert (quiet.hurts, quiet.requested_training, quiet.sold) == (False, False, 0)
    assert verbs.publish(settings, quiet) == []
    assert verbs.due(settings) is False

    # The same properties arrive at prices that are a quarter higher.
    batch = ingested(settings, offered)
    published.clear()
    case, result = check_now(settings)
    pairs = len(result.realised.ratios)
    assert ROWS * 0.6 < pairs < len({p.listing["street"] for p in predictions})
    assert "price_level" in result.causes
    # Two concurrent runs, then both steps repeated: only one check requests training.
    other, result_again = replace(case, until=now(), correlation_id="other"), result
    with ThreadPoolExecutor(2) as both:
        first, second = both.map(
            lambda arguments: verbs.record(settings, *arguments),
            [(case, result), (other, result_again)],
        )
    assert sorted((first.requested_training, second.requested_training)) == [False, True]
    assert verbs.record(settings, case, result) == first
    assert verbs.record(settings, other, result_again) == second
    requesting, quiet = (first, second) if first.requested_training else (second, first)
    assert "with 1 new batch to learn from" in requesting.request_reason
    assert "no new request before" in quiet.request_reason
    assert (requesting.sold, requesting.realised_error) == (pairs, result.realised.error)
    assert requesting.realised_error > 1.2 * requesting.usual_error
    assert requesting.scores["realised"]["price_level"]["exceeded"] is True
    assert "above the predictions" in requesting.reasons[0]

    (event,) = verbs.publish(settings, requesting)
    assert verbs.publish(settings, requesting) == [event]
    assert verbs.publish(settings, quiet) == []
    assert published == [("tasador.training.requested", f"monitor-{requesting.monitor_id}")] * 2
    assert event.correlation_id == requesting.correlation_id
    assert event.data["reasons"] == requesting.reasons

    # A pipeline killed here would resume the training; the batches still wait for verdicts.
    train, *drifts = pending_flows(settings)
    assert train == ("train", {"correlation-id": requesting.correlation_id})
    assert batch.batch_id in [waiting["batch-id"] for _, waiting in drifts]

    with Warehouse(settings.database_url) as warehouse:
        checks = warehouse.monitor_history()
        assert [check.monitor_id for check in checks] == sorted(
            (check.monitor_id for check in checks), reverse=True
        )
        assert warehouse.monitor_history(limit=1) == checks[:1]
        assert warehouse.monitor_history(requested_training=True) == [requesting]
        # The resulting training is traced back to the check.
        decided = warehouse.record_decision(
            replace(
                judgement.record,
                version=99,
                training_id="asked-for",
                correlation_id=requesting.correlation_id,
                promotion=None,
                decided_at=now(),
            )
        )
        prediction = replace(
            predictions[0],
            prediction_id=uuid.uuid4().hex,
            model_version=99,
            model_digest=decided.digest,
        )
        warehouse.log_predictions([prediction])
        assert trace(prediction.prediction_id, warehouse).checks == [requesting]
    # Decided: nothing is left to resume.
    assert {flow for flow, _ in pending_flows(settings)} == {"drift"}
