"""How a listing outside of what training showed leans back to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.model.own_features import centred, own_numbers
from tasador.model.support import BOUNDED_BY_SIZE, PRICE, SUPPORTED, bounded, bounded_one
from tasador.training.support_fit import extremes_of, ranges_around
from tests.kit.models import known_encoders, known_listings

KNOWN = known_listings()
HOUSE = next(x for x in KNOWN if None not in (x.zip_code, x.house_size, x.bed, x.bath, x.acre_lot))


def leaned(listings):
    parsed = known_encoders().parse(arrays_of(listings))
    return known_encoders().lean(parsed.numbers, known_encoders().locate(parsed.codes))


def test_what_training_showed_does_not_lean():
    columns = arrays_of(KNOWN)
    given_numbers = own_numbers(columns, known_encoders().ranges, known_encoders().unstated)
    numbers = leaned(KNOWN).numbers
    same = [
        (numbers[name] == given_numbers[name]) | np.isnan(given_numbers[name]) for name in numbers
    ]
    # One in a thousand is at either end of the bands by size.
    assert np.all(same, axis=0).mean() > 0.95


@pytest.mark.parametrize("name", SUPPORTED)
def test_a_larger_number_stays_the_larger_one(name):
    values = np.geomspace(0.01, 1e6, 400)
    shown = leaned([HOUSE._replace(**{name: value}) for value in values.tolist()]).numbers[name]
    assert (np.diff(shown) >= 0).all()
    # No jumps: steps of 4.7 % never become larger ones.
    assert (np.diff(np.log1p(shown)) <= np.diff(np.log1p(values)) + 0.05).all()
    column = SUPPORTED.index(name)
    area = known_encoders().encode(HOUSE).area
    reach = known_encoders().support.areas[area, 1, column]
    shown = centred(leaned([HOUSE._replace(**{name: 1e6})]).numbers)
    assert list(shown.values())[column][0] < reach + 2


def test_rooms_lean_to_those_of_houses_of_that_size():
    small = HOUSE._replace(house_size=900.0, bed=12.0, bath=9.0)
    large = small._replace(house_size=4_000.0)
    numbers = leaned([small, large]).numbers
    assert (numbers["bed"] < 12).all()
    for place in BOUNDED_BY_SIZE:
        name = SUPPORTED[place]
        assert numbers[name][0] <= numbers[name][1]


def test_moves_are_worth_something_and_missing_numbers_none():
    bare = Listing(zip_code=HOUSE.zip_code)
    wild = HOUSE._replace(house_size=1e6, bed=99.0, acre_lot=1e5)
    moved = leaned([HOUSE, bare, wild]).moved
    assert moved[0] == moved[1] == 0.0
    assert moved[2] > 0.2


def test_unknown_places_lean_to_state_and_nation():
    state, nation = leaned(
        [
            Listing(state=HOUSE.state, house_size=1e6),
            Listing(state="Atlantis", house_size=1e6),
        ]
    ).numbers["house_size"]
    largest = max(x.house_size for x in KNOWN if x.house_size is not None)
    assert 0 < state <= largest * 1.2
    assert 0 < nation <= largest * 1.2


@given(st.floats(0, 30), st.floats(9, 12), st.floats(0, 4))
def test_a_price_stays_within_a_factor_of_its_surroundings(log_price, lowest, spread):
    highest = lowest + spread
    price = bounded_one(log_price, lowest, highest)
    assert lowest - np.log(2.5) <= price <= highest + np.log(2.5)
    if lowest <= log_price <= highest:
        assert price == log_price
    higher = bounded_one(log_price + 0.5, lowest, highest)
    assert higher >= price
    assert higher - price <= 0.5 + 1e-9
    table = bounded(np.array([log_price]), np.array([lowest]), np.array([highest]))
    assert table[0] == pytest.approx(price, rel=1e-12)


def test_ranges_end_with_the_nearest_listings():
    """Zip code 0 has 150 listings, 1 has 100 and 2 has one; the first two price a place."""
    zips = np.repeat([0, 1, 2], [150, 100, 1])
    values = np.tile(np.arange(251.0)[:, None], (1, PRICE + 1))
    values[:, 1] = np.nan
    extremes = extremes_of(values, zips, np.zeros(251, dtype=int), 4, 1)
    ranges = ranges_around(extremes, np.array([[0, 1, 2, -1], [3, -1, -1, -1]]), np.array([0, -1]))
    assert ranges[0, :, 0].tolist() == [0, 250]
    assert ranges[0, :, PRICE].tolist() == [0, 249]
    # Nothing is known of the second place, and nowhere is a second number.
    assert ranges[1, :, 0].tolist() == pytest.approx([0, 250], abs=2)
    assert ranges[:, :, 1].tolist() == [[0, 0], [0, 0]]
