"""What a buyer expects of a price model: directions, invariances, graceful degradation."""

import numpy as np
import pytest

from tasador.listings.listing import COLUMNS, INPUTS, Listing, read_listing
from tasador.listings.table import columns_of
from tasador.model.features import MODEL_INPUTS


def listings_of(frame):
    columns = columns_of(frame)
    return [
        Listing(**{
            name: None if value is None or value != value else value
            for name, value in zip(COLUMNS, row, strict=True)
        })
        for row in zip(*(columns[name].tolist() for name in COLUMNS), strict=True)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def complete(market):
    rows = market[market["holdout"]].dropna(subset=[*MODEL_INPUTS])
    listings = listings_of(rows)
    assert len(listings) > 100
    return listings


def prices(bundle, listings):
    return np.array([bundle.predict_one(listing)["price"] for listing in listings])


@pytest.mark.parametrize(("field", "factor"), [("house_size", 1.5), ("bath", 2.0)])
def test_price_rises_with_size_and_baths(trained, complete, field, factor):
    more = [one._replace(**{field: getattr(one, field) * factor}) for one in complete]
    change = np.log(prices(trained, more)) - np.log(prices(trained, complete))
    assert change.mean() > 0.02


def test_price_is_higher_in_an_expensive_state(trained, market, complete):
    shown = market[~market["holdout"]]
    level = shown.groupby("state")["price"].median().sort_values()
    places = {
        name: shown[shown["state"] == name].dropna(subset=["city", "zip_code"]).iloc[0]
        for name in (level.index[0], level.index[-1])
    }
    cheap, expensive = (
        prices(
            trained,
            [
                one._replace(state=p["state"], city=p["city"], zip_code=p["zip_code"])
                for one in complete
            ],
        ).mean()
        for p in places.values()
    )
    assert expensive > 1.15 * cheap


def test_price_does_not_depend_on_row_order(trained, market):
    frame = market.head(500)
    shuffled = frame.sample(frac=1, random_state=0)
    one = trained.predict(columns_of(frame)).price
    other = trained.predict(columns_of(shuffled)).price
    np.testing.assert_array_equal(one[shuffled.index], other)


def test_price_ignores_the_asking_price(trained, complete):
    with_price = [one._replace(price=1.0) for one in complete[:50]]
    np.testing.assert_array_equal(prices(trained, with_price), prices(trained, complete[:50]))


def test_predict_one_equals_predict(trained, market):
    frame = market.head(300)
    listings = listings_of(frame)
    table = trained.predict(columns_of(frame))
    for row, listing in enumerate(listings):
        one = trained.predict_one(listing)
        assert one["price"] == pytest.approx(table.price[row], rel=1e-6)
        assert one["missing"] == list(table.missing[row])
        for level in ("80", "90", "95"):
            ends = [table.low[level][row], table.high[level][row]]
            assert one["intervals"][level] == pytest.approx(ends, rel=1e-6)


@pytest.mark.parametrize("field", INPUTS)
def test_predict_with_one_field_missing(trained, complete, field):
    whole = complete[0]
    answer = trained.predict_one(whole._replace(**{field: None}))
    assert 10_000 < answer["price"] < 5_000_000
    assert answer["missing"] == [field]


def test_predict_with_all_fields_missing(trained, complete):
    empty, whole = trained.predict_one(Listing()), trained.predict_one(complete[0])
    assert 10_000 < empty["price"] < 5_000_000
    assert empty["missing"] == list(INPUTS)
    assert empty["warnings"] == []
    assert relative_width(empty) > relative_width(whole)


def relative_width(answer):
    low, high = answer["intervals"]["90"]
    return (high - low) / answer["price"]


def test_intervals_are_nested(trained, complete):
    for listing in [Listing(), complete[0], complete[0]._replace(house_size=None)]:
        answer = trained.predict_one(listing)
        (low80, high80), (low90, high90), (low95, high95) = answer["intervals"].values()
        assert 0 < low95 < low90 < low80 < answer["price"] < high80 < high90 < high95


def test_predict_warns_of_unknown_places(trained, complete):
    known = complete[:200]
    away = [
        one._replace(state="Atlantis", city="Nowhere", zip_code="00001", brokered_by="x")
        for one in known
    ]
    answer = trained.predict_one(away[0])
    warnings = " ".join(answer["warnings"])
    assert all(word in warnings for word in ("'Atlantis'", "'Nowhere'", "'00001'", "brokered_by"))
    assert relative_width(answer) > relative_width(trained.predict_one(known[0]))
    # Unknown places are priced from the house itself.
    actual = np.log([one.price for one in known])
    assert np.corrcoef(np.log(prices(trained, away)), actual)[0, 1] > 0.3


def test_predict_clips_outliers_with_a_warning(trained, complete):
    outlier = complete[0]._replace(house_size=9_000_000.0, bed=99.0)
    answer = trained.predict_one(outlier)
    low, high = trained.manifest.ranges["house_size"]
    assert low < 1_000 < high < 100_000
    assert any(
        "house_size 9e+06" in warning or "9,000,000" in warning for warning in answer["warnings"]
    )
    at_bound = complete[0]._replace(house_size=high, bed=trained.manifest.ranges["bed"][1])
    assert answer["price"] == trained.predict_one(at_bound)["price"]


def test_price_does_not_depend_on_spelling(trained, complete):
    one = complete[0]
    written = {name: value for name in COLUMNS if (value := getattr(one, name)) is not None}
    for name in ("bed", "bath", "house_size", "price"):
        written[name] = str(float(written[name]))
    written |= {"state": one.state.upper(), "city": one.city.lower(), "zip_code": f"{one.zip_code}"}
    again, problems = read_listing(written)
    assert not problems
    assert trained.predict_one(again)["price"] == trained.predict_one(one)["price"]
