"""Features: the same for one listing and a table, and honest about what is unknown."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasador.errors import BundleError
from tasador.listings.arrays import arrays_of
from tasador.listings.listing import COLUMNS, STATUSES, Listing
from tasador.model.comparables import query_of
from tasador.model.encoder_files import from_files, to_files
from tasador.model.features import FEATURE_NAMES, FEATURES, OWN, SCALES, places_known
from tasador.training.encoding import VIEWS, draw_hidden, fit_all_rows, fit_out_of_fold
from tasador.training.geography import load_geography
from tasador.training.rows import prepare_rows
from tests.kit.listings import simulated_listings

LISTINGS = simulated_listings(800, seed=5)
COLUMNS_ARRAYS = arrays_of(LISTINGS)
ENCODERS = fit_all_rows(prepare_rows(COLUMNS_ARRAYS))
HOUSE = next(x for x in LISTINGS if None not in (x.state, x.city, x.zip_code, x.brokered_by))


def feature(matrix, name):
    return matrix[:, FEATURE_NAMES.index(name)]


def number(high):
    return st.none() | st.floats(0, high, allow_nan=False)


ANY = st.builds(
    Listing,
    brokered_by=st.none() | st.sampled_from(["352", "408", "?"]),
    status=st.none() | st.sampled_from(STATUSES),
    bed=number(1_000),
    bath=number(1_000),
    acre_lot=number(1e7),
    city=st.none() | st.sampled_from(["Miami", "miami", "Nowhere"]),
    state=st.none() | st.sampled_from(["Florida", "Atlantis"]),
    zip_code=st.none() | st.sampled_from(["33131", "33199", "00001", "99501"]),
    house_size=number(1e8),
    prev_sold_date=st.none() | st.sampled_from(["0001-01-01", "2015-06-30", "9999-12-31"]),
)


@given(ANY)
@settings(max_examples=200, deadline=None)
def test_one_listing_and_a_table_of_one_have_the_same_features(listing):
    one = ENCODERS.transform_one(listing)
    table = ENCODERS.transform(arrays_of([listing]))
    assert one.shape == table.shape == (1, len(FEATURES))
    assert one.dtype == table.dtype == np.float32
    # Rounded alike, so that no tree sees a listing on one side of a limit and its row on the other.
    np.testing.assert_allclose(one, table, rtol=2e-7, atol=1e-7)
    assert not np.isinf(table).any()


def test_files_give_the_same_encoders_back():
    files = to_files(ENCODERS)
    again = from_files(*files)
    assert to_files(again) == files
    np.testing.assert_array_equal(
        again.transform(COLUMNS_ARRAYS), ENCODERS.transform(COLUMNS_ARRAYS)
    )


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"features": []}', b'{"features": null}'])
def test_what_is_no_encoders_is_refused(text):
    with pytest.raises(BundleError, match="encoders"):
        from_files(text, to_files(ENCODERS)[1])
    with pytest.raises(BundleError, match="encoders"):
        from_files(to_files(ENCODERS)[0], text)


def test_encoders_of_other_features_are_refused():
    text, tables = to_files(ENCODERS)
    with pytest.raises(BundleError, match="another version"):
        from_files(text.replace(b'"bed"', b'"beds"', 1), tables)


def test_a_place_never_met_has_what_lies_nearest():
    known = {x.zip_code for x in LISTINGS}
    where = load_geography()
    home = where.points[where.positions(np.array([int(HOUSE.zip_code)]))[0]]
    order = np.argsort(((where.points - home) ** 2).sum(axis=1))
    beside = next(f"{code:05d}" for code in where.codes[order] if f"{code:05d}" not in known)
    table = ENCODERS.transform(
        arrays_of([HOUSE, replace(HOUSE, zip_code=beside), replace(HOUSE, zip_code=None)])
    )
    assert feature(table, "distance")[0] == 0 < feature(table, "distance")[1] < np.log1p(25)
    assert feature(table, "zip_count")[0] > 0
    assert feature(table, "zip_count").tolist()[1:] == [0, 0]
    assert places_known(table).all()
    nation = feature(table, "price_nation")[0]
    for scale in SCALES:
        levels = feature(table, f"price_{scale}")
        assert (np.abs(levels - nation) > 1e-3).all()
    nowhere = replace(HOUSE, state="Atlantis", city="X", zip_code="00001")
    unknown = ENCODERS.transform(arrays_of([nowhere]))
    assert not places_known(unknown)[0]
    for name in ("price_state", *(f"price_{scale}" for scale in SCALES)):
        assert feature(unknown, name)[0] == pytest.approx(nation, abs=1e-5)
    # Alaska is far from all that is known, but it does lie somewhere.
    assert not places_known(ENCODERS.transform(arrays_of([Listing(zip_code="99501")])))[0]


def test_a_place_without_listings_is_told_of_by_those_on_all_sides():
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
    found = encoders.encode(Listing(house_size=1_500.0, zip_code="66801"))
    assert found.distance > np.log1p(50)
    places = encoders.places
    wide = (places.nation + places.coefficients[found.area, 0]) @ found.design
    assert 12.2 < wide < 12.8


def test_a_city_of_which_no_zip_code_is_known_lies_nowhere():
    lost = [replace(row, city="Lost", zip_code="00000") for row in LISTINGS[:30]]
    encoders = fit_all_rows(prepare_rows(arrays_of([*LISTINGS, *lost])))
    asked = replace(lost[0], zip_code=None)
    matrix = encoders.transform(arrays_of([asked]))
    assert not places_known(matrix).any()
    np.testing.assert_array_equal(matrix, encoders.transform_one(asked))


def test_local_regressions_follow_the_place_the_closer_the_narrower():
    draw = np.random.default_rng(0)
    rows = []
    for zip_code, level in (("33131", 12.0), ("98101", 13.0)):
        for size in draw.uniform(800, 3_000, 200):
            price = float(np.exp(level + 0.8 * np.log(size / 1_500) + draw.normal(0, 0.05)))
            rows.append(Listing(price=price, house_size=size, zip_code=zip_code, state=zip_code))
    encoders = fit_all_rows(prepare_rows(arrays_of(rows)))
    for zip_code, level in (("33131", 12.0), ("98101", 13.0)):
        asked = [Listing(house_size=s, zip_code=zip_code) for s in (1_500.0, 3_000.0)]
        table = encoders.transform(arrays_of(asked))
        wide, narrow = (feature(table, f"price_{scale}") for scale in (SCALES[0], 50))
        assert abs(narrow[0] - level) < 0.1
        assert abs(narrow[0] - level) <= abs(feature(table, "price_nation")[0] - level)
        assert narrow[1] - narrow[0] == pytest.approx(0.8 * np.log(2), abs=0.1)
        assert np.isfinite(wide).all()


def test_comparables_weigh_what_is_alike():
    near = [
        Listing(price=200_000.0, house_size=1_000.0, bed=2.0, bath=1.0, zip_code="33131"),
        Listing(price=900_000.0, house_size=4_000.0, bed=6.0, bath=5.0, zip_code="33131"),
    ] * 40
    encoders = fit_all_rows(prepare_rows(arrays_of(near)))
    found = encoders.nearest(encoders.encode(replace(near[0], price=None)), 3)
    assert [round(c.price) for c in found] == [200_000] * 3
    assert found[0].alike == 1.0
    assert (found[0].house_size, found[0].bed, found[0].bath, found[0].acre_lot) == (
        1_000,
        2,
        1,
        None,
    )
    assert encoders.nearest(encoders.encode(Listing(house_size=1_000.0)), 3) == []


def test_comparables_are_the_same_before_and_after_they_are_quickened():
    encoders = fit_all_rows(prepare_rows(COLUMNS_ARRAYS))
    comparables = encoders.comparables
    draw = np.random.default_rng(3)
    areas = draw.integers(-1, len(comparables.start) - 1, 300)
    traits = comparables.traits[draw.integers(0, len(comparables.traits), 300)]
    base = np.full(300, 12.0)

    def ask():
        asked = [query_of(one) for one in traits]
        singles = zip(areas.tolist(), asked, base, strict=True)
        zips, means = encoders.places.zips, np.zeros(4)
        return (
            comparables.features(areas, traits, base),
            np.array([comparables.features_of_one(*one) for one in singles]),
            [comparables.nearest(area, asked[0], zips, means, 4) for area in range(-1, 5)],
        )

    first = ask()
    comparables.build_index()
    for before, after in zip(first, ask(), strict=True):
        assert np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after


def test_a_row_has_no_share_in_its_own_features():
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


def test_a_state_may_be_in_one_fold_alone():
    columns = dict(COLUMNS_ARRAYS)
    folds = np.arange(len(LISTINGS)) % 4
    columns["state"] = np.where(folds == 2, "Zzyzx", columns["state"])
    _, sample = fit_out_of_fold(columns, folds, seed=0)
    # To the others it was never met.
    assert (feature(sample.matrix, "zip_count")[folds != 2] > 0).any()
    assert np.isfinite(feature(sample.matrix, "price_state")).all()


@pytest.mark.parametrize("view", range(VIEWS))
def test_a_further_view_hides_what_it_says(view):
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
    # How built-up a place is is known of every zip code of the country.
    for name in ("zip_codes_15km", "zip_codes_50km"):
        np.testing.assert_array_equal(
            feature(masked, name)[hidden.state], feature(sample.matrix, name)[hidden.state]
        )
    nation = feature(masked, "price_nation")
    np.testing.assert_allclose(
        feature(masked, "price_15")[hidden.nowhere], nation[hidden.nowhere], rtol=1e-5
    )
    # The listing's own numbers are never touched.
    np.testing.assert_array_equal(sample.matrix[:, :OWN], masked[:, :OWN])
    assert to_files(encoders) == to_files(ENCODERS)


def test_no_two_views_hide_the_same():
    _, sample = fit_out_of_fold(COLUMNS_ARRAYS, np.arange(len(LISTINGS)) % 4, seed=9)
    first, second = sample.masked
    assert (first != second)[:, OWN:].any(axis=1).mean() > 0.5


def test_a_state_that_is_left_out_has_no_part_in_what_surrounds_its_listings():
    columns = dict(COLUMNS_ARRAYS)
    folds = np.arange(len(LISTINGS)) % 4
    florida = columns["state"] == "Florida"
    hidden = draw_hidden(len(LISTINGS), 3, 0).state & florida
    _, before = fit_out_of_fold(columns, folds, seed=3)
    columns["price"] = np.where(florida, columns["price"] * 5, columns["price"])
    _, after = fit_out_of_fold(columns, folds, seed=3)
    local = [n for n, f in enumerate(FEATURES) if f.name.startswith("price_1000")]
    # What is left of the change came through the regression of the whole nation.
    moved = np.abs(before.masked[0] - after.masked[0])[hidden][:, local]
    seen = np.abs(before.matrix - after.matrix)[hidden][:, local]
    assert hidden.sum() > 20
    assert np.median(moved) < 0.35 * np.median(seen)


def test_a_place_is_as_built_up_as_the_zip_codes_around_it_are_dense():
    codes = ["10001", "60614", "59301", None, "00000"]  # Manhattan, Chicago, Miles City in Montana
    matrix = ENCODERS.transform(arrays_of([Listing(zip_code=code) for code in codes]))
    near, wide = feature(matrix, "zip_codes_15km"), feature(matrix, "zip_codes_50km")
    assert near[0] > near[1] > near[2] > 0
    assert (wide[:3] >= near[:3]).all()
    assert np.isnan(near[3:]).all()


def test_numbers_beyond_the_training_range_are_moved_to_its_border():
    low, high = ENCODERS.ranges["house_size"]
    matrix = ENCODERS.transform(arrays_of([Listing(house_size=v) for v in (0.0, low, high, 1e8)]))
    size = feature(matrix, "log_house_size")
    assert size[0] == size[1] < size[2] == size[3]


def test_encoders_of_the_same_rows_are_the_same():
    assert to_files(fit_all_rows(prepare_rows(dict(COLUMNS_ARRAYS)))) == to_files(ENCODERS)
    assert set(COLUMNS_ARRAYS) == set(COLUMNS)
