"""The drift reference, the frames that judge_batch accepts, and the thresholds."""

import numpy as np
import pandas as pd
import pytest

from tasador.drift.judge import judge_batch
from tasador.drift.measures import DriftError
from tasador.drift.reference import make_reference
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import COLUMNS, read_row
from tasador.listings.table import frame_of
from tasador.source.simulator import generate


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    read = (read_row(row) for row in generate(3, "steady", 0, 1_000))
    return frame_of([listing for listing, problems in read if not problems])


def test_make_reference_keeps_listing_and_predictions(frame):
    predicted = np.where(frame["holdout"], 123_456.0, np.nan)
    reference = make_reference(frame, predicted)
    assert list(reference.columns) == [*COLUMNS, "predicted"]
    assert len(reference) == len(frame)
    assert (reference["predicted"] == 123_456).sum() == frame["holdout"].sum()


def test_make_reference_prefers_rows_with_predictions_up_to_half(frame):
    predicted = np.where(np.arange(len(frame)) < 400, 200_000.0, np.nan)
    assert make_reference(frame, predicted, rows=200)["predicted"].notna().sum() == 100
    assert make_reference(frame, predicted, rows=900)["predicted"].notna().sum() >= 390
    everything = np.full(len(frame), 200_000.0)
    assert len(make_reference(frame, everything, rows=500)) == 500


def test_make_reference_is_deterministic_and_shuffled(frame):
    predicted = np.full(len(frame), 200_000.0)
    first, again = (make_reference(frame, predicted, rows=300, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    other = make_reference(frame, predicted, rows=300, seed=6)
    assert not first["price"].equals(other["price"])
    whole = make_reference(frame, predicted)
    assert not whole["price"].equals(frame["price"])


def test_make_reference_without_predictions_is_refused(frame):
    with pytest.raises(DriftError, match="only 0 rows have a prediction"):
        make_reference(frame, np.full(len(frame), np.nan))
    with pytest.raises(DriftError, match="predictions of shape"):
        make_reference(frame, np.array([1.0]))


def test_judge_batch_refuses_other_frames(frame):
    champion = object()  # never called
    with pytest.raises(DriftError, match="batch has no column bath, city"):
        judge_batch(frame.drop(columns=["city", "bath"]), None, None)
    with pytest.raises(DriftError, match="reference is missing"):
        judge_batch(frame, None, champion)  # type: ignore[arg-type]
    with pytest.raises(DriftError, match="has no column predicted"):
        judge_batch(frame, frame, champion)  # type: ignore[arg-type]


def test_judge_batch_of_an_empty_batch_is_no_drift(frame):
    report = judge_batch(frame.head(0), None, None)
    assert report.verdict == "no_drift"
    assert report.reasons == ["the batch has no listing to judge"]


def test_thresholds_equal_effect_sizes_on_large_samples():
    limits = Thresholds()
    assert limits.kolmogorov_smirnov(30_000, 20_000) == 0.10
    assert limits.jensen_shannon(1_000_000, 1_000_000, 50) == pytest.approx(0.10, abs=0.001)
    assert limits.share(0.10, 0.25, 30_000, 20_000) == 0.10
    assert limits.shift(0.05, 0.3, 30_000, 20_000) == 0.05


@pytest.mark.parametrize("rows", [100, 174, 500])
def test_thresholds_allow_for_chance_in_small_samples(rows):
    limits, rng = Thresholds(), np.random.default_rng(rows)
    reference = 5_000
    shares = rng.dirichlet(np.ones(40))
    beyond = dict.fromkeys(("ks", "js", "share"), 0)
    tries = 300
    for _ in range(tries):
        current, usual = np.sort(rng.random(rows)), np.sort(rng.random(reference))
        grid = np.concatenate([current, usual])
        ks = np.abs(
            np.searchsorted(current, grid, "right") / rows
            - np.searchsorted(usual, grid, "right") / reference
        ).max()
        beyond["ks"] += ks > limits.kolmogorov_smirnov(rows, reference)
        p, q = rng.multinomial(rows, shares) / rows, rng.multinomial(reference, shares) / reference
        js = np.sqrt(max(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2, 0))
        beyond["js"] += js > limits.jensen_shannon(rows, reference, 40)
        a, b = rng.binomial(rows, 0.25) / rows, rng.binomial(reference, 0.25) / reference
        beyond["share"] += abs(a - b) > limits.share(0.0, 0.25, rows, reference)
    assert max(beyond.values()) <= 2, beyond


def _entropy(p: np.ndarray) -> float:
    known = p[p > 0]
    return float(-(known * np.log2(known)).sum())
