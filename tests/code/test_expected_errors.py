"""Rows count by the error that is to be expected of them."""

import numpy as np
import pytest

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.training import encoder_fit
from tasador.training.encoder_fit import fit_encoders
from tasador.training.expected_errors import weights
from tasador.training.geography import load_geography
from tasador.training.local_regressions import sum_listings
from tasador.training.rows import prepare_rows

ROWS = 3000
PER_FOOT = 200.0


def _rows(loudness=1.0):
    """Homes at one price per square foot; nobody can tell the prices of those with seven beds."""
    random = np.random.default_rng(0)
    sizes, loud = random.uniform(900, 3_000, ROWS), random.random(ROWS) < 0.3
    noise = np.where(loud, loudness, 0.05) * random.normal(0, 1, ROWS)
    listings = [
        Listing(
            price=PER_FOOT * size * float(np.exp(error)),
            house_size=size,
            bed=7.0 if is_loud else 3.0,
            zip_code=f"{33125 + row % 12}",
        )
        for row, (size, error, is_loud) in enumerate(
            zip(sizes.tolist(), noise.tolist(), loud.tolist(), strict=True)
        )
    ]
    return prepare_rows(arrays_of(listings)), loud


def test_rows_whose_prices_vary_more_count_less():
    rows, loud = _rows()
    weight = weights(rows, np.ones(ROWS, dtype=bool), load_geography())
    assert weight.mean() == pytest.approx(1)
    assert 3 < weight[~loud].mean() / weight[loud].mean() < 30


def test_prices_that_are_not_used_change_no_weight():
    rows, _ = _rows()
    used = np.arange(ROWS) % 3 > 0
    before = weights(rows, used, load_geography())
    rows.log_price[~used] += 2.0
    np.testing.assert_array_equal(weights(rows, used, load_geography()), before)
    assert before[used].mean() == pytest.approx(1)


def test_too_few_rows_to_tell_count_all_the_same():
    rows, _ = _rows()
    used = np.arange(ROWS) < 90
    np.testing.assert_allclose(weights(rows, used, load_geography()), 1.0, rtol=1e-6)


def test_a_premium_follows_the_prices_that_can_be_told(monkeypatch):
    rows, loud = _rows(loudness=0.6)
    every, first = np.ones(ROWS, dtype=bool), int(rows.zips.min())
    rows.log_price[loud & (rows.zips == first)] += 1.0

    def premium():
        fit = fit_encoders(rows, every, load_geography(), np.unique(rows.zips))
        return fit.encoders.places.premium[fit.zips_with_listings == first][0]

    weighed = premium()
    monkeypatch.setattr(encoder_fit, "weights", lambda *_: np.ones(ROWS))
    assert 0 < weighed < 0.6 * premium()


def test_a_weight_of_two_is_the_same_listing_twice():
    rows, _ = _rows()
    few, states = np.arange(40), len(rows.vocabulary["state"])

    def sums(among, weight):
        columns = (rows.terms[among], rows.log_price[among], weight)
        return sum_listings(*columns, rows.zips[among], rows.state[among], states, load_geography())

    twice = sums(np.concatenate([few, few]), np.ones(80))
    weighed = sums(few, np.full(40, 2.0))
    np.testing.assert_allclose(weighed.gram, twice.gram)
    np.testing.assert_allclose(weighed.cross, twice.cross)
    np.testing.assert_allclose(weighed.nation, twice.nation)
    np.testing.assert_array_equal(2 * weighed.count, twice.count)
