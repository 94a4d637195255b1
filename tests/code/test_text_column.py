"""A column of text by its values says of every row what the rows themselves say."""

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
def test_either_form_tells_the_rows(rows):
    for column in (TextColumn.of(rows), TextColumn(rows)):
        assert len(column) == len(rows)
        assert column.tolist() == rows
        assert [column[row] for row in range(len(rows))] == rows
        assert column.absent().tolist() == [value is None for value in rows]
        lengths = column.each(lambda value: -1 if value is None else ord(value))
        assert lengths.tolist() == [-1 if value is None else ord(value) for value in rows]
        assert [column.values[place] for place in column.places] == rows


def test_of_rows_each_different_value_is_held_once():
    column = TextColumn.of(np.array(["a", None, "a", "b", None], dtype=object))
    assert column.values == ["a", None, "b"]
    assert column.which.tolist() == [0, 1, 0, 2, 1]


@pytest.mark.parametrize("name", ["city", "status"])
def test_arrays_are_read_as_columns_of_text(name):
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
def test_texts_of_digits_are_read_side_by_side(values):
    found = digits_of(values)
    assert found is not None
    assert found.sizes.tolist() == [len(value or "") for value in values]
    numbers = found.numbers()
    given = [value for value in values if value]
    padded = any(len(value) > 1 and value[0] == "0" for value in given)
    if padded and len(set(map(len, given))) > 1:
        assert numbers is None
    else:
        assert numbers is not None
        assert numbers.tolist() == [int(value) if value else -1 for value in values]


@pytest.mark.parametrize(
    "other", ["1,2", "-1", "1.0", " 1", "x", "²", "٣", 7, 0, False, True, [], ["1"]]
)
def test_what_is_no_text_of_digits_is_not_read_as_one(other):
    assert digits_of(["12", None, other]) is None


def test_a_number_of_too_many_digits_is_left_as_it_is():
    found = digits_of(["9" * 19, "1"])
    assert found is not None
    assert found.numbers() is None


@pytest.mark.parametrize("keys", [["7", "0", "12"], ["7", "07"], ["7", "ten"], ["7", str(10**12)]])
def test_categories_are_the_same_by_number_and_by_text(keys):
    index, asked = index_of(keys), ["12", None, "7", "8", "99999", "0"]
    table, numbers = codes_by_number(index), digits_of(asked).numbers()
    by_text = codes_of(TextColumn(asked), index)
    assert by_text.tolist() == [index.get(text, -1) for text in asked]
    if len(table):
        assert table[np.minimum(numbers, len(table) - 1)].tolist() == by_text.tolist()
    assert bool(len(table)) == (keys == ["7", "0", "12"])
