"""Every single-row function gives the numbers of its table function.

Codes, places and everything that only moves values agree exactly. Numbers behind a logarithm, an
exponential or a sum agree to rounding, since numpy and Python's math may differ in the last bit:
to 1e-12 in float64, and to 2e-7, one step of float32, in the feature matrix.
"""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasador.listings.arrays import absent_of, arrays_of
from tasador.listings.listing import Listing
from tasador.listings.rules import STATUSES
from tasador.model import own_features as own
from tasador.model.comparables import query_of, query_of_one
from tasador.model.encoders import CATEGORIES
from tasador.model.features import DISTANCE, FEATURES, place_known, places_known
from tasador.model.intervals import GROUPS, group_of, groups_of, size_of, size_of_one
from tasador.model.places import BASE_REGRESSION
from tasador.model.predictions import Predictions
from tasador.model.support import SUPPORTED, bounded, bounded_one
from tasador.model.traits import TRAITS, traits_of, traits_of_one
from tasador.model.value_warnings import warnings_of, warnings_of_one
from tests.kit.models import known_encoders, known_listings

KNOWN = known_listings()


def number(high):
    return st.none() | st.floats(0, high, allow_nan=False)


FUZZED = st.builds(
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
LISTINGS = st.lists(FUZZED | st.sampled_from(KNOWN), min_size=1, max_size=5)


def exact(single, table):
    np.testing.assert_array_equal(single, table)


def rounded(single, table):
    np.testing.assert_allclose(single, table, rtol=1e-12, atol=1e-12)


def rounded_to_float32(single, table):
    np.testing.assert_allclose(single, table, rtol=2e-7, atol=1e-7)
    assert single.dtype == table.dtype == np.float32


def predicted(leaned, unknown, parsed, located):
    priced_as = np.column_stack([leaned.numbers[name] for name in SUPPORTED])
    zip_state = known_encoders().zip_state(parsed.codes, located)
    return Predictions(np.empty(0), {}, {}, np.empty(0), unknown, priced_as, zip_state)


@settings(max_examples=200, deadline=None)
@given(LISTINGS)
def test_single_row_functions_equal_their_table_functions(listings):
    columns, places = arrays_of(listings), known_encoders().places
    parsed = known_encoders().parse(columns)
    located = known_encoders().locate(parsed.codes)
    leaned = known_encoders().lean(parsed.numbers, located)
    design = own.terms(leaned.numbers, known_encoders().means)
    nation, levels = places.levels(design, located)
    traits = traits_of(design)
    runs = known_encoders().comparables
    matrix = known_encoders().transform(columns)
    absent = absent_of(columns)
    known = places_known(matrix)
    unknown = known_encoders().unknown_categories(absent, parsed.codes)
    table = {
        "own_features": own.own_features(leaned.numbers),
        "sale_years": own.sale_years(columns),
        "places": np.column_stack(places.features(located)),
        "coordinates": np.column_stack(places.coordinates_of(located)),
        "home_value": np.column_stack(places.home_value_of(located)),
        "cities": np.column_stack(known_encoders().cities.features(parsed.codes.city)),
        "brokers": np.column_stack(known_encoders().brokers.features(parsed.codes.broker)),
        "comparables": runs.features(located.area, traits, levels[BASE_REGRESSION]),
        "groups": groups_of(absent, known),
        "sizes": size_of(matrix[:, 0].astype(np.float64)),
        "zip_state": known_encoders().zip_state(parsed.codes, located),
        "warnings": warnings_of(
            columns, predicted(leaned, unknown, parsed, located), known_encoders()
        ),
    }
    assert not np.isinf(matrix).any()
    assert matrix.shape == (len(listings), len(FEATURES))

    for row, listing in enumerate(listings):
        numbers = own.own_numbers_of_one(
            listing, known_encoders().ranges, known_encoders().unstated
        )
        exact([numbers[name] for name in parsed.numbers], [v[row] for v in parsed.numbers.values()])
        exact(own.sale_year_of_one(listing.prev_sold_date), table["sale_years"][row])
        codes = known_encoders().codes_of_one(listing)
        of_row = parsed.codes
        exact([*codes], [of_row.state[row], of_row.city[row], of_row.broker[row]])
        location = known_encoders().locate_one(listing, codes)
        exact([*location], [values[row] for values in located])

        of_one = known_encoders().lean_one(numbers, location)
        numbers = of_one.numbers
        rounded(
            [numbers[name] for name in parsed.numbers], [v[row] for v in leaned.numbers.values()]
        )
        rounded(of_one.moved, leaned.moved[row])
        exact([of_one.lowest, of_one.highest], [leaned.lowest[row], leaned.highest[row]])
        for log_price in (0.0, 12.0, 30.0):
            table_price = bounded(
                np.array([log_price]), leaned.lowest[[row]], leaned.highest[[row]]
            )
            rounded(bounded_one(log_price, of_one.lowest, of_one.highest), table_price[0])
        rounded(own.own_features_of_one(numbers), table["own_features"][row])
        listing_terms = own.terms_of_one(numbers, known_encoders().means)
        rounded(listing_terms, design[row])
        rounded_to_float32(traits_of_one(listing_terms), traits[row])

        regressions = places.regressions_of_one(location)
        np.testing.assert_allclose(regressions @ design[row], levels[:, row], rtol=2e-7, atol=1e-7)
        rounded(places.nation @ design[row], nation[row])
        exact(places.features_of_one(location), table["places"][row])
        exact(places.coordinates_of_one(location), table["coordinates"][row])
        exact(places.home_value_of_one(location), table["home_value"][row])
        exact(known_encoders().cities.features_of_one(codes.city), table["cities"][row])
        exact(known_encoders().brokers.features_of_one(codes.broker), table["brokers"][row])
        base = float(levels[BASE_REGRESSION, row])
        query = query_of(traits[row])
        exact(query_of_one(traits[row]).factors, query.factors)
        exact(query_of_one(traits[row]).length, query.length)
        neighbours = runs.neighbours(location.area, query)
        of_one = np.float32(runs.features_of_one(neighbours, base))
        exact(of_one, table["comparables"][row].astype(np.float32))

        encoded = known_encoders().encode(listing)
        rounded_to_float32(encoded.matrix, matrix[row : row + 1])
        names = [name for name, is_one in zip(CATEGORIES, unknown[row], strict=True) if is_one]
        assert encoded.unknown_categories == names

        assert encoded.zip_state == table["zip_state"][row]
        assert place_known(encoded.distance) == known[row]
        exact(np.float32(encoded.distance), matrix[row, DISTANCE])
        group = group_of(listing, place_known(encoded.distance))
        assert GROUPS.index(group) == table["groups"][row]
        if not math.isnan(matrix[row, 0]):
            rounded(size_of_one(float(matrix[row, 0])), table["sizes"][row])
        warnings = warnings_of_one(listing, encoded, known_encoders())
        assert warnings == table["warnings"].get(row, [])


# Deferred: nothing is fitted while pytest collects.
AREAS = st.deferred(lambda: st.integers(-1, len(known_encoders().places.zips) - 1))


@given(st.lists(AREAS, min_size=1, max_size=8))
def test_candidates_of_one_equal_those_of_a_table(areas):
    known_encoders().comparables.build_index()
    runs = known_encoders().comparables._index.runs
    rows, squared = runs.candidates(np.array(areas))
    for row, area in enumerate(areas):
        of_one, squared_of_one = runs.candidates_of_one(area)
        exact(of_one, rows[row])
        exact(squared_of_one, squared[row])


@given(st.lists(st.floats(-5_000, 5_000, width=32), min_size=TRAITS, max_size=TRAITS))
def test_query_of_one_equals_query_of_a_table(traits):
    of_one, of_table = query_of_one(np.float32(traits)), query_of(np.float32([traits]))
    exact(of_one.factors, of_table.factors[0])
    exact(of_one.length, of_table.length[0])
