"""Listings by column: what ``read_listing`` does, for ten thousand rows in a few milliseconds.

A column of plain numbers is checked at once, and each distinct text is read once. Anything unusual
goes through ``read_value``, value by value, so a table and its rows are always read alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.reading import (
    READERS,
    REWORDED,
    FieldProblem,
    Refused,
    Value,
    is_reworded,
    read_value,
    shown,
)
from tasador.listings.rules import LONGEST_TEXT, MISSING_TEXTS, RULES, Kind, Rule
from tasador.listings.text_column import TextColumn, digit_matrix, digits_of, distinct

_MISSING = type(None)
_TEXT = {str, _MISSING}
# Kinds whose values may consist of digits alone, and the allowed numbers of digits. Those of a zip
# code are five: fewer are read as another text.
_DIGITS: dict[Kind, range] = {"code": range(1, LONGEST_TEXT + 1), "zip code": range(5, 6)}
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


class ReadColumns(NamedTuple):
    """A table as read: all twelve ``columns`` (numbers as float64 with NaN for a missing value,
    text as TextColumn), and the refused values in the order of the rows. They are missing.

    ``read_as`` has the texts that were read as another text, by column: {"state": {"TX": "Texas"}}.
    """

    columns: dict[str, Array | TextColumn]
    problems: list[RowProblem]
    read_as: dict[str, dict[Any, str]]


def read_columns(given: Mapping[str, Sequence[object]], rows: int) -> ReadColumns:
    """Read a table given by column, each of ``rows`` values; an absent column is missing."""
    read = ReadColumns({}, [], {})
    for rule in RULES:
        values = given.get(rule.column)
        if rule.kind == "number":
            read.columns[rule.column] = _read_numbers(rule, values, rows, read.problems)
        else:
            read.columns[rule.column] = _read_texts(rule, values, rows, read)
    read.problems.sort(key=lambda problem: problem.row)
    return read


def _read_numbers(
    rule: Rule, values: Sequence[object] | None, rows: int, problems: list[RowProblem]
) -> Array:
    if values is None:
        return np.full(rows, np.nan)
    if set(map(type, values)) <= {int, float, _MISSING}:
        try:
            numbers = np.array(values, dtype=np.float64)
        except OverflowError:  # JSON has integers of any length
            pass
        else:
            if not ((numbers < rule.low) | (numbers > rule.high)).any():
                return numbers + 0.0  # -0.0 is 0
    read = []
    for row, value in enumerate(values):
        number, problem = read_value(rule.column, value)
        if problem is not None:
            problems.append(RowProblem(row, problem))
        read.append(math.nan if number is None else number)
    return np.array(read, dtype=np.float64)


def _read_texts(
    rule: Rule, values: Sequence[object] | None, rows: int, read: ReadColumns
) -> TextColumn:
    if values is None:
        return TextColumn([None] * rows)
    # Most codes are distinct.
    if rule.kind in _DIGITS and (codes := _plain_codes(rule, values)) is not None:
        return codes
    try:
        raw, indices = distinct(values)
    except TypeError:  # a list or an object
        return TextColumn(_read_each(rule.column, values, read))
    plain = set(map(type, raw)) <= _TEXT
    if plain and rule.kind in _PLAIN and _PLAIN[rule.kind]([value for value in raw if value]):
        return TextColumn(_emptied(raw), indices)
    # True, 1 and 1.0 are equal, so only values of one type may be read together.
    if not plain and not set(map(type, values)) <= {int, _MISSING}:
        return TextColumn(_read_each(rule.column, values, read))
    texts: list[Any] = []
    refused: dict[int, FieldProblem] = {}
    reader, may_reword = READERS[rule.column], rule.column in REWORDED
    for index, value in enumerate(raw):
        try:
            text = reader(value)
        except Refused as error:
            text = None
            refused[index] = FieldProblem(rule.column, str(error), shown(value))
        texts.append(text)
        if may_reword and is_reworded(value, text):
            read.read_as.setdefault(rule.column, {})[value] = str(text)
    if refused:
        read.problems.extend(
            RowProblem(row, refused[index])
            for row, index in enumerate(indices.tolist())
            if index in refused
        )
    return TextColumn(texts, indices)


def _emptied(values: Sequence[Any]) -> list[Any]:
    """Empty text is missing."""
    return [value or None for value in values]


def _plain_codes(rule: Rule, values: Sequence[Any]) -> TextColumn | None:
    """The codes unchanged, if each is a text of digits or missing."""
    digits = digits_of(values)
    if digits is None:
        return None
    missing = digits.sizes == 0
    sizes, allowed = digits.sizes[~missing], _DIGITS[rule.kind]
    if len(sizes) and not (sizes.min() in allowed and sizes.max() in allowed):
        return None
    codes = list(values)
    for row in np.flatnonzero(missing).tolist():
        codes[row] = None  # it may be an empty text
    numbers = digits.numbers() if rule.column in _NUMBERED else None
    return TextColumn(codes, numbers=numbers, missing=missing)


def _plain_names(names: list[str]) -> bool:
    """Whether ``read_value`` would return every name unchanged."""
    joined = "".join(names)
    return (
        joined.isascii()
        and joined.isprintable()
        and "  " not in joined
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


_PLAIN: dict[Kind, Callable[[list[str]], bool]] = {"name": _plain_names, "date": _plain_dates}


def _read_each(name: str, values: Sequence[object], read: ReadColumns) -> list[Any]:
    texts: list[Value] = []
    for row, value in enumerate(values):
        text, problem = read_value(name, value)
        if problem is not None:
            read.problems.append(RowProblem(row, problem))
        elif name in REWORDED and is_reworded(value, text):
            read.read_as.setdefault(name, {})[value] = str(text)
        texts.append(text)
    return texts
