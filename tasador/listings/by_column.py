"""Listings by column: what ``read_listing`` does, for ten thousand rows in a few milliseconds.

A column of plain numbers is checked at once, and each distinct text is read once. Anything unusual
goes through ``read_value``, value by value, so a table and its rows are always read alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import (
    BOUNDS,
    CODES,
    COLUMNS,
    LONGEST_TEXT,
    MISSING_TEXTS,
    FieldProblem,
    read_value,
)
from tasador.listings.text_column import TextColumn, digit_matrix, digits_of, distinct

_MISSING = type(None)
_TEXT = {str, _MISSING}
# Codes that consist of digits alone, and the allowed numbers of digits.
_DIGITS = {**dict.fromkeys(CODES, range(1, LONGEST_TEXT + 1)), "zip_code": range(5, 6)}
# The columns that a model looks up by number.
_NUMBERED = ("brokered_by", "zip_code")
_DATE = "0000-00-00"
# The days of each month, January being 1; none for a month that does not exist.
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0])
_TENS = np.array([1_000, 100, 10, 1])


class RowProblem(NamedTuple):
    """A refused field and its row."""

    row: int
    problem: FieldProblem


def read_columns(
    given: Mapping[str, Sequence[object]], rows: int
) -> tuple[dict[str, Array | TextColumn], list[RowProblem]]:
    """Read a table given by column, each of ``rows`` values; an absent column is missing.

    Returns all twelve columns (numbers as float64 with NaN for a missing value, text as TextColumn)
    and the refused values in the order of the rows; a refused value is missing.
    """
    columns: dict[str, Array | TextColumn] = {}
    problems: list[RowProblem] = []
    for name in COLUMNS:
        values = given.get(name)
        if name in BOUNDS:
            columns[name] = _read_numbers(name, values, rows, problems)
        else:
            columns[name] = _read_texts(name, values, rows, problems)
    problems.sort(key=lambda problem: problem.row)
    return columns, problems


def _read_numbers(
    name: str, values: Sequence[object] | None, rows: int, problems: list[RowProblem]
) -> Array:
    if values is None:
        return np.full(rows, np.nan)
    if set(map(type, values)) <= {int, float, _MISSING}:
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # JSON has integers of any length
            pass
        else:
            least, most, _ = BOUNDS[name]
            if not ((numbers < least) | (numbers > most)).any():
                return numbers
    return np.array(
        [math.nan if value is None else value for value in _read_each(name, values, problems)],
        dtype=np.float64,
    )


def _read_texts(
    name: str, values: Sequence[object] | None, rows: int, problems: list[RowProblem]
) -> TextColumn:
    if values is None:
        return TextColumn([None] * rows)
    # Most codes are distinct.
    if name in _DIGITS and (codes := _plain_codes(name, values)) is not None:
        return codes
    try:
        raw, indices = distinct(values)
    except TypeError:  # a list or an object
        return TextColumn(_read_each(name, values, problems))
    plain = set(map(type, raw)) <= _TEXT
    if plain and name in _PLAIN and _PLAIN[name]([value for value in raw if value]):
        return TextColumn(_emptied(raw), indices)
    # True, 1 and 1.0 are equal, so only values of one type may be read together.
    if not plain and not set(map(type, values)) <= {int, _MISSING}:
        return TextColumn(_read_each(name, values, problems))
    read: list[Any] = []
    refused: dict[int, FieldProblem] = {}
    for index, value in enumerate(raw):
        result, problem = read_value(name, value)
        read.append(result)
        if problem is not None:
            refused[index] = problem
    if refused:
        problems += [
            RowProblem(row, refused[index])
            for row, index in enumerate(indices.tolist())
            if index in refused
        ]
    return TextColumn(read, indices)


def _emptied(values: Sequence[Any]) -> list[Any]:
    """Empty text is missing."""
    return [value or None for value in values]


def _plain_codes(name: str, values: Sequence[Any]) -> TextColumn | None:
    """The codes unchanged, if each is a text of digits or missing."""
    digits = digits_of(values)
    if digits is None:
        return None
    missing = digits.sizes == 0
    sizes, allowed = digits.sizes[~missing], _DIGITS[name]
    if len(sizes) and not (sizes.min() in allowed and sizes.max() in allowed):
        return None
    codes = list(values)
    for row in np.flatnonzero(missing).tolist():
        codes[row] = None  # it may be an empty text
    numbers = digits.numbers() if name in _NUMBERED else None
    return TextColumn(codes, numbers=numbers, missing=missing)


def _plain_names(names: list[str]) -> bool:
    """Whether ``read_value`` would return every name unchanged."""
    return (
        "".join(names).isprintable()
        and max(map(len, names), default=0) <= LONGEST_TEXT
        and list(map(str.strip, names)) == names
        and MISSING_TEXTS.isdisjoint(map(str.lower, names))
    )


def _plain_dates(dates: list[str]) -> bool:
    """Whether every date is a calendar day in the form YYYY-MM-DD."""
    if not set(map(len, dates)) <= {len(_DATE)}:
        return False
    try:
        characters = digit_matrix(dates, _DATE)
    except UnicodeEncodeError:
        return False
    digits, dashes = np.delete(characters, (4, 7), axis=1), characters[:, (4, 7)]
    if not (((digits >= 0) & (digits <= 9)).all() and (dashes == ord("-") - ord("0")).all()):
        return False
    year, month, day = digits[:, :4] @ _TENS, digits[:, 4:6] @ _TENS[2:], digits[:, 6:] @ _TENS[2:]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _DAYS[np.minimum(month, 13)] + (leap & (month == 2))
    return bool(((year > 0) & (day > 0) & (day <= days)).all())


_PLAIN = {"city": _plain_names, "state": _plain_names, "prev_sold_date": _plain_dates}


def _read_each(name: str, values: Sequence[object], problems: list[RowProblem]) -> list[Any]:
    read = []
    for row, value in enumerate(values):
        result, problem = read_value(name, value)
        if problem is not None:
            problems.append(RowProblem(row, problem))
        read.append(result)
    return read
