"""No absurd price: extremes of every field, one and two at a time, in two hundred places."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import NUMBERS, Listing
from tasador.listings.table import columns_of
from tasador.model.own_features import terms
from tasador.model.traits import traits_of
from tasador.training.geography import load_geography
from tasador.training.rows import prepare_rows

PLACES = 200
NEAREST = 200
EXTREMES = {
    "house_size": (1.0, 1e7),
    "bed": (0.0, 99.0),
    "bath": (0.0, 99.0),
    "acre_lot": (0.0, 1e6),
}
CORNERS = [
    dict(zip(names, values, strict=True))
    for several in (1, 2)
    for names in combinations(EXTREMES, several)
    for values in product(*(EXTREMES[name] for name in names))
]
# Kilometres that count as a difference of 1 in traits, as for comparables.
KM = 4.0


@pytest.fixture(scope="module")
def shown(market):
    """What the model was trained on."""
    return market[~market["holdout"]]


@pytest.fixture(scope="module")
def homes(shown):
    """One whole home in each of the places."""
    whole = shown.dropna(subset=[*NUMBERS, "zip_code", "state", "city", "status"])
    homes = whole.drop_duplicates("zip_code").head(PLACES)
    assert len(homes) == PLACES
    names = ("status", "bed", "bath", "acre_lot", "city", "state", "zip_code", "house_size")
    columns = (homes[name].tolist() for name in names)
    return [
        Listing(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)
    ]


def test_no_price_is_absurd(trained, shown, homes):
    listings = [replace(home, **corner) for home in homes for corner in CORNERS]
    predictions = trained.predict(arrays_of(listings))
    lowest, highest = price_range_of_nearest(trained, shown, listings)
    assert (predictions.price <= 3 * highest).all()
    assert (predictions.price >= lowest / 3).all()
    for level, low in predictions.low.items():
        assert (low <= predictions.price).all()
        assert (predictions.price <= predictions.high[level]).all()
        assert np.isfinite(predictions.high[level]).all()


def price_range_of_nearest(trained, shown, listings):
    """The lowest and the highest price of the nearest comparables of each listing, by traits and
    kilometres, among all listings shown."""
    geography = load_geography()
    known = columns_of(shown.dropna(subset=["zip_code"]))
    rows = prepare_rows(known)
    points, price = geography.points[rows.zips], known["price"]
    parsed = trained.encoders.parse(arrays_of(listings))
    traits = traits_of(terms(parsed.numbers, trained.encoders.means))
    places = geography.points[geography.positions(parsed.codes.zips)]
    lowest, highest = np.empty(len(listings)), np.empty(len(listings))
    for row in range(len(listings)):
        squared = ((rows.traits - traits[row]) ** 2).sum(axis=1)
        squared += ((points - places[row]) ** 2).sum(axis=1) / KM**2
        nearest = price[np.argpartition(squared, NEAREST)[:NEAREST]]
        lowest[row], highest[row] = nearest.min(), nearest.max()
    return lowest, highest


@pytest.mark.parametrize("name", ["house_size", "bath", "acre_lot"])
def test_more_never_makes_a_home_much_cheaper(trained, homes, name):
    factors = np.geomspace(1.0, 1e4, 30)
    for home in homes[::10]:
        value = max(getattr(home, name), 0.05)
        rising = [replace(home, **{name: value * factor}) for factor in factors.tolist()]
        price = trained.predict(arrays_of(rising)).price
        assert (price >= 0.8 * np.maximum.accumulate(price)).all()


def test_a_home_beyond_all_others_has_a_wide_interval_and_one_warning(trained, homes):
    home = next(home for home in homes if home.house_size < 3_000)
    wild = replace(home, house_size=30_000.0, bed=15.0, acre_lot=3_000.0)
    usual, answer = trained.predict_one(home), trained.predict_one(wild)
    width = [np.log(a["intervals"]["90"][1] / a["intervals"]["90"][0]) for a in (usual, answer)]
    assert width[1] > 1.5 * width[0]
    said = [text for text in answer["warnings"] if "together are beyond the listings" in text]
    assert len(said) == 1
    for name in ("house_size 30,000", "bed 15", "acre_lot 3,000"):
        assert name in said[0]
    assert not any("together" in text for text in usual["warnings"])


def test_a_zip_code_of_another_state_and_a_strange_sale_are_said(trained, homes):
    home = homes[0]
    other = next(one for one in homes if one.state != home.state)
    strange = replace(home, state=other.state, city=None, prev_sold_date="1700-01-01")
    warnings = trained.predict_one(strange)["warnings"]
    assert f"zip_code '{home.zip_code}' is in {home.state}, not in {other.state}" in warnings
    assert any(text.startswith("prev_sold_date 1700-01-01 is outside") for text in warnings)
    late = trained.predict_one(replace(home, prev_sold_date="2040-01-01"))["warnings"]
    assert any(text.startswith("prev_sold_date 2040-01-01 is outside") for text in late)
