"""A column of text as values and which of them each row has.

Ten thousand rows have a few dozen states and a few thousand cities and dates between them, so what
is done with such a text is done once for each. (Arrow calls the form a dictionary array.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array


@dataclass(frozen=True, slots=True)
class TextColumn:
    """``values``, None for a missing one, and the place in them of each row's, ``which`` [n]; None
    where each row has its own, in their order.

    What is at hand where ``which`` is None, of the rows [n]: ``numbers``, the whole numbers that
    stand for their texts, a different one for each different text and -1 for a missing one; and
    which are ``missing``.
    """

    values: list[str | None]
    which: Array | None = None
    numbers: Array | None = None
    missing: Array | None = None

    @classmethod
    def of(cls, rows: Iterable[str | None]) -> TextColumn:
        """Of each row's text, each different one once."""
        values, which = different(rows.tolist() if isinstance(rows, np.ndarray) else list(rows))
        return cls(values, which)

    def __len__(self) -> int:
        return len(self.values) if self.which is None else len(self.which)

    def __getitem__(self, row: int) -> str | None:
        return self.values[row if self.which is None else int(self.which[row])]

    @property
    def places(self) -> Array:
        """The place in ``values`` of each row's [n]."""
        return np.arange(len(self.values)) if self.which is None else self.which

    def of_rows(self, of_values: Array) -> Array:
        """What each row has of an array by ``values``."""
        return of_values if self.which is None else of_values[self.which]

    def each(self, number_of: Callable[[str | None], float]) -> Array:
        """The number that stands for each row's text, float64 [n]."""
        return self.of_rows(np.array(list(map(number_of, self.values)), dtype=np.float64))

    def absent(self) -> Array:
        """Which rows have no value, bool [n]."""
        if self.missing is not None:
            return self.missing
        values = np.array(self.values, dtype=object)
        return self.of_rows(np.equal(values, np.array(None, dtype=object)).astype(bool))

    def tolist(self) -> list[str | None]:
        """Each row's text."""
        return [self[row] for row in range(len(self))]


def different(given: Sequence[Any]) -> tuple[list[Any], Array]:
    """The different ones among values that can be hashed, and the place in them of each [n]."""
    place: defaultdict[Any, int] = defaultdict(count().__next__)
    which = np.fromiter(map(place.__getitem__, given), dtype=np.intp, count=len(given))
    return list(place), which


class Digits(NamedTuple):
    """Texts of digits, side by side in ``letters``: where each one's end [n], and how many digits
    it has, ``sizes`` [n], 0 for a missing one."""

    letters: Array
    ends: Array
    sizes: Array

    def numbers(self) -> Array | None:
        """The whole numbers that they write, int64 [n], -1 for a missing one; None unless equal
        numbers are equal texts, and 64 bits hold them."""
        sizes, longest = self.sizes, int(self.sizes.max(initial=0))
        if longest > _MOST_DIGITS:
            return None
        zeros = self.letters.take(self.ends - sizes, mode="clip") == ord("0")
        alike = sizes[sizes > 0].min(initial=longest) == longest
        if not alike and (zeros & (sizes > 1)).any():
            return None
        numbers = np.zeros(len(sizes), dtype=np.int64)
        for place in range(longest, 0, -1):
            digit = self.letters.take(self.ends - place, mode="clip") - np.int64(ord("0"))
            numbers = numbers * 10 + np.where(sizes >= place, digit, 0)
        return np.where(sizes > 0, numbers, -1)


_MOST_DIGITS = 18


def digits_of(values: Sequence[Any]) -> Digits | None:
    """At least one text of digits, None or an empty one for a missing one; None if one is anything
    else."""
    try:
        # A comma before each, so that one ends where the next one's begins.
        together = ("," + ",".join([value or "" for value in values])).encode("ascii")
    except (TypeError, UnicodeEncodeError):
        return None
    letters = np.frombuffer(together, dtype=np.uint8)
    begins = np.flatnonzero((letters < ord("0")) | (letters > ord("9")))
    if not len(begins) == len(values) == together.count(b","):
        return None
    sizes = np.diff(begins, append=len(letters)) - 1
    missing = {type(values[row]) for row in np.flatnonzero(sizes == 0).tolist()}
    return Digits(letters, begins + sizes + 1, sizes) if missing <= {str, type(None)} else None


def letters_of(values: Iterable[str | None], missing: str) -> Array:
    """The letters of texts as long as ``missing``, which stands for None: int64
    [n, len(missing)], each as its distance from 0 in ASCII, of which all are."""
    together = "".join([value or missing for value in values]).encode("ascii")
    letters = np.frombuffer(together, dtype=np.uint8).reshape(-1, len(missing))
    return letters.astype(np.int64) - ord("0")
