"""Rows of one layout found in the bytes of a payload, without a Python object for each value.

A server writes every row alike: the twelve columns in their order, with the same white space. Then
all bytes but the values are known, and each value lies between two quotes whose positions numpy
finds. Each byte is compared with the layout; at the first difference the block is left to the
reader that decodes JSON.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.arrays import Array
from tasador.ingestion.row_texts import number_texts
from tasador.listings.arrow import content_of, ends_of, number_array
from tasador.listings.listing import COLUMNS

_LAYOUT = re.compile(
    rf'{{"{COLUMNS[0]}":( ?)(?:null|"[^"]*"|[^ ,"]*),( ?)"{COLUMNS[1]}":', re.ASCII
)
_BETWEEN_ROWS = re.compile(r"\}(,[ \n]?)\{")
_QUOTE, _OPENING, _SPACE = ord('"'), ord("{"), ord(" ")
_POINT, _ZERO = ord("."), np.uint8(ord("0"))
# A decimal of as many digits is still told from its neighbours when it is a float.
_EXACT_DIGITS = 15
_EXPONENT_BELOW = 1e-4  # Python writes 0.00001 as 1e-05.
_NULL = b"null"
_NAN = number_array(np.array([np.nan]))[0]
# Bytes behind the rows: a position that the layout suggests may be beyond their end.
_BEYOND = 64


class Cells(NamedTuple):
    """A column as received: its texts, null where missing, and its ``numbers`` (float64, NaN where
    missing) if they are numbers and no texts. No text has a backslash or a control character."""

    texts: pa.Array
    numbers: Array | None


def read_uniform(rows: str) -> dict[str, Cells] | None:
    """The columns of whole rows that UTF-8 can hold (``plain_rows.storable_rows``).

    None unless all have one layout, and all numbers are written as Python writes a float.
    """
    layout = _LAYOUT.match(rows)
    if layout is None or "\\" in rows:
        return None
    separator = _BETWEEN_ROWS.search(rows)
    between = separator[1] if separator else ","
    return _Block(rows.encode(), layout[1], layout[2], between).columns()


class _Values(NamedTuple):
    """Where the values [column, row] begin and end, without quotes, and which are texts."""

    begin: Array
    end: Array
    is_text: Array


class _Block:
    """Whole rows, with the white space behind a colon, behind a comma, and between two rows."""

    def __init__(self, data: bytes, colon: str, comma: str, between: str) -> None:
        self._data, self._size = pa.py_buffer(data), len(data)
        self._between = between.encode()
        # Quotes behind the rows, the first where a next row has it: each value has one behind it.
        self._padded = b"".join((data, bytes(len(between) + 1), b'"' * _BEYOND))
        self._bytes = np.frombuffer(self._padded, dtype=np.uint8)
        self._quotes = np.flatnonzero(self._bytes == _QUOTE)
        # A row begins with a brace and a quote: the number of that quote, and where the brace is.
        self._first_quotes = np.flatnonzero(self._bytes[self._quotes - 1] == _OPENING)
        self._rows = self._quotes[self._first_quotes] - 1
        opening = [f"{'{' if name == COLUMNS[0] else ',' + comma}" for name in COLUMNS]
        self._keys = [
            f'{before}"{name}":{colon}'.encode()
            for before, name in zip(opening, COLUMNS, strict=True)
        ]
        # From the end of a bare value to the next quote: of the next column, or the next row.
        self._gaps = [*([len(comma) + 1] * (len(COLUMNS) - 1)), len(between) + 2]

    def columns(self) -> dict[str, Cells] | None:
        """The twelve columns; None if any byte differs from the layout.

        Or if a column has texts and numbers, or numbers that Python writes differently.
        """
        values = self._values()
        if values is None:
            return None
        rows = len(self._rows)
        has_texts = values.is_text.any(axis=1)
        # All at once, the numbers first: a call for each column costs more than its values.
        order = np.argsort(has_texts, kind="stable")
        joined = self._joined(values, order)
        found = {COLUMNS[place]: joined.slice(n * rows, rows) for n, place in enumerate(order)}
        for place in np.flatnonzero(has_texts):
            given = np.count_nonzero(values.is_text[place])
            if given + found[COLUMNS[place]].null_count != rows:
                return None
        numbers = [COLUMNS[place] for place in np.flatnonzero(~has_texts)]
        read = _canonical(joined.slice(0, len(numbers) * rows))
        if read is None:
            return None
        floats = dict(zip(numbers, read.reshape(-1, rows), strict=True))
        return {name: Cells(found[name], floats.get(name)) for name in COLUMNS}

    def _values(self) -> _Values | None:
        """The places of all values, when everything between them has been compared."""
        control = np.count_nonzero(self._bytes[: self._size] < _SPACE)
        if control != (len(self._rows) - 1) * self._between.count(b"\n"):
            return None
        begins, ends, texts = [], [], []
        at, quote = self._rows, self._first_quotes
        for key, gap in zip(self._keys, self._gaps, strict=True):
            if not self._has(key, at):
                return None
            begin = at + len(key)
            is_text = self._bytes[begin] == _QUOTE
            quoted = is_text.view(np.int8)
            # Behind the two quotes of the key come those of a text, or that of the next key.
            quote = quote + 2 + quoted
            at = self._quotes[quote] - gap
            at += quoted * np.int8(gap + 1)
            quote += quoted
            if (at <= begin).any() or (at >= self._size).any():
                return None
            begins.append(begin)
            ends.append(at)
            texts.append(is_text)
        next_rows = np.append(self._rows[1:], self._size + len(self._between))
        ends_well = (
            self._has(b"}", at)
            and self._has(self._between, at[:-1] + 1)
            and np.array_equal(at + 1 + len(self._between), next_rows)
        )
        if not ends_well:
            return None
        is_text = np.array(texts)
        return _Values(np.array(begins) + is_text, np.array(ends) - is_text, is_text)

    def _has(self, expected: bytes, at: Array) -> bool:
        """Whether the bytes are at each of the positions."""
        return bool(self._at(at, len(expected)).tobytes() == expected * len(at))

    def _at(self, at: Array, size: int) -> Array:
        """As many bytes at each of the positions."""
        at_every_byte = np.ndarray(
            self._size + _BEYOND - size, f"V{size}", self._padded, strides=(1,)
        )
        return np.asarray(at_every_byte[at])

    def _joined(self, values: _Values, order: Array) -> pa.Array:
        """The values, one column after the other in the order."""
        begin, end, is_text = values
        of_its_size = np.nonzero(~is_text & (end - begin == len(_NULL)))
        found = self._at(begin[of_its_size], len(_NULL)).view("<u4")
        missing = np.zeros(is_text.shape, dtype=bool)
        missing[of_its_size] = found == int.from_bytes(_NULL, "little")
        # The values row by row, and between two of them whatever separates them.
        offsets = np.empty(2 * begin.size + 1, dtype=np.int32)
        by_row = offsets[:-1].reshape(*begin.T.shape, 2)
        by_row[:, :, 0], by_row[:, :, 1] = begin.T, end.T
        offsets[-1] = offsets[-2]
        buffers = [None, pa.py_buffer(offsets), self._data]
        columns = len(begin)
        places = 2 * order[:, np.newaxis] + np.arange(0, 2 * begin.size, 2 * columns)
        return pc.take(
            pa.Array.from_buffers(pa.string(), 2 * begin.size, buffers),
            number_array(places.ravel(), missing[order].ravel()),
            boundscheck=False,
        )


def _canonical(texts: pa.Array) -> Array | None:
    """The numbers of texts, NaN where missing; None if Python writes any of them differently."""
    try:
        read = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    numbers = np.from_dlpack(pc.fill_null(read, _NAN))
    if np.isinf(numbers).any() or np.isnan(numbers).sum() != texts.null_count:
        return None
    written_so = _shortest(texts, numbers) or number_texts(numbers).equals(texts)
    return numbers if written_so else None


def _shortest(texts: pa.Array, numbers: Array) -> bool:
    """Whether all are plain decimals without a digit too many, so few that none is lost in a float.

    Python writes their numbers in the same way. False may be wrong.
    """
    ends = ends_of(texts) - ends_of(texts)[0]
    sizes = np.diff(ends)
    given = sizes > 0
    begins, ends = ends[:-1][given], ends[1:][given]
    characters = np.frombuffer(content_of(texts), dtype=np.uint8)
    points = np.flatnonzero(characters == _POINT)
    if len(points) != len(begins) or sizes.max(initial=0) > _EXACT_DIGITS + 1:
        return False
    # A point in each text, with a digit on either side at least.
    if (points <= begins).any() or (points >= ends - 1).any():
        return False
    if np.count_nonzero(characters - _ZERO <= 9) != len(characters) - len(points):
        return False
    needless = (characters[begins] == _ZERO) & (points != begins + 1)
    needless |= (characters[ends - 1] == _ZERO) & (ends != points + 2)
    return not (needless | ((numbers[given] > 0) & (numbers[given] < _EXPONENT_BELOW))).any()
