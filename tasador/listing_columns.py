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

from tasador.listing import BOUNDS, CODES, COLUMNS, LONGEST_TEXT, Problem, read_value

Array = np.ndarray[Any, Any]

_MISSING = type(None)
# Codes that are digits alone, and how many at least and at most.
_DIGITS = {**dict.fromkeys(CODES, range(1, LONGEST_TEXT + 1)), "zip_code": range(5, 6)}


class RowProblem(NamedTuple):
    """A problem and the row that it is in."""

    row: int
    problem: Problem


def read_columns(
    given: Mapping[str, Sequence[object]], rows: int
) -> tuple[dict[str, Array], list[RowProblem]]:
    """Read a table given by column, each of ``rows`` values; an absent column is missing.

    Returns arrays for all twelve columns (numbers float64 with NaN for a missing value, text as
    objects with None) and what was refused, in the order of the rows; a refused value is missing.
    """
    columns: dict[str, Array] = {}
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
) -> Array:
    found = np.empty(rows, dtype=object)
    if values is None:
        return found
    kinds = set(map(type, values))
    if name in _DIGITS and kinds <= {str, _MISSING} and _plain_codes(values, _DIGITS[name]):
        found[:] = [value or None for value in values]
        return found
    # True equals 1 and 1.0, so that only values of one type may share a reading.
    if kinds <= {str, _MISSING} or kinds <= {int, _MISSING}:
        read = {value: read_value(name, value) for value in set(values)}
        if all(problem is None for _, problem in read.values()):
            taken = {value: result for value, (result, _) in read.items()}
            found[:] = [taken[value] for value in values]
            return found
    found[:] = _each(name, values, problems)
    return found


def _plain_codes(values: Sequence[Any], digits: range) -> bool:
    """Whether every code is of so many digits (or missing): then it is read as it stands."""
    given = [value for value in values if value]
    together = "".join(given)
    return (
        together.isascii()
        and (not together or together.isdigit())
        and all(size in digits for size in set(map(len, given)))
    )


def _each(name: str, values: Sequence[object], problems: list[RowProblem]) -> list[Any]:
    found = []
    for row, value in enumerate(values):
        result, problem = read_value(name, value)
        if problem is not None:
            problems.append(RowProblem(row, problem))
        found.append(result)
    return found
