"""The rows of a batch as text: each value as it was received, for raw.raw_data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.arrays import Array
from tasador.listings.arrow import number_array, scalar, text_array
from tasador.listings.listing import COLUMNS
from tasador.listings.rules import LARGEST_EXACT

_COLUMN_SET = frozenset(COLUMNS)
_NOTHING = type(None)


def column_texts(values: Sequence[Any]) -> pa.Array:
    """A column of plain values as it is stored: text unchanged, numbers as Python writes them."""
    if not set(map(type, values)) <= {str, _NOTHING}:
        values = [_text(value) for value in values]
    return text_array(values)


def number_texts(numbers: Array) -> pa.Array:
    """``repr`` of each number; NaN is a missing one."""
    missing = np.isnan(numbers)
    negative_zero = np.signbit(numbers) & (numbers == 0)
    if negative_zero.any():  # which Arrow does not tell from zero
        texts = [None if number != number else repr(number) for number in numbers.tolist()]
        return text_array(texts)
    whole = (np.floor(numbers) == numbers) & (np.abs(numbers) < LARGEST_EXACT)
    if (whole | missing).all():
        wholes = number_array(np.where(missing, 0, numbers).astype(np.int64), missing)
        return pc.binary_join_element_wise(wholes.cast(pa.string()), scalar(".0"), scalar(""))
    encoded = number_array(numbers, missing).dictionary_encode()
    texts = text_array(list(map(repr, encoded.dictionary.to_pylist())))
    return texts.take(encoded.indices)


def row_texts(raw: object) -> list[str | None] | None:
    """The twelve values of a row as text; None if it is not twelve values that text can hold."""
    values: Iterable[Any]
    if isinstance(raw, Mapping):
        if not raw.keys() <= _COLUMN_SET:
            return None
        values = map(raw.get, COLUMNS)
    elif isinstance(raw, list | tuple) and len(raw) == len(COLUMNS):
        values = raw
    else:
        return None
    texts: list[str | None] = []
    for value in values:
        if isinstance(value, dict | list | tuple):
            return None
        text = _text(value)
        if text is not None and not _is_storable(text):
            return None
        texts.append(text)
    return texts


def row_as_json(raw: object) -> str:
    try:
        return json.dumps(raw, allow_nan=False, default=str)
    except (ValueError, RecursionError):
        return json.dumps(repr(raw)[:10_000])


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_storable(text: str) -> bool:
    """Whether a column of text can hold it: no NUL, no lone surrogates."""
    return "\x00" not in text and (
        text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
    )
