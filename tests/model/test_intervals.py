"""Intervals reach their nominal coverage on properties that no model has seen."""

from itertools import pairwise

import numpy as np
import pytest

from tasador.listings.arrays import absent_of
from tasador.listings.table import columns_of
from tasador.model.intervals import GROUPS, LEVELS, calibrate, groups_of
from tasador.training.evaluation import by_slice, evaluate
from tests.kit.listings import simulated_frame


@pytest.fixture(scope="module")
def unseen():
    """Another draw of the same market, so that its properties were not trained on."""
    return simulated_frame(6000, seed=3, batch=1)


@pytest.mark.parametrize("level", LEVELS)
def test_coverage_on_unseen_properties(trained, unseen, market, level):
    rows = unseen[~unseen["property_key"].isin(market["property_key"])]
    rows = rows[rows["price"].between(10_000, 5_000_000)]
    assert len(rows) > 3000
    predictions = trained.predict(columns_of(rows))
    inside = (rows["price"] >= predictions.low[level]) & (rows["price"] <= predictions.high[level])
    # Two points, and twice the noise of about 5,000 properties that calibrate.
    slack = 0.02 + 2 * np.sqrt(LEVELS[level] * (1 - LEVELS[level]) / 5000)
    assert abs(inside.mean() - LEVELS[level]) < slack


def test_all_training_rows_calibrate(trained, market):
    """A state has a factor from 100 rows, which no slice of this market has of many states."""
    learned = market[~market["holdout"] & market["price"].between(10_000, 5_000_000)]
    rows = learned["state"].value_counts()
    assert set(trained.manifest.size_factors["states"]) == set(rows[rows >= 100].index)


def test_intervals_are_wider_with_fewer_known_fields(trained, unseen):
    columns = columns_of(unseen[unseen["price"].between(10_000, 5_000_000)])

    def width(**hidden):
        absent = {name: np.full(len(columns["price"]), value) for name, value in hidden.items()}
        predictions = trained.predict({**columns, **absent})
        return np.median(np.log(predictions.high["90"] / predictions.low["90"]))

    whole = width()
    assert whole < width(house_size=np.nan)
    assert whole < width(zip_code=None, city=None, state=None)


def test_calibrate_small_group_uses_less_complete_groups():
    draw = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2, 3], [500, 10, 500, 500])
    off = draw.normal(size=len(groups)) * (1 + groups)
    sizes = np.full(len(off), 0.1)
    intervals = calibrate(off, sizes, groups)["90"]
    assert intervals["complete"] < intervals["something missing"]
    less = groups >= 1
    alone = calibrate(off[less], sizes[less], np.full(less.sum(), 3))["90"]
    assert intervals["something missing"] == alone["complete"]


def test_calibrate_covers_with_few_rows():
    draw = np.random.default_rng(0)
    covered = []
    for _ in range(2000):
        off = draw.normal(size=51)
        ends = calibrate(off[:50], np.ones(50), np.full(50, GROUPS.index("place unknown")))
        below, above = ends["90"]["complete"]
        covered.append(-below <= off[50] <= above)
    assert 0.885 < np.mean(covered) < 0.93


def test_calibrate_is_narrower_than_symmetric_intervals():
    draw = np.random.default_rng(0)
    sizes = draw.choice([0.2, 0.6], 4000)
    off = draw.normal(size=4000) * sizes
    below, above = calibrate(off, sizes, np.full(4000, 3))["90"]["complete"]
    assert np.mean((off >= -below * sizes) & (off <= above * sizes)) == pytest.approx(
        0.9, abs=0.002
    )
    even = np.quantile(np.abs(off / sizes), 0.9)
    width = np.mean(np.exp(above * sizes) - np.exp(-below * sizes))
    assert width < 0.93 * np.mean(np.exp(even * sizes) - np.exp(-even * sizes))
    assert below > above


def test_intervals_contain_the_price_and_are_nested(trained, unseen):
    predictions = trained.predict(columns_of(unseen))
    ends = [predictions.low["95"], predictions.low["90"], predictions.low["80"], predictions.price]
    ends += [predictions.high["80"], predictions.high["90"], predictions.high["95"]]
    for lower, higher in pairwise(ends):
        assert (lower <= higher).all()


def test_groups_of_missing_fields(market):
    columns = columns_of(market.head(400))
    known = np.ones(400, dtype=bool)
    known[:10] = False
    names = np.array(GROUPS)[groups_of(absent_of(columns), known)]
    assert set(names[:10]) == {"place unknown"}
    no_size = np.isnan(columns["house_size"][10:])
    assert set(names[10:][no_size]) == {"size missing"}
    assert {"complete", "something missing"} <= set(names[10:][~no_size])


def test_evaluate_uses_only_the_holdout(trained, market):
    evaluation = evaluate(trained, market)
    held = market[market["holdout"] & market["price"].between(10_000, 5_000_000)]
    np.testing.assert_array_equal(evaluation.actual, held["price"])
    assert evaluation.metrics == trained.manifest.metrics
    slices = by_slice(evaluation)
    for kind in ("state", "price"):
        rows = sum(part["rows"] for part in slices if part["kind"] == kind)
        assert rows == len(held)


@pytest.mark.parametrize("rows", [40, 60, 99, 150, 400])
def test_calibrate_levels_are_nested_with_few_rows(rows):
    drawn = np.random.default_rng(rows)
    # Skewed, so that the narrowest interval has few misses below.
    off = drawn.normal(0.0, 0.3, rows) + drawn.exponential(0.5, rows) - 0.5
    intervals = calibrate(off, np.ones(rows), np.full(rows, len(GROUPS) - 1))
    ends = np.array([intervals[level][GROUPS[-1]] for level in LEVELS])
    assert (np.diff(ends, axis=0) > 0).all()
