"""Adjustment grids: from the price of a comparable to the estimate, difference by difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.model.adjustments import ADJUSTED_FOR, adjustment_grid
from tasador.model.bundle import Bundle
from tasador.model.contributions import explain
from tasador.model.features import TERMS
from tasador.model.own_features import own_numbers, terms
from tasador.model.traits import (
    KNOWN_SCALES,
    KNOWN_TERMS,
    given_of,
    known_values,
    traits_of,
)
from tasador.training.encoding import fit_all_rows
from tasador.training.rows import prepare_rows
from tests.kit.listings import simulated_listings
from tests.kit.models import make_bundle


@given(
    arrays(float, len(TERMS), elements=st.floats(-5, 5)),
    arrays(float, len(TERMS), elements=st.floats(-2, 2)),
    arrays(float, (4, len(KNOWN_TERMS)), elements=st.floats(-5, 5)),
    arrays(float, 4, elements=st.floats(9, 16)),
    arrays(float, 4, elements=st.floats(-1, 1) | st.sampled_from([0.0, 1e-12])),
)
def test_a_price_and_its_adjustments_are_the_adjusted_price(design, regression, known, price, up):
    grid, before, after = adjustment_grid(design, regression, known, price, price + up)
    np.testing.assert_array_equal(before + grid.sum(axis=1), after)
    np.testing.assert_array_equal(after, np.rint(np.exp(price + up)))


def test_each_difference_is_in_its_column():
    """A listing that differs by one term from a comparable without any."""
    for number, term in enumerate(TERMS):
        design = np.zeros(len(TERMS))
        design[number] = 1.0
        regression = np.full(len(TERMS), 0.1)
        known = np.zeros((1, len(KNOWN_TERMS)))
        grid, before, after = adjustment_grid(
            design, regression, known, np.array([12.0]), np.array([12.1])
        )
        worth = dict(zip(ADJUSTED_FOR, grid[0].tolist(), strict=True))
        assert worth.pop(term.column) == pytest.approx(after[0] - before[0], abs=1)
        assert set(worth.values()) <= {0, 1, -1}


@pytest.fixture(scope="module")
def known():
    return [each for each in simulated_listings(600) if each.status != "ready_to_build"]


@pytest.fixture(scope="module")
def encoders(known):
    return fit_all_rows(prepare_rows(arrays_of(known)))


def test_known_values_tell_the_terms(known, encoders):
    numbers = own_numbers(arrays_of(known), encoders.ranges, encoders.unstated)
    design = terms(numbers, encoders.means)
    told = known_values(traits_of(design), given_of(numbers)) * KNOWN_SCALES
    by_term = np.zeros_like(design)
    for column, term in enumerate(KNOWN_TERMS):
        by_term[:, term] += told[:, column]
    names = [term.name for term in TERMS]
    apart = [n for n, name in enumerate(names) if name not in ("level", "ready_to_build")]
    np.testing.assert_allclose(by_term[:, apart], design[:, apart], atol=1e-5)


def test_comparables_end_at_the_estimate(known, encoders):
    for listing in known[:60]:
        for comparable in encoders.nearest(encoders.encode(listing), 312_345.67, 10):
            assert tuple(comparable.adjustments) == ADJUSTED_FOR
            adjusted = comparable.price + sum(comparable.adjustments.values())
            assert adjusted == comparable.adjusted
            assert adjusted + comparable.remaining == pytest.approx(312_345.67, abs=0.006)


def test_a_difference_is_worth_what_it_costs():
    """Homes of one place that cost 200 dollars per square foot: size is worth the difference."""
    draw = np.random.default_rng(5)
    homes = [
        Listing(
            price=200.0 * size, house_size=size, bed=3.0, bath=2.0, zip_code="33131", status=status
        )
        for size, status in zip(
            draw.uniform(900, 3_000, 400).tolist(), ["sold", "for_sale"] * 200, strict=True
        )
    ]
    encoders = fit_all_rows(prepare_rows(arrays_of(homes)))
    home = homes[1]._replace(house_size=1_500.0, price=None)
    nearest = encoders.nearest(encoders.encode(home), 300_000.0, 60)
    assert {comparable.sold for comparable in nearest} == {True, False}
    for comparable in nearest:
        size = comparable.adjustments["house_size"]
        assert size == pytest.approx(300_000 - comparable.price, rel=0.35, abs=4_000)
        assert comparable.adjustments["bed"] == comparable.adjustments["bath"] == 0
        assert abs(comparable.adjustments["place"]) < 1_000


def test_an_explanation_ends_at_its_price(tmp_path):
    make_bundle(tmp_path)
    trained = Bundle.load(tmp_path)
    for listing in simulated_listings(20, seed=3):
        explanation = explain(trained, listing._replace(price=None))
        assert explanation.comparables
        for each in explanation.comparables:
            end = each.price + sum(each.adjustments.values()) + each.remaining
            assert end == pytest.approx(explanation.price, abs=0.006)
