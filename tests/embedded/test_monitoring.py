"""Monitoring's verbs on the real stores: prices that came in since, one row a look, one request."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

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
from tasador.training.study import SearchOptions
from tasador.warehouse.warehouse import Warehouse
from tests.kit.broker import recording_broker
from tests.kit.ingestion import Source, ingest_one, own_database
from tests.kit.records import make_prediction

ROWS = 1_500


@pytest.fixture(scope="module")
def learnt(platform):
    """A champion on the first batch of a market whose prices then rise by a quarter."""
    with own_database(platform) as own, recording_broker() as (broker, told):
        own = replace(own, model_name=f"test-{uuid.uuid4().hex[:8]}", broker_url=broker)
        Lake(own).ensure_buckets()
        ingested(own, generate(3, "price-shift", 0, ROWS))
        planned = training.plan(own)
        result = training.search(own, planned, SearchOptions(trials=1))
        candidate = training.fit(own, planned, result, seed=0)
        judgement = training.judge(own, planned, candidate)
        assert judgement.record.decision == "promoted"
        yield own, judgement, told


def ingested(settings, rows):
    with Source([list(rows)]).serving() as source:
        return ingest_one(settings, source.url).batch


def asked_for(settings, judgement, rows):
    """Keep predictions of these rows, as the champion makes them, as record would; their number."""
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
            listing={k: v for k, v in asdict(listing).items() if k != "price"},
            price=float(price),
            intervals={},
            missing=list(listing.missing()),
        )
        for listing, price in zip(read, prices, strict=True)
    ]
    with Warehouse(settings.database_url) as warehouse:
        assert warehouse.log_predictions(records) == len(records)
    return records


def look_now(settings):
    case = verbs.choose(settings)
    return case, verbs.look(settings, case, lambda text: None)


def test_without_a_champion_there_is_nothing_to_look_at(platform):
    with own_database(platform) as empty:
        empty = replace(empty, model_name=f"test-{uuid.uuid4().hex[:8]}")
        assert verbs.choose(empty) is None
        assert verbs.due(empty) is False
        assert verbs.in_words(None)[0] == "no_champion"


def test_prices_that_came_in_since_ask_for_one_training(learnt):
    settings, judgement, told = learnt
    offered = list(generate(3, "price-shift", 2, ROWS))
    assert verbs.due(settings) is False
    case, found = look_now(settings)
    assert found.reasons == ["nothing was asked: too few to tell"]
    asked_for(settings, judgement, offered[:50])
    case, found = look_now(settings)
    assert "too few to tell a change from chance (fewer than 100)" in found.reasons[0]
    few = verbs.record(settings, case, found)
    assert (few.verdict, few.asked, few.judged) == ("too_few", False, 0)
    predictions = asked_for(settings, judgement, offered)
    # What a client of the broker may have written there stops nothing.
    odd = replace(
        predictions[0],
        prediction_id=uuid.uuid4().hex,
        listing={"bed": "many", "zip_code": [1], "unheard": "of"},
    )
    with Warehouse(settings.database_url) as warehouse:
        warehouse.log_predictions([odd, replace(odd, prediction_id="free", price=0.0)])
    assert verbs.due(settings) is True

    case, found = look_now(settings)
    assert found.predictions == few.predictions + len(predictions) + 2
    # Those asked for before are no new listings.
    assert len(found.requests) <= len(predictions) + 1
    assert found.realised.error is None
    quiet = verbs.record(settings, case, found)
    assert (quiet.hurts, quiet.asked, quiet.sold) == (False, False, 0)
    assert verbs.tell(settings, quiet) == []
    assert verbs.due(settings) is False

    # The same properties come in at prices that are a quarter higher.
    batch = ingested(settings, offered)
    told.clear()
    case, found = look_now(settings)
    pairs = len(found.realised.ratios)
    assert ROWS * 0.6 < pairs < len({p.listing["street"] for p in predictions})
    assert "price_level" in found.causes
    # Two runs at once, and the step of one repeated: one of the looks asks, once.
    other, found_again = replace(case, until=now(), correlation_id="other"), found
    with ThreadPoolExecutor(2) as both:
        first, second = both.map(
            lambda given: verbs.record(settings, *given), [(case, found), (other, found_again)]
        )
    assert sorted((first.asked, second.asked)) == [False, True]
    assert verbs.record(settings, case, found) == first
    assert verbs.record(settings, other, found_again) == second
    asking, quiet = (first, second) if first.asked else (second, first)
    assert "with 1 new batch to learn from" in asking.asked_says
    assert "quiet until" in quiet.asked_says
    assert (asking.sold, asking.realised_error) == (pairs, found.realised.error)
    assert asking.realised_error > 1.2 * asking.usual_error
    assert asking.scores["realised"]["price_level"]["exceeded"] is True
    assert "above what was predicted" in asking.reasons[0]

    (event,) = verbs.tell(settings, asking)
    assert verbs.tell(settings, asking) == [event]
    assert verbs.tell(settings, quiet) == []
    assert told == [("tasador.training.requested", f"monitor-{asking.monitor_id}")] * 2
    assert event.correlation_id == asking.correlation_id
    assert event.data["reasons"] == asking.reasons

    # A pipeline that was killed now takes the training up; the batches still wait for verdicts.
    train, *drifts = pending_flows(settings)
    assert train == ("train", {"correlation-id": asking.correlation_id})
    assert batch.batch_id in [waiting["batch-id"] for _, waiting in drifts]

    with Warehouse(settings.database_url) as warehouse:
        looks = warehouse.monitor_history()
        assert [look.monitor_id for look in looks] == sorted(
            (look.monitor_id for look in looks), reverse=True
        )
        assert warehouse.monitor_history(limit=1) == looks[:1]
        assert warehouse.monitor_history(requested_training=True) == [asking]
        # A training that it led to knows what asked for it.
        decided = warehouse.record_decision(
            replace(
                judgement.record,
                version=99,
                training_id="asked-for",
                correlation_id=asking.correlation_id,
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
        assert trace(prediction.prediction_id, warehouse).looks == [asking]
    # Decided: nothing is left of it to take up.
    assert {flow for flow, _ in pending_flows(settings)} == {"drift"}


def test_the_window_begins_with_the_champion_and_goes_back_so_far(learnt):
    settings, judgement, _ = learnt
    case = verbs.choose(settings)
    assert case.champion.version == judgement.record.version
    assert case.since == judgement.record.decided_at
    case = verbs.choose(replace(settings, monitor_days=0))
    assert case.since == case.until
