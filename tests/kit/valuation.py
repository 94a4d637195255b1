"""A recorded prediction with its explanation, as a valuation report needs them."""

from dataclasses import replace
from datetime import UTC, datetime

from tasador.valuation.report import Origin
from tests.kit.records import CONFIDENCE, make_prediction

PREDICTION = make_prediction(
    listing={
        "brokered_by": "352",
        "status": None,
        "bed": 3.0,
        "bath": 2.0,
        "acre_lot": 0.21,
        "street": "1962661",
        "city": "Houston",
        "state": "Texas",
        "zip_code": "77084",
        "house_size": 1800.0,
        "prev_sold_date": None,
    },
    price=412_345.4,
    intervals={"80": [350_210.0, 480_100.0], "90": [320_000.0, 530_000.0], "95": [3e5, 6e5]},
    confidence=CONFIDENCE,
    prices={"headline": "for_sale", "for_sale": 412_345.4, "sold": 398_765.0},
)
# The model warns of most of what is given.
WARNED = replace(
    PREDICTION,
    listing={
        **PREDICTION.listing,
        "house_size": 90_000.0,
        "status": "for_sale",
        "prev_sold_date": "1950-02-01",
        "street": None,
    },
    warnings=[
        "house_size 90,000 is outside the training range (400 to 9,500)",
        "brokered_by '352' is not in the training data",
        "prev_sold_date 1950-02-01 is outside the training range (2004 to 2022)",
        "zip_code '77084' is in Texas, not in Ohio",
    ],
)


def _comparable(number):
    adjustments = {
        "place": 1_200 - 300 * number,
        "status": -2_000 if number % 2 else 0,
        "house_size": 8_000,
        "bed": -450,
        "bath": 0,
        "acre_lot": 120,
    }
    price = 405_000 - 1_000 * number
    adjusted = price + sum(adjustments.values())
    return {
        "price": price,
        "bed": 3.0,
        "bath": 2.0 if number % 3 else 1.0,
        "house_size": 1_750,
        "acre_lot": None if number % 3 else 0.25,
        "zip_code": "77084",
        "km": 1.6 * number,
        "alike": 0.99 - number / 100,
        "sold": number % 2 == 0,
        "adjustments": adjustments,
        "adjusted": adjusted,
        "remaining": 412_345.4 - adjusted,
    }


EXPLANATION = {
    "price": 412_345.4,
    "base": 380_000.0,
    "columns": [
        {"feature": "comparables", "value": "nearby", "dollars": 30_000.4},
        {"feature": "place", "value": "Houston, Texas, 77084", "dollars": -12_000.0},
        {"feature": "house_size", "value": "1,800 sq ft", "dollars": 10_345.0},
        {"feature": "bed", "value": "3", "dollars": 4_000.0},
        {"feature": "bath", "value": "2", "dollars": 0.0},
    ],
    "comparables": [_comparable(number) for number in range(10)],
}
ORIGIN = Origin(
    run_id="run-1",
    decided_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    decided_by="",
    batches=[("0123456789abcdef", 2_496, datetime(2026, 1, 30, tzinfo=UTC))],
)
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style></head><body><h1>x",
    "&lt;b&gt;",
    "x" * 5_000,
)


def hostile(text):
    """The same with ``text`` in every place that a client, a model or a person fills."""
    listing = {**PREDICTION.listing, **dict.fromkeys(("city", "state", "status", "street"), text)}
    prediction = replace(
        PREDICTION,
        listing=listing,
        warnings=[text] * 9,
        model_name=text,
        model_digest=text,
        revision=text,
        correlation_id=text,
        prediction_id=text,
    )
    columns = [{"feature": text, "value": text, "dollars": 1.0} for _ in range(12)]
    comparables = [{**each, "zip_code": text} for each in EXPLANATION["comparables"]]
    explanation = {**EXPLANATION, "columns": columns, "comparables": comparables}
    origin = replace(
        ORIGIN, run_id=text, decided_by=text, batches=[(text, 1, ORIGIN.decided_at)] * 30
    )
    return prediction, explanation, origin
