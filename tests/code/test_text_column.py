"""A column of text by its values says of every row what the rows themselves say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.features import arrays_of, is_missing, text_of
from tasador.listing import Listing
from tasador.text_column import TextColumn

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
