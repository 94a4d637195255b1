"""The FSD of a listing and its class: what is measured on the holdout, and what an answer says."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.model.bundle import Bundle
from tasador.model.confidence import CLASSES, FIGURES, LIMITS, WITHIN, Confidence
from tasador.model.factors import Factors
from tasador.ratio_study.confidence import measure_confidence
from tasador.training.evaluation import evaluate, measured_confidence
from tests.kit.listings import simulated_frame, simulated_listings
from tests.kit.models import make_bundle

STATES = np.array(["Texas", "Ohio", "Iowa", None], dtype=object)


def holdout(rows, seed=1, of_state=(1.0, 1.0, 1.0, 1.0), uneven=0.0):
    """Estimates with intervals that are too wide where the error is small, by ``uneven``."""
    draw = np.random.default_rng(seed)
    size = draw.uniform(0.05, 0.5, rows)
    code = draw.integers(0, 4, rows)
    price = np.exp(draw.normal(12.5, 0.6, rows))
    estimate = price * np.exp(size * np.array(of_state)[code] * draw.normal(size=rows))
    reach = 1.28 * size + uneven
    return {
        "estimate": estimate,
        "price": price,
        "low": estimate * np.exp(-reach),
        "high": estimate * np.exp(reach),
        "state": STATES[code],
        "key": np.array([f"property {row}" for row in range(rows)], dtype=object),
    }


def said(rows, confidence):
    """What single answers say of the rows."""
    return [
        confidence.of_one(low, high, state)
        for low, high, state in zip(rows["low"], rows["high"], rows["state"], strict=True)
    ]


@pytest.mark.parametrize("uneven", [0.0, 0.2])
def test_two_thirds_stay_within_their_fsd_in_every_class_and_state(uneven):
    measured = holdout(12_000, uneven=uneven, of_state=(1.0, 1.6, 0.7, 1.0))
    unseen = holdout(12_000, seed=2, uneven=uneven, of_state=(1.0, 1.6, 0.7, 1.0))
    answers = said(unseen, Confidence.read(measure_confidence(**measured)))
    error = np.abs(unseen["estimate"] - unseen["price"]) / unseen["price"]
    within = error <= [answer["fsd"] for answer in answers]
    of_class = np.array([answer["class"] for answer in answers])
    for rows in (*(of_class == name for name in CLASSES), *(unseen["state"] == s for s in STATES)):
        assert np.count_nonzero(rows) >= 300
        assert np.mean(within[rows]) == pytest.approx(WITHIN, abs=0.04)


def test_a_class_is_worth_what_its_rows_show():
    rows = holdout(8_000)
    measured = measure_confidence(**rows)
    classes = measured["classes"]
    assert sum(of["rows"] for of in classes.values()) == measured["rows"] == 8_000
    assert sum(of["share"] for of in classes.values()) == pytest.approx(1, abs=1e-3)
    shares = measured["within_fsd_by_state"]
    assert set(shares) == {"Texas", "Ohio", "Iowa"}
    assert all(share == pytest.approx(WITHIN, abs=0.04) for share in shares.values())
    high, medium, low = (classes[name] for name in CLASSES)
    assert high["ppe10"] > medium["ppe10"] > low["ppe10"]
    assert high["p15_low"] < medium["p15_low"] < low["p15_low"]
    for of in classes.values():
        assert of["within_fsd"] == pytest.approx(WITHIN, abs=0.04)
        assert of["ppe10"] <= of["ppe20"]
    answers = said(rows, Confidence.read(json.loads(json.dumps(measured))))
    assert {(a["class"], a["ppe10"]) for a in answers} == {
        (n, classes[n]["ppe10"]) for n in CLASSES
    }
    for answer in answers:
        below = {"high": 0.0, "medium": LIMITS[0], "low": LIMITS[1]}[answer["class"]]
        above = {"high": LIMITS[0], "medium": LIMITS[1], "low": np.inf}[answer["class"]]
        assert below <= answer["fsd"] <= above


def test_too_few_rows_measure_nothing():
    assert measure_confidence(**holdout(29)) == {}
    assert Confidence.read({}) is None
    few = measure_confidence(**holdout(60))
    assert few["classes"]["high"]["rows"] < 30
    assert few["classes"]["high"]["ppe10"] is few["classes"]["high"]["within_fsd"] is None


def test_equal_intervals_and_perfect_prices_are_measured():
    rows = holdout(900)
    flat = {**rows, "low": rows["estimate"] * 0.8, "high": rows["estimate"] * 1.25}
    perfect = {**rows, "estimate": rows["price"], "low": rows["price"], "high": rows["price"]}
    for same in (flat, perfect):
        measured = measure_confidence(**same)
        assert np.all(np.diff(measured["widths"]) > 0)
        json.dumps(measured, allow_nan=False)
    (answer,) = {a["fsd"] for a in said(perfect, Confidence.read(measured))}
    assert answer == 0.0


LINE = Confidence(
    Factors([0.2, 0.4, 0.5], [0.6, 0.7, 0.65], {"Ohio": 1.3}), {n: {} for n in CLASSES}
)


@given(
    st.lists(st.tuples(st.floats(1e4, 1e7), st.floats(1.0, 30.0), st.integers(0, 3)), min_size=1)
)
def test_a_single_row_has_the_confidence_that_it_has_in_a_table(rows):
    low = np.array([low for low, *_ in rows])
    high = low * [times for _, times, _ in rows]
    states = [STATES[code] for *_, code in rows]
    columns = arrays_of([Listing(state=state) for state in states])
    fsd, classes, _ = LINE.of_table(low, high, columns)
    for row, state in enumerate(states):
        alone = LINE.of_one(float(low[row]), float(high[row]), state)
        assert alone["fsd"] == fsd[row]
        assert alone["class"] == CLASSES[classes[row]]


def test_a_bundle_answers_with_what_was_measured_and_an_older_one_with_nothing(tmp_path):
    manifest = make_bundle(tmp_path / "bundle", rows=900)
    bundle = Bundle.load(tmp_path / "bundle")
    frame = simulated_frame(900, 7)
    assert manifest.confidence == measured_confidence(evaluate(bundle, frame))
    listings = simulated_listings(50)
    table = bundle.predict(arrays_of(listings))
    for row, listing in enumerate(listings):
        answer = bundle.predict_one(listing)["confidence"]
        assert set(answer) == {"fsd", "class", *FIGURES}
        assert answer == bundle.confidence.answer(float(table.confidence.fsd[row]))
    older = Bundle(manifest._replace(confidence={}), bundle.encoders, bundle.engine, bundle._golden)
    assert older.predict_one(listings[0])["confidence"] is None
    assert older.predict(arrays_of(listings)).confidence is None
