"""What is recorded: only what every reader of predictions can read."""

import json
import math
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.openapi import document
from tasador.events import build
from tasador.events.event import EventError
from tasador.events.predictions import predictions_of
from tasador.model.confidence import FIGURES
from tests.kit.events import ANY_JSON
from tests.kit.records import CONFIDENCE, make_prediction

GOOD = json.loads(json.dumps(build.prediction_as_json(make_prediction())))
NEAR = {
    "prediction_id": st.sampled_from(
        ["", "a", "a/b", "history", "..", "a\x00", "x" * 101, "A-1.b:c_d"]
    ),
    "predicted_at": st.sampled_from(["now", "0001-01-01T00:00:00Z", "2026-01-31t12:00:00z", ""]),
    "price": st.floats() | st.integers(-5, 10**12) | st.just(1e200),
    "latency_ms": st.floats() | st.just(1e300),
    "model_version": st.integers(-2, 2**32),
    "listing": st.fixed_dictionaries(
        {}, optional={"bed": ANY_JSON, "zip_code": st.just(601), "price": st.just(1), "x": ANY_JSON}
    ),
    "intervals": st.dictionaries(
        st.sampled_from(["80", "x", ""]), st.lists(st.floats() | st.integers(), max_size=3)
    ),
    "missing": st.lists(st.sampled_from(["bed", "bath", "price", 5]), max_size=3),
    "confidence": st.none()
    | st.fixed_dictionaries(
        {"fsd": st.floats() | st.integers(-1, 2), "class": st.sampled_from(["high", "x"])},
        optional={name: st.none() | st.floats() for name in FIGURES} | {"more": st.just(1)},
    ),
    "prices": st.none()
    | st.dictionaries(
        st.sampled_from(["headline", "sold", "for_sale", "x"]),
        st.floats() | st.sampled_from(["sold", "x"]),
    ),
    "warnings": st.lists(st.text(max_size=5) | st.just("x" * 2000), max_size=2),
}


@st.composite
def predictions(draw):
    """The data of an event, nearly right."""
    data = dict(GOOD)
    for name in draw(st.lists(st.sampled_from(sorted(GOOD)), max_size=2)):
        data[name] = draw(NEAR.get(name, ANY_JSON) | ANY_JSON)
    return data


def read(data):
    records, errors = predictions_of(data)
    if errors:
        raise errors[0]
    return records


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"prediction_id": "history"}, "prediction_id is not an id: .*and not 'history'"),
        ({"predicted_at": "2150-01-01T00:00:00Z"}, "predicted_at is more than a day in the future"),
        ({"price": 1e200}, "price is not between 0 and"),
        ({"price": 0}, "price is not above zero"),
        ({"price": -1.0}, "price"),
        ({"price": 10**400}, "price"),
        ({"price": math.nan}, "price is not a finite number"),
        ({"latency_ms": 1e300}, "latency_ms"),
        ({"intervals": {"80": "abc"}}, r"intervals\.80 is not a list of two prices"),
        ({"intervals": {"80": [1]}}, r"intervals\.80"),
        ({"intervals": {"80": [2.0, 1.0]}}, r"intervals\.80 ends below"),
        ({"intervals": {"80": [1.0, 1e200]}}, r"intervals\.80 has a price"),
        ({"intervals": {"high": [1.0, 2.0]}}, r"intervals\.high is not a level"),
        ({"intervals": []}, "intervals"),
        ({"listing": {"bed": "three"}}, r"listing\.bed is not a number"),
        ({"listing": {"rooms": 3}}, r"listing\.rooms"),
        ({"listing": {"price": 3}}, r"listing\.price"),
        ({"missing": ["pool"]}, "missing names 'pool'"),
        ({"missing": ["bed", "bed"]}, "missing has a name twice"),
        ({"warnings": "x"}, "warnings"),
        ({"warnings": ["a\x00"]}, r"warnings\[0\]"),
        ({"prediction_id": "\x00"}, "prediction_id"),
        ({"prediction_id": "a/b"}, "prediction_id"),
        ({"predicted_at": "0001-01-01T00:00:00Z"}, "predicted_at is not in the years"),
        ({"predicted_at": "2026-01-31"}, "predicted_at is not a time"),
        ({"revision": "x" * 201}, "revision"),
        ({"prices": []}, "prices is not a JSON object with a headline"),
        ({"prices": {"sold": 1.0}}, "prices is not a JSON object with a headline"),
        ({"prices": {"headline": "sold"}}, r"prices\.headline is not a status with a price"),
        ({"prices": {"headline": []}}, r"prices\.headline is not a status with a price"),
        ({"prices": {"headline": "sold", "sold": 0}}, r"prices\.sold is not above zero"),
        ({"prices": {"headline": "sold", "sold": 1, "x": 2}}, r"prices\.x is not a status"),
        ({"confidence": "high"}, "confidence is not a JSON object"),
        ({"confidence": {}}, r"confidence\.class is missing or unknown"),
        ({"confidence": {**CONFIDENCE, "more": 1}}, r"confidence\.more is missing or unknown"),
        ({"confidence": {**CONFIDENCE, "class": "good"}}, r"confidence\.class is not one of high"),
        ({"confidence": {**CONFIDENCE, "class": []}}, r"confidence\.class is not one of high"),
        ({"confidence": {**CONFIDENCE, "fsd": None}}, r"confidence\.fsd is not a number"),
        ({"confidence": {**CONFIDENCE, "fsd": math.inf}}, r"confidence\.fsd is not a finite"),
        ({"confidence": {**CONFIDENCE, "ppe10": 1.5}}, r"confidence\.ppe10 is not between 0 and 1"),
    ],
)
def test_a_value_that_would_break_a_reader_is_refused_and_named(change, named):
    with pytest.raises(EventError, match=named):
        read({**GOOD, **change})
    with pytest.raises(EventError, match=rf"predictions\[1\]\.{named}"):
        read({"predictions": [GOOD, {**GOOD, **change}]})


def test_one_that_cannot_be_stored_leaves_the_others_alone():
    bad = {**GOOD, "price": -1}
    records, errors = predictions_of({"predictions": [GOOD, bad, GOOD, 7]})
    assert [record.prediction_id for record in records] == [GOOD["prediction_id"]] * 2
    assert [str(error).partition(" ")[0] for error in errors] == [
        "predictions[1].price",
        "predictions[3]",
    ]


def test_every_prediction_of_the_model_is_accepted_unchanged():
    record = make_prediction(
        listing={"state": "Texas", "zip_code": "77084", "bed": 3.0, "prev_sold_date": None},
        price=1.0,
        intervals={"80": [0.0, 10_000_000_000.0]},
    )
    assert read(json.loads(json.dumps(build.prediction_as_json(record)))) == [record]


@pytest.mark.parametrize("confidence", [None, {**CONFIDENCE, **dict.fromkeys(FIGURES)}])
def test_confidence_may_be_unknown(confidence):
    (record,) = read({**GOOD, "confidence": confidence})
    assert record.confidence == confidence


def test_a_prediction_of_an_older_release_has_neither_confidence_nor_prices():
    older = {n: value for n, value in GOOD.items() if n not in ("confidence", "prices")}
    (record,) = read(older)
    assert record.confidence is record.prices is None


def test_a_listing_is_recorded_as_it_is_read():
    (record,) = read({**GOOD, "listing": {"bed": "3", "zip_code": 601, "bath": "n/a"}})
    assert record.listing == {"bed": 3.0, "zip_code": "00601", "bath": None}


@given(predictions())
def test_what_is_accepted_is_accepted_again_and_fits_the_document(data):
    try:
        (record,) = read(data)
    except EventError:
        return
    written = json.loads(json.dumps(build.prediction_as_json(record), allow_nan=False))
    assert read(written) == [replace(record)]
    schema = {"$ref": "#/components/schemas/Recorded", **document("record")}
    jsonschema.validate(written, schema)
