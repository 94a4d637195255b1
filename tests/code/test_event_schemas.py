"""docs/events.md and the JSON Schemas that it links to: what Tasador sends is what they say."""

import json
from datetime import UTC, datetime

import jsonschema
import pytest

from functions import event_schemas
from functions.http import HttpProblem, Request
from tasador.events import build
from tasador.events.comparisons import prediction_compared
from tasador.events.event import PREDICTION_REQUESTED, TYPES, Event
from tests.kit import records
from tests.kit.checkout import ROOT

FOLDER = ROOT / "tasador" / "events" / "schemas"


def schema_of(kind):
    return json.loads((FOLDER / f"{kind}.json").read_text())


def sent():
    """An event of each type, built as the platform builds it."""
    drift = records.make_drift_record(drift_id=7, scores={"moved": True, "hurts": False})
    decision = records.make_decision(promotion=9)
    rollout = records.make_rollout()
    at = datetime(2026, 1, 31, tzinfo=UTC)
    prediction = records.make_prediction(predicted_at=at)
    bare = records.make_prediction(predicted_at=at, confidence=None, prices=None)
    asked = Event(type=PREDICTION_REQUESTED, source="/me", id="1", data={"bed": 3})
    explanation = {
        "price": 2.0,
        "base": 1.0,
        "contributions": [{"feature": "bed", "value": "3", "dollars": 1.0}],
        "intervals": {"80": [1, 3], "90": [1, 3], "95": [0, 4]},
        "missing": [],
        "warnings": [],
        "model": {"name": "tasador-price", "version": 2, "digest": "d2"},
        "correlation_id": "c-1",
    }
    return [
        build.batch_ingested(records.make_batch()),
        build.batch_refused(drift),
        build.drift_detected(drift),
        build.training_requested(records.make_monitor_record(monitor_id=3)),
        build.model_promoted(decision),
        build.model_rejected(decision),
        build.model_waiting(decision),
        build.model_serving(rollout),
        build.rollout_failed(rollout),
        build.model_unavailable(decision.model, "predict", "predict-00002", "no answer"),
        asked,
        build.prediction_made([prediction]),
        build.prediction_made([bare]),
        build.prediction_made([prediction, bare]),
        prediction_compared([records.make_comparison()], asked),
        build.in_reply_to(asked, build.explanation_made(asked, explanation, "explain-00002")),
    ]


def test_every_type_has_a_schema_and_a_place_on_the_page():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(TYPES)
    page = (ROOT / "docs" / "events.md").read_text()
    assert [
        kind for kind in TYPES if f"[`{kind}`](../tasador/events/schemas/{kind}.json)" not in page
    ] == []
    assert {event.type for event in sent()} == set(TYPES)


@pytest.mark.parametrize("event", sent(), ids=lambda event: event.type)
def test_data_is_as_its_schema_says(event):
    schema = schema_of(event.type)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(event.body()), schema, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != PREDICTION_REQUESTED])
def test_other_data_is_refused(kind):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"unknown": 1}, schema_of(kind), jsonschema.Draft202012Validator)


def test_reply_names_the_event_that_it_answers():
    asked = Event(
        type=PREDICTION_REQUESTED,
        source="/me",
        id="ask-1",
        data={},
        extensions={"correlationid": "mine"},
    )
    reply = build.in_reply_to(asked, build.prediction_made([records.make_prediction()]))
    assert reply.extensions["causationid"] == "ask-1"
    assert reply.extensions["correlationid"] == "mine"
    # The data keeps the one of the model.
    assert reply.data["correlation_id"] == "c-1"


def test_schemas_are_served():
    listed, one = (route.view for route in event_schemas.routes())
    request = Request(method="GET", path="/", headers={})
    paths = json.loads(listed(request).body)["schemas"]
    assert set(paths) == set(TYPES)
    for kind in TYPES:
        answer = one(request, event_type=kind)
        assert answer.content_type == "application/schema+json"
        assert json.loads(answer.body)["title"] == kind
    with pytest.raises(HttpProblem, match="GET /events/schemas lists them"):
        one(request, event_type="../seal.py")
