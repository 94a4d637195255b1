"""Listings by column: what ``read_listing`` does, for ten thousand rows in some milliseconds.

A column of plain numbers is checked at once; of a column of text each different value is read once.
Whatever is unusual goes through ``read_value``, value by value, so nothing is read otherwise than
in a listing of its own.
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
from tasador.listings.text_column import TextColumn, different, digits_of, letters_of

_MISSING = type(None)
_TEXT = {str, _MISSING}
# Codes that are digits alone, and how many at least and at most.
_DIGITS = {**dict.fromkeys(CODES, range(1, LONGEST_TEXT + 1)), "zip_code": range(5, 6)}
# Those that a model looks up.
_LOOKED_UP = ("brokered_by", "zip_code")
_DATE = "0000-00-00"
# Of each month, January being 1; 13 and more are none.
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0])
_TENS = np.array([1_000, 100, 10, 1])


class RowProblem(NamedTuple):
    """A problem and the row that it is in."""

    row: int
    problem: FieldProblem


def read_columns(
    given: Mapping[str, Sequence[object]], rows: int
) -> tuple[dict[str, Array | TextColumn], list[RowProblem]]:
    """Read a table given by column, each of ``rows`` values; an absent column is missing.

    Returns all twelve columns (numbers as float64 with NaN for a missing value, text as TextColumn)
    and what was refused, in the order of the rows; a refused value is missing.
    """
    columns: dict[str, Array | TextColumn] = {}
    problems: list[RowProblem] = []
    for name in COLUMNS:
        values = given.get(name)
        if name in BOUNDS:
            columns[name] = _numbers(name, values, rows, problems)
        else:
            columns[name] = _texts(name, values, rows, problems)
    problems.sort(key=lambda found: found.row)
    return columns, problems


def _numbers(
    name: str, values: Sequence[object] | None, rows: int, problems: list[RowProblem]
) -> Array:
    if values is None:
        return np.full(rows, np.nan)
    if set(map(type, values)) <= {int, float, _MISSING}:
        try:
            found = np.array(values, dtype=np.float64)
        except OverflowError:  # JSON knows whole numbers of any length
            pass
        else:
            least, most, _ = BOUNDS[name]
            if not ((found < least) | (found > most)).any():
                return found
    return np.array(
        [math.nan if value is None else value for value in _each(name, values, problems)],
        dtype=np.float64,
    )


def _texts(
    name: str, values: Sequence[object] | None, rows: int, problems: list[RowProblem]
) -> TextColumn:
    if values is None:
        return TextColumn([None] * rows)
    # Most codes differ.
    if name in _DIGITS and (codes := _plain_codes(name, values)) is not None:
        return codes
    try:
        met, which = different(values)
    except TypeError:  # a list or an object
        return TextColumn(_each(name, values, problems))
    plain = set(map(type, met)) <= _TEXT
    if plain and name in _PLAIN and _PLAIN[name]([value for value in met if value]):
        return TextColumn(_emptied(met), which)
    # True equals 1 and 1.0, so that only values of one type may share a reading.
    if not plain and not set(map(type, values)) <= {int, _MISSING}:
        return TextColumn(_each(name, values, problems))
    found: list[Any] = []
    refused: dict[int, FieldProblem] = {}
    for place, value in enumerate(met):
        result, problem = read_value(name, value)
        found.append(result)
        if problem is not None:
            refused[place] = problem
    if refused:
        problems += [
            RowProblem(row, refused[place])
            for row, place in enumerate(which.tolist())
            if place in refused
        ]
    return TextColumn(found, which)


def _emptied(values: Sequence[Any]) -> list[Any]:
    """Empty text is missing."""
    return [value or None for value in values]


def _plain_codes(name: str, values: Sequence[Any]) -> TextColumn | None:
    """The codes as they stand, if every one is text of digits (or missing)."""
    found = digits_of(values)
    if found is None:
        return None
    missing = found.sizes == 0
    given, allowed = found.sizes[~missing], _DIGITS[name]
    if len(given) and not (given.min() in allowed and given.max() in allowed):
        return None
    codes = list(values)
    for row in np.flatnonzero(missing).tolist():
        codes[row] = None  # it may be an empty text
    numbers = found.numbers() if name in _LOOKED_UP else None
    return TextColumn(codes, numbers=numbers, missing=missing)


def _plain_names(given: list[str]) -> bool:
    """Whether every name is read as it stands."""
    return (
        "".join(given).isprintable()
        and max(map(len, given), default=0) <= LONGEST_TEXT
        and list(map(str.strip, given)) == given
        and MISSING_TEXTS.isdisjoint(map(str.lower, given))
    )


def _plain_dates(given: list[str]) -> bool:
    """Whether every date is a day that there was, in the form that it is kept in."""
    if not set(map(len, given)) <= {len(_DATE)}:
        return False
    try:
        letters = letters_of(given, _DATE)
    except UnicodeEncodeError:
        return False
    digits, dashes = np.delete(letters, (4, 7), axis=1), letters[:, (4, 7)]
    if not (((digits >= 0) & (digits <= 9)).all() and (dashes == ord("-") - ord("0")).all()):
        return False
    year, month, day = digits[:, :4] @ _TENS, digits[:, 4:6] @ _TENS[2:], digits[:, 6:] @ _TENS[2:]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _DAYS[np.minimum(month, 13)] + (leap & (month == 2))
    return bool(((year > 0) & (day > 0) & (day <= days)).all())


_PLAIN = {"city": _plain_names, "state": _plain_names, "prev_sold_date": _plain_dates}


def _each(name: str, values: Sequence[object], problems: list[RowProblem]) -> list[Any]:
    found = []
    for row, value in enumerate(values):
        result, problem = read_value(name, value)
        if problem is not None:
            problems.append(RowProblem(row, problem))
        found.append(result)
    return found
