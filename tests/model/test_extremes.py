"""No absurd price: extremes of every field, one and two at a time, in two hundred places."""

import numpy as np
import pytest

from tasador.listings.arrays import arrays_of
from tests.kit.extremes import assert_no_price_is_absurd, homes_of

PLACES = 200


@pytest.fixture(scope="module")
def shown(market):
    """What the model was trained on."""
    return market[~market["holdout"]]


@pytest.fixture(scope="module")
def homes(shown):
    """One whole home in each of the places."""
    return homes_of(shown, PLACES)


def test_no_price_is_absurd(trained, shown, homes):
    assert_no_price_is_absurd(trained, shown, homes)


@pytest.mark.parametrize("name", ["house_size", "bath", "acre_lot"])
def test_more_never_makes_a_home_much_cheaper(trained, homes, name):
    factors = np.geomspace(1.0, 1e4, 30)
    for home in homes[::10]:
        value = max(getattr(home, name), 0.05)
        rising = [home._replace(**{name: value * factor}) for factor in factors.tolist()]
        price = trained.predict(arrays_of(rising)).price
        assert (price >= 0.8 * np.maximum.accumulate(price)).all()


def test_a_home_beyond_all_others_has_a_wide_interval_and_one_warning(trained, homes):
    home = next(home for home in homes if home.house_size < 3_000)
    wild = home._replace(house_size=30_000.0, bed=15.0, acre_lot=3_000.0)
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
    strange = home._replace(state=other.state, city=None, prev_sold_date="1700-01-01")
    warnings = trained.predict_one(strange)["warnings"]
    assert f"zip_code '{home.zip_code}' is in {home.state}, not in {other.state}" in warnings
    assert any(text.startswith("prev_sold_date 1700-01-01 is outside") for text in warnings)
    # A zip code without listings, in the midst of that state's.
    known = set(trained.encoders.places.zips.tolist())
    prefix = int(home.zip_code) // 100 * 100
    lost = next(z for z in range(prefix, prefix + 100) if z not in known)
    elsewhere = strange._replace(zip_code=f"{lost:05}")
    warnings = trained.predict_one(elsewhere)["warnings"]
    assert f"zip_code '{lost:05}' is in {home.state}, not in {other.state}" in warnings
    at_home = trained.predict_one(elsewhere._replace(state=home.state, city="Nowhere"))["warnings"]
    assert not any(" is in " in text for text in at_home)
    assert f"city 'Nowhere' of {home.state} is not in the training data" in at_home
    late = trained.predict_one(home._replace(prev_sold_date="2040-01-01"))["warnings"]
    assert any(text.startswith("prev_sold_date 2040-01-01 is outside") for text in late)
