"""Whether all texts of a column are plain, so that no value needs to be read by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasador.arrays import Array
from tasador.listings.rules import LONGEST_TEXT, MISSING_TEXTS, Kind
from tasador.listings.text_column import digit_matrix

_DATE = "0000-00-00"
DATE_SIZE = len(_DATE)  # characters
# The days of each month, January being 1; none for a month that does not exist.
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0])
_TENS = np.array([1_000, 100, 10, 1])


def plain_names(names: list[str]) -> bool:
    """Whether ``read_value`` would return every name unchanged."""
    return (
        are_plain_characters("".join(names))
        and max(map(len, names), default=0) <= LONGEST_TEXT
        and list(map(str.strip, names)) == names
        and MISSING_TEXTS.isdisjoint(map(str.lower, names))
    )


def are_plain_characters(joined: str) -> bool:
    """Whether names joined to one text have no character that reading them would change.

    A space at their ends is not looked for.
    """
    return joined.isascii() and joined.isprintable() and "  " not in joined


def plain_dates(dates: list[str]) -> bool:
    """Whether every date is a calendar day in the form YYYY-MM-DD."""
    if not set(map(len, dates)) <= {DATE_SIZE}:
        return False
    try:
        return are_dates(digit_matrix(dates, _DATE))
    except UnicodeEncodeError:
        return False


def are_dates(characters: Array) -> bool:
    """Whether the characters [n, DATE_SIZE], as distances from "0", are calendar days in the form
    YYYY-MM-DD."""
    digits, dashes = np.delete(characters, (4, 7), axis=1), characters[:, (4, 7)]
    if not (((digits >= 0) & (digits <= 9)).all() and (dashes == ord("-") - ord("0")).all()):
        return False
    year, month, day = digits[:, :4] @ _TENS, digits[:, 4:6] @ _TENS[2:], digits[:, 6:] @ _TENS[2:]
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _DAYS[np.minimum(month, 13)] + (leap & (month == 2))
    return bool(((year > 0) & (day > 0) & (day <= days)).all())


PLAIN: dict[Kind, Callable[[list[str]], bool]] = {"name": plain_names, "date": plain_dates}
