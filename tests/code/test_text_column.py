"""TextColumn and its fast paths give what the rows of text themselves give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.listings.arrays import arrays_of, is_missing, text_of
from tasador.listings.listing import Listing
from tasador.listings.text_column import TextColumn, digits_of
from tasador.model.categories import codes_by_number, codes_of, index_of

ROWS = st.lists(st.none() | st.sampled_from("abc"), max_size=8)


@given(ROWS)
def test_text_column_equals_its_rows(rows):
    for column in (TextColumn.of(rows), TextColumn(rows)):
        assert len(column) == len(rows)
        assert column.tolist() == rows
        assert [column[row] for row in range(len(rows))] == rows
        assert column.absent().tolist() == [value is None for value in rows]
        lengths = column.to_numbers(lambda value: -1 if value is None else ord(value))
        assert lengths.tolist() == [-1 if value is None else ord(value) for value in rows]
        assert [column.values[place] for place in column.row_indices] == rows


def test_text_column_holds_each_value_once():
    column = TextColumn.of(np.array(["a", None, "a", "b", None], dtype=object))
    assert column.values == ["a", None, "b"]
    assert column.indices.tolist() == [0, 1, 0, 2, 1]


@pytest.mark.parametrize("name", ["city", "status"])
def test_text_of_converts_arrays(name):
    columns = arrays_of([Listing(city="Miami", status="sold"), Listing()])
    column = text_of(columns, name)
    assert text_of({name: column}, name) is column
    assert column.tolist() == columns[name].tolist()
    assert is_missing(column).tolist() == is_missing(columns[name]).tolist() == [False, True]


@given(
    st.lists(
        st.none() | st.sampled_from(["", "0", "007"]) | st.integers(0, 10**17).map(str), min_size=1
    )
)
def test_digits_of_texts_with_digits(values):
    found = digits_of(values)
    assert found is not None
    assert found.sizes.tolist() == [len(value or "") for value in values]
    given = [value for value in values if value]
    with_zeros = any(len(value) > 1 and value[0] == "0" for value in given)
    several_lengths = len(set(map(len, given))) > 1
    numbers, of_zip_codes = found.numbers(), found.numbers(padded=True)
    assert (numbers is None) == with_zeros
    assert (of_zip_codes is None) == (with_zeros and several_lengths)
    for read in (numbers, of_zip_codes):
        if read is not None:
            assert read.tolist() == [int(value) if value else -1 for value in values]


@pytest.mark.parametrize(
    "other", ["1,2", "-1", "1.0", " 1", "x", "²", "٣", 7, 0, False, True, [], ["1"]]
)
def test_digits_of_other_values_is_none(other):
    assert digits_of(["12", None, other]) is None


def test_numbers_with_too_many_digits_is_none():
    found = digits_of(["9" * 19, "1"])
    assert found is not None
    assert found.numbers() is None


@pytest.mark.parametrize("keys", [["7", "0", "12"], ["7", "07"], ["7", "ten"], ["7", str(10**12)]])
def test_codes_by_number_equal_codes_by_text(keys):
    index, wanted = index_of(keys), ["12", None, "7", "8", "99999", "0"]
    table, numbers = codes_by_number(index), digits_of(wanted).numbers()
    by_text = codes_of(TextColumn(wanted), index)
    assert by_text.tolist() == [index.get(text, -1) for text in wanted]
    if len(table):
        assert table[np.minimum(numbers, len(table) - 1)].tolist() == by_text.tolist()
    assert bool(len(table)) == (keys == ["7", "0", "12"])
