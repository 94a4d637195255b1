"""Listings by column: what ``read_listing`` does, for ten thousand rows in a few milliseconds.

A column of plain numbers is checked at once, and each distinct text is read once. Anything unusual
goes through ``read_value``, value by value, so a table and its rows are always read alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.cells import Cells
from tasador.listings.plain_cells import NUMBERED, read_plain_cells
from tasador.listings.plain_texts import PLAIN
from tasador.listings.rules import LARGEST_EXACT, LONGEST_TEXT, RULES, ZIP_DIGITS, Kind, Rule
from tasador.listings.text_column import TextColumn, digits_of, distinct
from tasador.listings.value_reader import (
    READERS,
    REWORDED,
    FieldProblem,
    Refused,
    Value,
    is_reworded,
    read_value,
    shown,
)

_MISSING = type(None)
_TEXT = {str, _MISSING}
_NUMBER = {int, float, _MISSING}
# Kinds whose values may consist of digits alone, and the allowed numbers of digits. Those of a zip
# code are five: fewer are read as another text.
_DIGITS: dict[Kind, range] = {"code": range(1, LONGEST_TEXT + 1), "zip code": range(5, 6)}
_PLAIN_NUMBERS = re.compile("[0-9.]*")


# A column as received: its values, float64 numbers with NaN for a missing one, or texts.
Given = Sequence[object] | Array | TextColumn


class RowProblem(NamedTuple):
    """A refused field and its row."""

    row: int
    problem: FieldProblem


class ReadColumns(NamedTuple):
    """A table as read: all twelve ``columns`` (numbers as float64 with NaN for a missing value,
    text as TextColumn), and the refused values in the order of the rows. They are missing.

    ``read_as`` has the texts that were read as another text, by column: {"state": {"TX": "Texas"}}.
    Zip codes of Cells are not among them.
    """

    columns: dict[str, Array | TextColumn]
    problems: list[RowProblem]
    read_as: dict[str, dict[Any, str]]


def read_columns(given: Mapping[str, Given], rows: int) -> ReadColumns:
    """Read a table given by column, each of ``rows`` values; an absent column is missing."""
    read = ReadColumns({}, [], {})
    for rule in RULES:
        values = given.get(rule.column)
        if isinstance(values, Cells):
            if (plain := read_plain_cells(rule, values)) is not None:
                read.columns[rule.column] = plain
                continue
            values = values.distinct()
        if rule.kind == "number":
            read.columns[rule.column] = _read_numbers(rule, values, rows, read.problems)
        else:
            read.columns[rule.column] = _read_texts(rule, values, rows, read)
    read.problems.sort(key=lambda problem: problem.row)
    return read


def _read_numbers(rule: Rule, values: Given | None, rows: int, problems: list[RowProblem]) -> Array:
    if values is None:
        return np.full(rows, np.nan)
    types = _types(values)
    if types <= _NUMBER:
        numbers = _floats(values)
        if numbers is not None and not ((numbers < rule.low) | (numbers > rule.high)).any():
            return numbers + 0.0  # -0.0 is 0
    if types <= _TEXT:
        return _read_number_texts(rule, values, problems)
    read = []
    for row, value in enumerate(_each(values)):
        number, problem = read_value(rule.column, value)
        if problem is not None:
            problems.append(RowProblem(row, problem))
        read.append(math.nan if number is None else number)
    return np.array(read, dtype=np.float64)


def _read_number_texts(rule: Rule, values: Given, problems: list[RowProblem]) -> Array:
    """Numbers sent as text; each distinct text is read once."""
    raw, indices = _distinct(values)
    if (plain := _plain_numbers(rule, raw)) is not None:
        return plain[indices]
    read = [read_value(rule.column, value) for value in raw]
    problems.extend(_problems_by_row([problem for _, problem in read], indices))
    numbers = [math.nan if number is None else number for number, _ in read]
    return np.array(numbers, dtype=np.float64)[indices]


def _plain_numbers(rule: Rule, texts: Sequence[Any]) -> Array | None:
    """The numbers of texts such as "3" or "2.50"; None if ``read_value`` must read any of them."""
    if not _PLAIN_NUMBERS.fullmatch("".join([text or "" for text in texts])):
        return None
    try:
        numbers = np.array([float(text) if text else math.nan for text in texts], dtype=np.float64)
    except ValueError:
        return None
    outside = (numbers < rule.low) | (numbers > rule.high)
    longest = max([len(text) for text in texts if text], default=0)
    return None if outside.any() or longest > LONGEST_TEXT else numbers


def _types(values: Given) -> set[type]:
    if isinstance(values, np.ndarray):
        return {float}
    return set(map(type, values.values if isinstance(values, TextColumn) else values))


def _each(values: Given) -> Sequence[object]:
    """The values as Python's own."""
    return values.tolist() if isinstance(values, np.ndarray | TextColumn) else values


def _distinct(values: Given) -> tuple[list[Any], Array]:
    """The distinct values, which must be hashable, and the index in them of each [n]."""
    if isinstance(values, TextColumn):
        return list(values.values), values.row_indices
    return distinct(_each(values))


def _floats(values: Given) -> Array | None:
    """Numbers or None as float64 with NaN for None; None if one is beyond a float."""
    if isinstance(values, np.ndarray):
        return values
    try:
        return np.array(_each(values), dtype=np.float64)
    except OverflowError:  # JSON has integers of any length
        return None


def _problems_by_row(
    problems: Sequence[FieldProblem | None], indices: Array
) -> Iterator[RowProblem]:
    """The problems of the rows, given those of the distinct values and each row's index in them."""
    refused = np.array([problem is not None for problem in problems], dtype=bool)
    for row in np.flatnonzero(refused[indices]).tolist():
        problem = problems[indices[row]]
        assert problem is not None
        yield RowProblem(row, problem)


def _read_texts(rule: Rule, values: Given | None, rows: int, read: ReadColumns) -> TextColumn:
    if values is None:
        return TextColumn([None] * rows)
    # Most codes are distinct.
    if rule.kind in _DIGITS:
        codes = _codes_of_numbers(rule, values, read)
        if codes is None and not isinstance(values, np.ndarray | TextColumn):
            codes = _codes_of_texts(rule, values, read)
        if codes is not None:
            return codes
    try:
        raw, indices = _distinct(values)
    except TypeError:  # a list or an object
        return TextColumn(_read_each(rule.column, _each(values), read))
    plain = set(map(type, raw)) <= _TEXT
    if plain and rule.kind in PLAIN and PLAIN[rule.kind]([value for value in raw if value]):
        return TextColumn(_emptied(raw), indices)
    # True, 1 and 1.0 are equal, so only values of one type may be read together.
    if not plain and not _types(values) <= {int, _MISSING}:
        return TextColumn(_read_each(rule.column, _each(values), read))
    texts: list[Any] = []
    problems: list[FieldProblem | None] = []
    reader, may_reword = READERS[rule.column], rule.column in REWORDED
    for value in raw:
        text, problem = None, None
        try:
            text = reader(value)
        except Refused as error:
            problem = FieldProblem(rule.column, str(error), shown(value))
        texts.append(text)
        problems.append(problem)
        if may_reword and is_reworded(value, text):
            read.read_as.setdefault(rule.column, {})[value] = str(text)
    read.problems.extend(_problems_by_row(problems, indices))
    return TextColumn(texts, indices)


def _emptied(values: Sequence[Any]) -> list[Any]:
    """Empty text is missing."""
    return [value or None for value in values]


def whole_codes(rule: Rule, numbers: Array) -> Array | None:
    """The codes of numbers (float64, NaN for a missing one), int64 [n] with -1 for a missing one.

    None if any is not a whole number that the column accepts. The text of a zip code has five
    digits, that of any other code no leading zeros.
    """
    missing = np.isnan(numbers)
    limit = 10**ZIP_DIGITS if rule.kind == "zip code" else LARGEST_EXACT
    whole = ~np.signbit(numbers) & (numbers < limit) & (np.floor(numbers) == numbers)
    if not (whole | missing).all():
        return None
    return np.where(missing, -1, numbers).astype(np.int64)


def _codes_of_numbers(rule: Rule, values: Given, read: ReadColumns) -> TextColumn | None:
    """The codes of numbers, if each is a whole one."""
    # The first value tells at once that most columns hold texts.
    if not isinstance(values, np.ndarray) and isinstance(next(iter(values), None), str):
        return None
    numbers = _floats(values) if _types(values) <= _NUMBER else None
    if numbers is None or (wholes := whole_codes(rule, numbers)) is None:
        return None
    missing = wholes < 0
    codes: list[Any] = list(map(str, wholes.tolist()))
    if rule.kind == "zip code":
        codes = [code.zfill(ZIP_DIGITS) for code in codes]
        short = ~missing & (wholes < 10 ** (ZIP_DIGITS - 1))
        if short.any():
            rows, given = np.flatnonzero(short).tolist(), _each(values)
            read.read_as.setdefault(rule.column, {}).update(
                (given[row], codes[row]) for row in rows
            )
    for row in np.flatnonzero(missing).tolist():
        codes[row] = None
    return TextColumn(codes, numbers=wholes if rule.column in NUMBERED else None, missing=missing)


def _codes_of_texts(rule: Rule, values: Sequence[Any], read: ReadColumns) -> TextColumn | None:
    """The codes of texts of digits, and of whole numbers such as "33156.0"."""
    first = next(filter(None, values), "")
    if not isinstance(first, str):
        return None
    if not first.endswith(".0") and (codes := _plain_codes(rule, values)) is not None:
        return codes
    if not set(map(type, values)) <= _TEXT:
        return None
    texts = [value.removesuffix(".0") if value else None for value in values]
    if "" in texts:  # ".0" is not a whole number
        return None
    if rule.kind == "zip code":
        texts = [text.zfill(ZIP_DIGITS) if text else None for text in texts]
    codes = _plain_codes(rule, texts)
    if codes is not None and rule.column in REWORDED:
        changed = {
            value: text
            for value, text in zip(values, texts, strict=True)
            if value and value is not text
        }
        if changed:
            read.read_as.setdefault(rule.column, {}).update(changed)
    return codes


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
    padded = rule.kind == "zip code"
    numbers = digits.numbers(padded=padded) if rule.column in NUMBERED else None
    return TextColumn(codes, numbers=numbers, missing=missing)


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
