"""Features: the same for one listing and a table, and honest about what is unknown."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasador.encoding import draw_unknown, fit_encoders, fit_out_of_fold
from tasador.errors import BundleError
from tasador.features import (
    FEATURE_NAMES,
    FEATURES,
    LEVELS,
    MEASURES,
    Encoders,
    arrays_of,
    places_known,
)
from tasador.listing import COLUMNS, STATUSES, Listing, read_row
from tasador.source.simulator import generate


def simulated(rows, seed=5):
    read = [read_row(raw) for raw in generate(seed, "steady", 0, rows)]
    return [listing for listing, problems in read if not problems]


LISTINGS = simulated(800)
COLUMNS_ARRAYS = arrays_of(LISTINGS)
ENCODERS = fit_encoders(COLUMNS_ARRAYS)


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
    zip_code=st.none() | st.sampled_from(["33131", "33199", "00001"]),
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
    np.testing.assert_allclose(one, table, rtol=1e-6)
    assert not np.isinf(table).any()


def test_json_gives_the_same_encoders_back():
    text = ENCODERS.to_json()
    again = Encoders.from_json(text)
    assert again.to_json() == text
    np.testing.assert_array_equal(
        again.transform(COLUMNS_ARRAYS), ENCODERS.transform(COLUMNS_ARRAYS)
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"features": []}', '{"features": null}'])
def test_what_is_no_encoders_is_refused(text):
    with pytest.raises(BundleError, match=r"encoders\.json"):
        Encoders.from_json(text)


def test_encoders_of_other_features_are_refused():
    text = ENCODERS.to_json().replace('"bed"', '"beds"', 1)
    with pytest.raises(BundleError, match="another version"):
        Encoders.from_json(text)


def test_an_unknown_category_has_its_parents_level():
    house = next(x for x in LISTINGS if None not in (x.state, x.city, x.zip_code, x.brokered_by))
    table = ENCODERS.transform(
        arrays_of(
            [
                house,
                replace(house, zip_code=house.zip_code[:3] + "zz"),
                replace(house, zip_code=None),
            ]
        )
    )
    for measure in MEASURES:
        zip3 = feature(table, f"zip3_{measure}")
        levels = feature(table, f"zip_code_{measure}")
        assert levels[0] != zip3[0]
        assert levels[1] == zip3[1] == zip3[0]
    assert feature(table, "zip_code_count").tolist()[1:] == [0, 0]
    assert places_known(table).all()
    nowhere = replace(house, state="Atlantis", city="X", zip_code="00001")
    unknown = ENCODERS.transform(arrays_of([nowhere]))
    assert not places_known(unknown)[0]
    for level in set(LEVELS) - {"brokered_by"}:
        assert feature(unknown, f"{level}_price")[0] == pytest.approx(ENCODERS.overall[0])


def test_levels_are_means_pulled_towards_the_parent():
    columns = arrays_of([
        *[Listing(price=200_000.0, state="A", zip_code="11111")] * 50,
        *[Listing(price=400_000.0, state="B", zip_code="22222")] * 50,
        Listing(price=4_000_000.0, state="B", zip_code="22233"),
    ])  # fmt: skip
    matrix = fit_encoders(columns).transform(columns)
    dear, cheap = feature(matrix, "state_price")[50], feature(matrix, "state_price")[0]
    assert np.log(200_000) < cheap < np.log(250_000)
    assert np.log(330_000) < dear < np.log(420_000)
    alone = feature(matrix, "zip_code_price")[-1]
    assert dear < alone < np.log(1_000_000), "one listing does not make a level"


def test_a_row_has_no_share_in_its_own_features():
    columns = dict(COLUMNS_ARRAYS)
    folds = np.arange(len(LISTINGS)) % 4
    _, before = fit_out_of_fold(columns, folds, seed=0)
    columns["price"] = np.where(folds == 2, columns["price"] * 7, columns["price"])
    _, after = fit_out_of_fold(columns, folds, seed=0)
    levels = [n for n, f in enumerate(FEATURES) if "premium" not in f.name]
    same = folds == 2
    np.testing.assert_array_equal(before.matrix[same][:, levels], after.matrix[same][:, levels])
    assert (before.matrix[~same][:, levels] != after.matrix[~same][:, levels]).any()


def test_the_second_view_hides_what_it_says():
    encoders, sample = fit_out_of_fold(COLUMNS_ARRAYS, np.arange(len(LISTINGS)) % 4, seed=9)
    hidden = draw_unknown(len(LISTINGS), 9)
    for level in LEVELS:
        assert (feature(sample.masked, f"{level}_count")[hidden[level]] == 0).all()
        assert 0.3 < hidden[level].mean() < 0.9
    assert not places_known(sample.masked[hidden["state"]]).any()
    own = [n for n, f in enumerate(FEATURES) if not f.name.startswith(tuple(LEVELS)) and
           f.name != "log_price_by_size"]  # fmt: skip
    np.testing.assert_array_equal(sample.matrix[:, own], sample.masked[:, own])
    assert encoders.to_json() == ENCODERS.to_json()


def test_numbers_beyond_the_training_range_are_moved_to_its_border():
    low, high = ENCODERS.ranges["house_size"]
    matrix = ENCODERS.transform(arrays_of([Listing(house_size=v) for v in (0.0, low, high, 1e8)]))
    size = feature(matrix, "log_house_size")
    assert size[0] == size[1] < size[2] == size[3]


def test_encoders_do_not_depend_on_the_order_of_rows():
    order = np.random.default_rng(0).permutation(len(LISTINGS))
    shuffled = {name: COLUMNS_ARRAYS[name][order] for name in COLUMNS}
    assert fit_encoders(shuffled).to_json() == ENCODERS.to_json()
