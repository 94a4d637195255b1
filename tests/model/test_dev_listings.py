"""Floors on real listings, with slack; split by property, prices from $10,000 to $5,000,000."""

from dataclasses import replace

import numpy as np
import pytest

from tasador.gate.checks import judge
from tasador.listings.table import columns_of, read_csv
from tasador.training.evaluation import evaluate
from tests.kit.checkout import real_listings
from tests.kit.extremes import assert_no_price_is_absurd, homes_of
from tests.kit.models import QUICK, train_bundle


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    frame, _ = read_csv(real_listings())
    bundle = train_bundle(frame, tmp_path_factory.mktemp("dev") / "bundle", QUICK)
    return bundle, evaluate(bundle, frame), frame


def test_accuracy_with_any_field_missing(real):
    _, evaluation, _ = real
    assert evaluation.metrics["rows"] > 7_000
    assert evaluation.metrics["r2"] > 0.62
    assert evaluation.metrics["median_error"] < 0.23
    assert evaluation.golden_difference <= 1e-6


def test_accuracy_of_rows_with_bed_bath_and_size(real):
    bundle, _, frame = real
    rows = frame[frame["holdout"] & frame["price"].between(10_000, 5_000_000)]
    rows = rows.dropna(subset=["bed", "bath", "house_size"])
    metrics = evaluate(bundle, rows).metrics
    assert metrics["r2"] > 0.70
    assert metrics["median_error"] < 0.19


@pytest.mark.parametrize("level", [80, 90, 95])
def test_coverage_within_two_points(real, level):
    _, evaluation, _ = real
    assert abs(evaluation.metrics[f"coverage_{level}"] - level / 100) < 0.02


def test_intervals_cover_each_group(real):
    bundle, _, frame = real
    rows = frame[frame["holdout"] & frame["price"].between(10_000, 5_000_000)]
    predictions = bundle.predict(columns_of(rows))
    inside = (
        (rows["price"] >= predictions.low["90"]) & (rows["price"] <= predictions.high["90"])
    ).to_numpy()
    complete = np.array([not set(missing) - {"street"} for missing in predictions.missing])
    assert abs(inside[complete].mean() - 0.9) < 0.04
    assert abs(inside[~complete].mean() - 0.9) < 0.04


def test_gate_promotes_a_first_model(real):
    decision = judge(real[1], None)
    assert decision.promote, decision.reasons


def test_gate_rejects_a_planted_regressive_model_with_prb_named(real):
    evaluation = real[1]
    middle = np.exp(np.log(evaluation.predicted).mean())
    regressive = middle * (evaluation.predicted / middle) ** 0.85
    for champion in (None, evaluation):
        decision = judge(replace(evaluation, predicted=regressive), champion)
        assert any("The PRB is not acceptable in the whole" in says for says in decision.reasons)


def test_no_price_is_absurd(real):
    bundle, _, frame = real
    shown = frame[~frame["holdout"] & frame["price"].between(10_000, 5_000_000)]
    assert_no_price_is_absurd(bundle, shown, homes_of(shown, 60))
