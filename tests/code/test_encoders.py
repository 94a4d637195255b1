"""Encoders and features: files, unknown places, local regressions, and out-of-fold encoding."""

from functools import cache

import numpy as np
import pytest

from tasador.errors import BundleError
from tasador.listings.arrays import arrays_of
from tasador.listings.listing import COLUMNS, Listing
from tasador.model.categories import city_key
from tasador.model.encoder_files import from_files, to_files
from tasador.model.features import FEATURE_NAMES, FEATURES, OWN, SCALES, places_known
from tasador.training import encoder_fit, encoding
from tasador.training.encoding import (
    VIEWS,
    draw_hidden,
    encode_out_of_fold,
    fit_all_rows,
    fit_out_of_fold,
)
from tasador.training.geography import load_geography
from tasador.training.rows import prepare_rows
from tests.kit.listings import simulated_listings

LISTINGS = simulated_listings(800, seed=5)
COLUMNS_ARRAYS = arrays_of(LISTINGS)
HOUSE = next(x for x in LISTINGS if None not in (x.state, x.city, x.zip_code, x.brokered_by))


@cache
def fitted():
    return fit_all_rows(prepare_rows(COLUMNS_ARRAYS))


def feature(matrix, name):
    return matrix[:, FEATURE_NAMES.index(name)]


def test_encoder_files_round_trip():
    files = to_files(fitted())
    again = from_files(*files)
    assert to_files(again) == files
    np.testing.assert_array_equal(
        again.transform(COLUMNS_ARRAYS), fitted().transform(COLUMNS_ARRAYS)
    )


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"features": []}', b'{"features": null}'])
def test_damaged_encoders_json_is_refused(text):
    with pytest.raises(BundleError, match="encoders"):
        from_files(text, to_files(fitted())[1])
    with pytest.raises(BundleError, match="encoders"):
        from_files(to_files(fitted())[0], text)


def test_encoders_with_other_feature_names_are_refused():
    text, tables = to_files(fitted())
    with pytest.raises(BundleError, match="another version"):
        from_files(text.replace(b'"bed"', b'"beds"', 1), tables)


def test_unknown_zip_code_uses_the_nearest_area():
    known = {x.zip_code for x in LISTINGS}
    where = load_geography()
    home = where.points[where.positions(np.array([int(HOUSE.zip_code)]))[0]]
    order = np.argsort(((where.points - home) ** 2).sum(axis=1))
    neighbour = next(f"{code:05d}" for code in where.codes[order] if f"{code:05d}" not in known)
    table = fitted().transform(
        arrays_of([HOUSE, HOUSE._replace(zip_code=neighbour), HOUSE._replace(zip_code=None)])
    )
    assert feature(table, "distance")[0] == 0 < feature(table, "distance")[1] < np.log1p(25)
    assert feature(table, "zip_count")[0] > 0
    assert feature(table, "zip_count").tolist()[1:] == [0, 0]
    assert places_known(table).all()
    nation = feature(table, "price_nation")[0]
    for scale in SCALES:
        levels = feature(table, f"price_{scale}")
        assert (np.abs(levels - nation) > 1e-3).all()
    nowhere = HOUSE._replace(state="Atlantis", city="X", zip_code="00001")
    unknown = fitted().transform(arrays_of([nowhere]))
    assert not places_known(unknown)[0]
    for name in ("price_state", *(f"price_{scale}" for scale in SCALES)):
        assert feature(unknown, name)[0] == pytest.approx(nation, abs=1e-5)
    # A zip code in Alaska has a place, but no listing is near it.
    assert not places_known(fitted().transform(arrays_of([Listing(zip_code="99501")])))[0]


def test_zip_code_without_listings_uses_listings_on_all_sides():
    # Emporia lies between Kansas City and Wichita, which is somewhat nearer.
    where = load_geography()

    def km_from(code):
        home = where.points[where.positions(np.array([int(code)]))]
        return np.sqrt(((where.points - home) ** 2).sum(axis=1))

    around = {"64105": 12.0, "67202": 13.0, "98101": 15.0}
    rows = [
        Listing(price=float(np.exp(level)), house_size=1_500.0, zip_code=f"{code:05d}")
        for town, level in around.items()
        for code in where.codes[(km_from(town) < 100) & (km_from("66801") > 60)].tolist()
        for _ in range(8)
    ]
    encoders = fit_all_rows(prepare_rows(arrays_of(rows)))
    encoded = encoders.encode(Listing(house_size=1_500.0, zip_code="66801"))
    assert encoded.distance > np.log1p(50)
    places = encoders.places
    wide = (places.nation + places.coefficients[encoded.area, 0]) @ encoded.design
    assert 12.2 < wide < 12.8


def test_city_without_a_known_zip_code_has_no_place():
    lost = [row._replace(city="Lost", zip_code="00000") for row in LISTINGS[:30]]
    encoders = fit_all_rows(prepare_rows(arrays_of([*LISTINGS, *lost])))
    listing = lost[0]._replace(zip_code=None)
    matrix = encoders.transform(arrays_of([listing]))
    assert not places_known(matrix).any()
    np.testing.assert_array_equal(matrix, encoders.encode(listing).matrix)


def test_narrower_local_regressions_follow_the_place_more_closely():
    draw = np.random.default_rng(0)
    rows = []
    for zip_code, level in (("33131", 12.0), ("98101", 13.0)):
        for size in draw.uniform(800, 3_000, 200):
            price = float(np.exp(level + 0.8 * np.log(size / 1_500) + draw.normal(0, 0.05)))
            rows.append(Listing(price=price, house_size=size, zip_code=zip_code, state=zip_code))
    encoders = fit_all_rows(prepare_rows(arrays_of(rows)))
    for zip_code, level in (("33131", 12.0), ("98101", 13.0)):
        houses = [Listing(house_size=s, zip_code=zip_code) for s in (1_500.0, 3_000.0)]
        table = encoders.transform(arrays_of(houses))
        wide, narrow = (feature(table, f"price_{scale}") for scale in (SCALES[0], 50))
        assert abs(narrow[0] - level) < 0.1
        assert abs(narrow[0] - level) <= abs(feature(table, "price_nation")[0] - level)
        assert narrow[1] - narrow[0] == pytest.approx(0.8 * np.log(2), abs=0.1)
        assert np.isfinite(wide).all()


def test_nearest_comparables_are_the_most_alike():
    near = [
        Listing(price=200_000.0, house_size=1_000.0, bed=2.0, bath=1.0, zip_code="33131"),
        Listing(price=900_000.0, house_size=4_000.0, bed=6.0, bath=5.0, zip_code="33131"),
    ] * 40
    encoders = fit_all_rows(prepare_rows(arrays_of(near)))
    nearest = encoders.nearest(encoders.encode(near[0]._replace(price=None)), 2e5, 3)
    assert [round(c.price) for c in nearest] == [200_000] * 3
    assert nearest[0].alike == 1.0
    assert (nearest[0].house_size, nearest[0].bed, nearest[0].bath, nearest[0].acre_lot) == (
        1_000,
        2,
        1,
        None,
    )
    assert encoders.nearest(encoders.encode(Listing(house_size=1_000.0)), 2e5, 3) == []


def test_comparables_are_adjusted_to_the_listing():
    sizes = np.random.default_rng(5).uniform(900, 3_000, 300)
    known = [
        Listing(price=200.0 * size, house_size=size, bed=3.0, bath=2.0, zip_code="33131")
        for size in sizes.tolist()
    ]
    encoders = fit_all_rows(prepare_rows(arrays_of(known)))
    home = Listing(house_size=1_500.0, bed=3.0, bath=2.0, zip_code="33131")
    nearest = encoders.nearest(encoders.encode(home), 3e5, 60)
    apart = [c for c in nearest if c.house_size is not None and abs(c.house_size - 1_500) > 40]
    assert apart
    for comparable in apart:
        # The price per square foot is the same everywhere, so size explains the whole difference.
        assert abs(comparable.adjusted - 300_000) < 0.5 * abs(comparable.price - 300_000)


def test_out_of_fold_features_ignore_the_row_itself():
    columns = dict(COLUMNS_ARRAYS)
    folds = np.arange(len(LISTINGS)) % 4
    _, before = fit_out_of_fold(columns, folds, seed=0)
    columns["price"] = np.where(folds == 2, columns["price"] * 7, columns["price"])
    _, after = fit_out_of_fold(columns, folds, seed=0)
    same = folds == 2
    np.testing.assert_array_equal(before.matrix[same], after.matrix[same])
    for view, again in zip(before.masked, after.masked, strict=True):
        np.testing.assert_array_equal(view[same], again[same])
    assert (before.matrix[~same] != after.matrix[~same]).any()


def test_out_of_fold_with_a_state_in_one_fold_only():
    columns = dict(COLUMNS_ARRAYS)
    folds = np.arange(len(LISTINGS)) % 4
    columns["state"] = np.where(folds == 2, "Zzyzx", columns["state"])
    _, sample = fit_out_of_fold(columns, folds, seed=0)
    # The other folds have never seen that state.
    assert (feature(sample.matrix, "zip_count")[folds != 2] > 0).any()
    assert np.isfinite(feature(sample.matrix, "price_state")).all()


def test_a_search_sees_the_features_that_a_fit_sees():
    folds = np.arange(len(LISTINGS)) % 4
    _, fitted = fit_out_of_fold(COLUMNS_ARRAYS, folds, seed=9)
    searched = encode_out_of_fold(COLUMNS_ARRAYS, folds, seed=9)
    np.testing.assert_array_equal(searched.matrix, fitted.matrix)
    np.testing.assert_array_equal(searched.masked, fitted.masked)


def test_rows_are_encoded_in_parts_with_the_same_bits(monkeypatch):
    folds = np.arange(len(LISTINGS)) % 2
    encoders, sample = fit_out_of_fold(COLUMNS_ARRAYS, folds, seed=9)
    monkeypatch.setattr(encoding, "ROWS_AT_ONCE", 130)
    monkeypatch.setattr(encoder_fit, "ROWS_AT_ONCE", 170)
    in_parts, same = fit_out_of_fold(COLUMNS_ARRAYS, folds, seed=9)
    for whole, part in zip(
        (sample.matrix, *sample.masked), (same.matrix, *same.masked), strict=True
    ):
        assert whole.tobytes() == part.tobytes()
    assert to_files(encoders) == to_files(in_parts)


@pytest.mark.parametrize("view", range(VIEWS))
def test_masked_view_hides_places_and_brokers(view):
    folds = np.arange(len(LISTINGS)) % 4
    encoders, sample = fit_out_of_fold(COLUMNS_ARRAYS, folds, seed=9)
    hidden = draw_hidden(len(LISTINGS), 9, view)
    masked = sample.masked[view]
    kinds = (hidden.state, hidden.zip_code, hidden.no_zip, hidden.no_city, hidden.nowhere)
    assert (np.sum(kinds, axis=0) == 1).all()
    assert (feature(masked, "zip_count") == 0).all()
    assert (feature(masked, "broker_count")[hidden.broker] == 0).all()
    assert (feature(masked, "city_count")[~hidden.no_zip] == 0).all()
    for gone in (hidden.no_city, hidden.nowhere):
        assert np.isnan(feature(masked, "distance")[gone]).all()
        assert not places_known(masked[gone]).any()
        assert np.isnan(feature(masked, "zip_codes_15km")[gone]).all()
        assert np.isnan(feature(masked, "home_value")[gone]).all()
    # What is known for every zip code of the country is not hidden with a state.
    for name in ("zip_codes_15km", "zip_codes_50km", "home_value"):
        np.testing.assert_array_equal(
            feature(masked, name)[hidden.state], feature(sample.matrix, name)[hidden.state]
        )
    nation = feature(masked, "price_nation")
    np.testing.assert_allclose(
        feature(masked, "price_15")[hidden.nowhere], nation[hidden.nowhere], rtol=1e-5
    )
    # A view hides none of the listing's own numbers. They differ only where they lean back to the
    # surroundings, which differ.
    own, own_masked = sample.matrix[:, :OWN], masked[:, :OWN]
    np.testing.assert_array_equal(np.isnan(own), np.isnan(own_masked))
    equal = (own == own_masked) | np.isnan(own)
    assert equal.all(axis=1).mean() > 0.85
    unleaned = [FEATURE_NAMES.index("status"), FEATURE_NAMES.index("prev_sold_year")]
    assert equal[:, unleaned].all()
    assert to_files(encoders) == to_files(fitted())


def test_masked_views_differ():
    _, sample = fit_out_of_fold(COLUMNS_ARRAYS, np.arange(len(LISTINGS)) % 4, seed=9)
    first, second = sample.masked
    assert (first != second)[:, OWN:].any(axis=1).mean() > 0.5


def test_hidden_state_does_not_affect_its_own_surroundings():
    columns = dict(COLUMNS_ARRAYS)
    folds = np.arange(len(LISTINGS)) % 4
    florida = columns["state"] == "Florida"
    hidden = draw_hidden(len(LISTINGS), 3, 0).state & florida
    _, before = fit_out_of_fold(columns, folds, seed=3)
    columns["price"] = np.where(florida, columns["price"] * 5, columns["price"])
    _, after = fit_out_of_fold(columns, folds, seed=3)
    local = [n for n, f in enumerate(FEATURES) if f.name.startswith("price_1000")]
    # The rest of the change comes from the nation's regression.
    moved = np.abs(before.masked[0] - after.masked[0])[hidden][:, local]
    seen = np.abs(before.matrix - after.matrix)[hidden][:, local]
    assert hidden.sum() > 20
    assert np.median(moved) < 0.35 * np.median(seen)


def test_zip_code_density_features():
    codes = ["10001", "60614", "59301", None, "00000"]  # Manhattan, Chicago, Miles City in Montana
    matrix = fitted().transform(arrays_of([Listing(zip_code=code) for code in codes]))
    near, wide = feature(matrix, "zip_codes_15km"), feature(matrix, "zip_codes_50km")
    assert near[0] > near[1] > near[2] > 0
    assert (wide[:3] >= near[:3]).all()
    assert np.isnan(near[3:]).all()


def test_home_values_are_known_without_listings():
    codes = ["10021", "48205", None, "00000"]  # Manhattan, Detroit
    matrix = fitted().transform(arrays_of([Listing(zip_code=code) for code in codes]))
    values = feature(matrix, "home_value")
    np.testing.assert_allclose(np.exp(values[:2]), [1_572_800, 47_800], rtol=1e-4)
    assert np.isnan(values[2:]).all()


def test_a_city_without_zip_code_has_the_home_value_of_its_listings():
    listings = [HOUSE._replace(zip_code=None), HOUSE]
    by_city, by_zip = feature(fitted().transform(arrays_of(listings)), "home_value")
    encoders, places = fitted(), fitted().places
    area = encoders.city_area[encoders.cities.index[city_key(HOUSE.city, HOUSE.state)]]
    assert by_city == places.home_value[places.position[places.zips[area]]]
    assert by_zip == places.home_value[places.position[int(HOUSE.zip_code)]]


def test_numbers_are_clipped_to_the_training_range():
    low, high = fitted().ranges["house_size"]
    matrix = fitted().transform(arrays_of([Listing(house_size=v) for v in (0.0, low, high, 1e8)]))
    size = feature(matrix, "log_house_size")
    assert size[0] == size[1] < size[2] == size[3]


def test_fitting_encoders_is_deterministic():
    assert to_files(fit_all_rows(prepare_rows(dict(COLUMNS_ARRAYS)))) == to_files(fitted())
    assert set(COLUMNS_ARRAYS) == set(COLUMNS)
