"""A column of text as its distinct values and each row's index in them (a dictionary array).

Ten thousand rows have a few dozen states and a few thousand cities and dates, so work on a text is
done once for each distinct one. numpy alone: serving imports this module.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array

# The most digits that int64 holds in any case.
_MOST_DIGITS = 18


class TextColumn:
    """``values`` (None is a missing one), and the index in them of each row, ``indices`` [n].

    Without ``indices`` each row has its own value, in the order of the rows. Such a column may also
    have ``numbers`` [n], whole numbers that stand for the texts (equal ones for equal texts, -1 for
    a missing one), and ``missing`` [n].
    """

    def __init__(
        self,
        values: Sequence[str | None],
        indices: Array | None = None,
        numbers: Array | None = None,
        missing: Array | None = None,
    ) -> None:
        self.values = values
        self.indices = indices
        self.numbers = numbers
        self.missing = missing

    @classmethod
    def of(cls, rows: Iterable[str | None]) -> TextColumn:
        """The column of each row's text."""
        values, indices = distinct(rows.tolist() if isinstance(rows, np.ndarray) else list(rows))
        return cls(values, indices)

    def __len__(self) -> int:
        return len(self.values) if self.indices is None else len(self.indices)

    def __getitem__(self, row: int) -> str | None:
        return self.values[row if self.indices is None else int(self.indices[row])]

    @property
    def row_indices(self) -> Array:
        """The index in ``values`` of each row [n]."""
        return np.arange(len(self.values)) if self.indices is None else self.indices

    def by_row(self, by_value: Array) -> Array:
        """The elements [n] that the rows have of an array by ``values``."""
        return by_value if self.indices is None else by_value[self.indices]

    def to_numbers(self, number_of: Callable[[str | None], float]) -> Array:
        """``number_of`` each row's text, float64 [n]."""
        return self.by_row(np.array(list(map(number_of, self.values)), dtype=np.float64))

    def absent(self) -> Array:
        """Which rows have no value, bool [n]."""
        if self.missing is not None:
            return self.missing
        values = np.array(list(self.values), dtype=object)
        return self.by_row(np.equal(values, np.array(None, dtype=object)).astype(bool))

    def tolist(self) -> list[str | None]:
        """Each row's text."""
        values = list(self.values)
        return values if self.indices is None else [values[row] for row in self.indices.tolist()]


def distinct(values: Sequence[Any]) -> tuple[list[Any], Array]:
    """The distinct ones of hashable values, and the index in them of each [n]."""
    index: defaultdict[Any, int] = defaultdict(count().__next__)
    indices = np.fromiter(map(index.__getitem__, values), dtype=np.intp, count=len(values))
    return list(index), indices


class Digits(NamedTuple):
    """Texts of digits, joined in ``characters`` (ASCII codes): the end of each text in them,
    ``ends`` [n], and its number of digits, ``sizes`` [n], 0 for a missing one."""

    characters: Array
    ends: Array
    sizes: Array

    def numbers(self, *, padded: bool = False) -> Array | None:
        """The texts as whole numbers, int64 [n], -1 for a missing one.

        ``padded``: the texts are zip codes, whose zeros in front belong to the number. None if a
        text may not be the only one of its number ("07"), or is beyond 64 bits.
        """
        sizes, longest = self.sizes, int(self.sizes.max(initial=0))
        if longest > _MOST_DIGITS:
            return None
        leading_zero = self.characters.take(self.ends - sizes, mode="clip") == ord("0")
        one_length = sizes[sizes > 0].min(initial=longest) == longest
        if not (padded and one_length) and (leading_zero & (sizes > 1)).any():
            return None
        numbers = np.zeros(len(sizes), dtype=np.int64)
        for place in range(longest, 0, -1):
            digit = self.characters.take(self.ends - place, mode="clip") - np.int64(ord("0"))
            numbers = numbers * 10 + np.where(sizes >= place, digit, 0)
        return np.where(sizes > 0, numbers, -1)


def digits_of(values: Sequence[Any]) -> Digits | None:
    """The digits of texts, of which None and an empty one are missing; None if any value is not a
    text of digits."""
    try:
        # A comma before each text ends the text before it.
        joined = ("," + ",".join([value or "" for value in values])).encode("ascii")
    except (TypeError, UnicodeEncodeError):
        return None
    characters = np.frombuffer(joined, dtype=np.uint8)
    begins = np.flatnonzero((characters < ord("0")) | (characters > ord("9")))
    if not len(begins) == len(values) == joined.count(b","):
        return None
    sizes = np.diff(begins, append=len(characters)) - 1
    missing = {type(values[row]) for row in np.flatnonzero(sizes == 0).tolist()}
    return Digits(characters, begins + sizes + 1, sizes) if missing <= {str, type(None)} else None


def digit_matrix(values: Iterable[str | None], missing: str) -> Array:
    """The characters of ASCII texts of one length, int64 [n, length], as distances from "0".

    ``missing`` stands for None, and has that length.
    """
    joined = "".join([value or missing for value in values]).encode("ascii")
    characters = np.frombuffer(joined, dtype=np.uint8).reshape(-1, len(missing))
    return characters.astype(np.int64) - ord("0")
