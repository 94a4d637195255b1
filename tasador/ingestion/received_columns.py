"""A column of a block as it was received, and what the reading of listings takes of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.arrays import Array
from tasador.ingestion.plain_dictionaries import is_plain
from tasador.ingestion.row_texts import column_texts, number_texts
from tasador.ingestion.uniform_rows import Cells
from tasador.listings.arrow import number_array, text_array
from tasador.listings.by_column import Given, whole_codes
from tasador.listings.rules import LONGEST_TEXT, Kind, Rule
from tasador.listings.text_column import TextColumn

_NOTHING = type(None)
_CODES = ("code", "zip code")
# The digits that a code may have.
_SIZES: dict[Kind, tuple[int, int]] = {"code": (1, LONGEST_TEXT), "zip code": (1, 5)}


class Received(NamedTuple):
    """A column as received: its texts, and what ``read_columns`` takes, or the column as ``read``.

    Codes are read as texts, names and dates that do not change as a dictionary. ``read_columns``
    would make a Python object of each.
    """

    texts: pa.Array
    values: Given
    read: pa.Array | None = None


def received_column(rule: Rule, values: list[Any] | Cells) -> Received:
    """The column, from Python's values or from the bytes of uniform rows."""
    if isinstance(values, Cells):
        return _received_cells(rule, *values)
    types = set(map(type, values))
    if types <= {float, _NOTHING} and (numbers := _numbers(values)) is not None:
        return _received_cells(rule, number_texts(numbers), numbers)
    if not types <= {str, _NOTHING}:
        return Received(column_texts(values), values)
    if rule.kind in _CODES:
        texts = text_array(values)
        return Received(texts, values, _codes_of_texts(rule, texts))
    column = TextColumn.of(values)
    return Received(text_array(column.values).take(number_array(column.row_indices)), column)


def _received_cells(rule: Rule, texts: pa.Array, numbers: Array | None) -> Received:
    if numbers is not None:
        codes = None
        if rule.kind in _CODES and (whole := whole_codes(rule, numbers)) is not None:
            codes = _code_texts(whole, rule.kind)
        return Received(texts, numbers, codes)
    if rule.kind in _CODES:
        codes = _codes_of_texts(rule, texts)
        return Received(texts, [] if codes is not None else texts.to_pylist(), codes)
    encoded = pc.dictionary_encode(texts, null_encoding="encode")
    if is_plain(encoded.dictionary, rule.kind):
        return Received(texts, [], encoded)
    indices = np.from_dlpack(encoded.indices)
    return Received(texts, TextColumn(encoded.dictionary.to_pylist(), indices))


def _codes_of_texts(rule: Rule, texts: pa.Array) -> pa.Array | None:
    """The codes of whole numbers sent as text, such as "33156" or "33156.0"; None if any is another
    text."""
    if pc.all(pc.ends_with(texts, ".0")).as_py():
        texts = pc.utf8_slice_codeunits(texts, 0, -2)
    sizes = pc.min_max(pc.binary_length(texts)).as_py()
    shortest, longest = _SIZES[rule.kind]
    if sizes["min"] is None or sizes["min"] < shortest or sizes["max"] > longest:
        return None
    if not pc.all(pc.ascii_is_decimal(texts)).as_py():
        return None
    return pc.utf8_lpad(texts, 5, "0") if rule.kind == "zip code" else texts


def _code_texts(codes: Array, kind: Kind) -> pa.Array:
    """The texts of ``whole_codes``."""
    texts = number_array(codes, codes < 0).cast(pa.string())
    return pc.utf8_lpad(texts, 5, "0") if kind == "zip code" else texts


def _numbers(values: list[Any]) -> Array | None:
    """Fractional numbers or None as float64, NaN for None; None if one is NaN."""
    numbers = np.array(values, dtype=np.float64)
    return numbers if np.isnan(numbers).sum() == values.count(None) else None
