"""read_columns gives the values and problems that read_listing gives row by row."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasador.listings.arrays import arrays_of
from tasador.listings.by_column import read_columns
from tasador.listings.listing import COLUMNS, FieldProblem, read_listing
from tasador.listings.text_column import TextColumn
from tasador.source.simulator import generate

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10**12)
    | st.just(10**400)
    | st.floats(allow_infinity=True)
    | st.sampled_from(
        ["", "nan", "None", "33156.0", "33156", "007", "-5", "12345-6789", "2022-02-30", "sold"]
    )
    | st.sampled_from(["2022-02-23", "2022-02-23T00:00:00", " Miami ", "x" * 201, "a\x00b", "²"])
    | st.text(max_size=5)
    | st.lists(st.none(), max_size=1)
)


def one_by_one(columns, rows):
    """The arrays and problems of a table that is read row by row."""
    read = [
        read_listing({name: values[row] for name, values in columns.items()}) for row in range(rows)
    ]
    problems = [(row, p) for row, (_, found) in enumerate(read) for p in in_order(found)]
    return arrays_of([listing for listing, _ in read]), problems


def in_order(problems):
    return sorted(problems, key=lambda p: COLUMNS.index(p.field))


def same(found, expected):
    assert list(found) == list(expected)
    for name, values in expected.items():
        if values.dtype.kind == "f":
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values)
        else:
            assert isinstance(found[name], TextColumn)
            assert found[name].tolist() == values.tolist()
            assert len(found[name]) == len(values)


def check_both(columns, rows):
    found, problems, _ = read_columns(columns, rows)
    expected, expected_problems = one_by_one(columns, rows)
    same(found, expected)
    assert [(p.row, p.problem) for p in problems] == expected_problems


@settings(deadline=None)
@given(st.data())
def test_read_columns_equals_read_listing_for_any_values(data):
    rows = data.draw(st.integers(1, 6))
    names = data.draw(st.sets(st.sampled_from(COLUMNS), max_size=5))
    # Columns often hold one kind of value, which takes the fast paths.
    kinds = st.sampled_from(
        [
            VALUES,
            VALUES,
            st.integers(0, 9),
            st.floats(0, 9),
            st.none() | st.integers(0, 9) | st.sampled_from([0.0, -0.0, 601.0, 33156.0, math.nan]),
            st.none() | st.sampled_from([601, 2**53 - 1, 2**53, 2**53 + 1, 99_999, 100_000, 7.5]),
            st.none() | st.sampled_from(["33156.0", "33156", "007.0", ".0", "", "5.00", "-5.0"]),
            st.none() | st.sampled_from(["3.0", "2.5", "3e2", "", "NaN", "lots", "-1", "1e999"]),
            st.text("19", max_size=3),
            st.sampled_from(["", "1234", "12345", "123456", "1234٣"]),
            st.dates().map(str) | st.sampled_from(["", "0000-01-01", "2022-02-30", "2022-2-3"]),
            st.sampled_from(["", "Miami", "miami", " Miami", "NaN", "Mia\u00a0mi", "x" * 201]),
        ]
    )
    check_both(
        {n: data.draw(st.lists(data.draw(kinds), min_size=rows, max_size=rows)) for n in names},
        rows,
    )


@pytest.mark.parametrize("scenario", ["steady", "broken-schema"])
def test_read_columns_equals_read_listing_for_a_batch(scenario):
    rows = generate(5, scenario, 2, 2_000)
    check_both({name: [row.get(name) for row in rows] for name in COLUMNS}, len(rows))


def test_equal_values_of_different_types_are_read_apart():
    columns = {"bed": [1, True, 1.0], "city": [1, True, 1.0], "street": [7, 7.0, "7"]}
    found, problems, _ = read_columns(columns, 3)
    assert [(p.row, p.problem.field) for p in problems] == [(1, "bed"), (1, "city")]
    assert found["city"].tolist() == ["1", None, "1.0"]
    assert found["street"].tolist() == ["7", "7", "7"]


def test_absent_column_is_missing():
    found, problems, _ = read_columns({}, 2)
    assert not problems
    assert all(math.isnan(value) for value in found["bed"])
    assert found["city"].tolist() == [None, None]


def test_problems_name_the_row():
    _, problems, _ = read_columns({"bed": [1, "x", -1], "zip_code": ["1", "1", "123456"]}, 3)
    assert problems == [
        (1, FieldProblem("bed", "is not a number", "x")),
        (2, FieldProblem("bed", "is negative", "-1")),
        (2, FieldProblem("zip_code", "is not a zip code of five digits", "123456")),
    ]


@pytest.mark.parametrize("year", ["0000", "1900", "2000", "2023", "2024"])
def test_only_calendar_dates_are_read(year):
    for month in range(15):
        for day in range(34):
            check_both({"prev_sold_date": [f"{year}-{month:02d}-{day:02d}"]}, 1)
