"""Cells in the bytes of a CSV are read like the same texts in a list."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasador.listings import cells
from tasador.listings.by_column import read_columns
from tasador.listings.listing import COLUMNS
from tasador.listings.plain_csv import plain_columns

DIGITS = st.text("0123456789", max_size=18)
CODES = st.sampled_from(
    ["", "33156.0", "33156", "601.0", "007", "0", "0.0", ".0", "5.00", "-5", "5."]
)
TEXTS = st.one_of(
    DIGITS,
    DIGITS.map(lambda digits: f"{digits}.0"),
    CODES,
    st.integers(0, 10**17).map(str),
    st.integers(0, 99_999).map(str),
    st.floats(0, 10_000).map(str),
    st.sampled_from(["3.0", "2.5", "3e2", "nan", "lots", "-1", "1e999", "٣", "1234/", "12345:"]),
    st.sampled_from(
        ["2022-02-23", "2022-02-30", "sold", "TX", "12345-6789", "Mia\u00a0mi", "Doña"]
    ),
    st.sampled_from(["x" * 8, "x" * 9, "x" * 64, "x" * 65, "x" * 201]),
    st.text(st.characters(codec="utf-8", exclude_characters='\r\n",\x00'), max_size=20),
)


def column_of(texts):
    """A column of a CSV whose other columns have other texts."""
    lines = "".join(f"{number},{text},\n" for number, text in enumerate(texts)).encode()
    columns = plain_columns(lines, 3)
    assert columns is not None
    return columns[1]


def as_lists(read):
    """What was read, of which NaN is None."""
    columns = {name: values.tolist() for name, values in read.columns.items()}
    return {
        name: [None if isinstance(v, float) and math.isnan(v) else v for v in values]
        for name, values in columns.items()
    }


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(COLUMNS), st.data())
def test_cells_are_read_like_texts(name, data):
    kind = data.draw(st.sampled_from([TEXTS, TEXTS, CODES, DIGITS]))
    texts = data.draw(st.lists(kind, min_size=1, max_size=8))
    found, expected = (
        read_columns({name: column}, len(texts)) for column in (column_of(texts), texts)
    )
    assert as_lists(found) == as_lists(expected)
    assert found.problems == expected.problems
    if name != "zip_code":
        assert found.read_as == expected.read_as
    numbers = [getattr(read.columns[name], "numbers", None) for read in (found, expected)]
    if all(each is not None for each in numbers):
        assert np.array_equal(*numbers)


@pytest.mark.parametrize("slot_bits", [0, 1, 16])
@given(st.lists(st.text("äab", max_size=20), min_size=1, max_size=30))
def test_distinct_texts_of_cells(slot_bits, texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_SLOT_BITS", slot_bits)  # few: texts meet in one slot
        column = column_of(texts)
        found = column.distinct()
    assert list(column) == [column[row] for row in range(len(column))]
    assert found.tolist() == list(column) == [text or None for text in texts]
    assert len(set(found.values)) == len(found.values)


@pytest.mark.parametrize("name", ["brokered_by", "street", "zip_code"])
def test_plain_codes_become_no_objects(name):
    column = column_of(["33156.0", "601", "", "9"])
    read = read_columns({name: column}, 4).columns[name]
    assert isinstance(read.values, cells.Cells)
    assert read.tolist() == (
        ["33156", "00601", None, "00009"] if name == "zip_code" else ["33156", "601", None, "9"]
    )


def test_sixteen_digits_are_whole_numbers():
    texts = ["1", "12345678", "123456789", "9" * 16, ""]
    assert column_of(texts).whole_numbers().tolist() == [*map(int, texts[:-1]), -1]
    assert column_of([*texts, "9" * 17]).whole_numbers() is None


@given(st.lists(st.text("0123456789.", max_size=8), min_size=1, max_size=8))
def test_decimals_are_those_of_python(texts):
    found = column_of(texts).decimals()
    try:
        expected = [float(text) if text else math.nan for text in texts]
    except ValueError:
        assert found is None
        return
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("text", ["1e3", "-1", "+1", " 1", "1 ", "1/2", "1:", "nan", "1" * 9, "."])
def test_other_cells_are_no_decimals(text):
    assert column_of(["1.5", "", text]).decimals() is None
