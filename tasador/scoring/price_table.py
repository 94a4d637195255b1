"""The prices of a block as an Arrow table, the form of a part's Parquet file.

No Python object is made for a row, except for its keys and warnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.arrays import Array
from tasador.listings.arrow import number_array, scalar, text_array
from tasador.model.confidence import CLASSES
from tasador.model.intervals import LEVELS
from tasador.model.predictions import Predictions

ID = "prediction_id"
_TEXTS = pa.list_(pa.string())
_BOUNDS = [f"{end}{level}" for level in LEVELS for end in ("lo", "hi")]
_DIGITS = 8  # of a row in an id


def schema_of(keys: Sequence[str]) -> pa.Schema:
    """The columns of the table: the keys as text, the id, the prices and what is said of them."""
    return pa.schema(
        [
            *((key, pa.string()) for key in keys),
            (ID, pa.string()),
            *((name, pa.float64()) for name in ("price", *_BOUNDS, "fsd")),
            ("confidence", pa.string()),
            ("missing", _TEXTS),
            ("problems", _TEXTS),
            ("warnings", _TEXTS),
        ]
    )


def repeating(keys: Sequence[str]) -> list[str]:
    """The columns of which a Parquet file has a dictionary; the values of others hardly repeat."""
    lists = [f"{name}.list.element" for name in ("missing", "problems", "warnings")]
    return [*keys, "confidence", *lists]


def ids_of(prefix: str, first: int, rows: int) -> pa.Array:
    """The ids of consecutive rows."""
    numbers = number_array(np.arange(first, first + rows)).cast(pa.string())
    padded = pc.utf8_lpad(numbers, _DIGITS, "0")
    return pc.binary_join_element_wise(scalar(prefix), padded, scalar("-"))


def table_of(
    keys: Mapping[str, Sequence[str]],
    ids: pa.Array,
    predictions: Predictions,
    problems: Mapping[int, Sequence[str]],
    warnings: Mapping[int, Sequence[str]],
    places: Array | None = None,
) -> pa.Table:
    """The table of ``schema_of``; ``problems`` by row, ``warnings`` by prediction.

    The predictions are those of the rows at ``places``, or of all; other rows have no price.
    """
    rows, confidence = len(ids), predictions.confidence
    patterns, of_row = predictions.missing_patterns
    bounds = [side[level] for level in LEVELS for side in (predictions.low, predictions.high)]
    said = [
        *(number_array(dollars.round(2)) for dollars in (predictions.price, *bounds)),
        pa.nulls(len(of_row), pa.float64()) if confidence is None else number_array(confidence.fsd),
        pa.nulls(len(of_row), pa.string())
        if confidence is None
        else text_array(CLASSES).take(number_array(confidence.classes)),
        _lists(dict(enumerate(patterns)), len(patterns)).take(number_array(of_row)),
        _lists(warnings, len(of_row)),
    ]
    if places is not None:
        said = [column.take(_row_of(places, rows)) for column in said]
    *prices, warned = said
    columns = [
        *map(text_array, keys.values()),
        ids,
        *prices,
        _lists(problems, rows),
        warned,
    ]
    return pa.Table.from_arrays(columns, schema=schema_of(list(keys)))


def _row_of(places: Array, rows: int) -> pa.Array:
    """The number of each row among those of ``places``; null for one that is not among them."""
    numbers = np.full(rows, -1)
    numbers[places] = np.arange(len(places))
    return pa.array(numbers, mask=numbers < 0)


def _lists(texts: Mapping[int, Sequence[str]], rows: int) -> pa.Array:
    """The texts of each row; most rows have none."""
    ordered = sorted(texts.items())
    sizes: Array = np.zeros(rows + 1, dtype=np.int32)
    for row, each in ordered:
        sizes[row + 1] = len(each)
    ends = number_array(np.cumsum(sizes, dtype=np.int32))
    return pa.ListArray.from_arrays(
        ends, text_array([text for _, each in ordered for text in each])
    )
