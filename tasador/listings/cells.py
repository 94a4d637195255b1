"""The cells of a column of a CSV, as places in the bytes of its lines.

A cell becomes a Python object when its text is wanted. Equal cells are found, and codes of
digits are read, by numpy: eight bytes of each cell at a time are one whole number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array
from tasador.listings.text_column import TextColumn, distinct

_WORD = 8  # bytes
# Longer cells are compared as Python's texts.
_MOST_WORDS = 8
# Bytes that must follow the last cell, so that each of its words lies within the bytes.
PADDING = _MOST_WORDS * _WORD
# What a word keeps of a cell that ends within it, by the number of bytes.
_MASKS = np.array([256**size - 1 for size in range(_WORD + 1)], dtype=np.uint64)

# Odd numbers, so that the upper bits of a product depend on all bits of the other factor.
_MIXERS = [np.uint64(pow(0x9E3779B97F4A7C15, n, 2**64)) for n in range(1, _MOST_WORDS + 1)]
_SLOT_BITS = 16

_FRACTION = b".0"
_ZEROS = np.uint64(int.from_bytes(b"0" * _WORD, "little"))
_POINTS = np.uint64(int.from_bytes(b"." * _WORD, "little"))
_LOW_BITS = np.uint64(0x0101010101010101)
# Added to bytes, it gives those above 9 their highest bit.
_TO_HIGH_BIT, _HIGH_BITS = np.uint64(0x7676767676767676), np.uint64(0x8080808080808080)
_EMPTY_BITS = np.arange(8 * _WORD, -1, -8, dtype=np.uint64)
_POWERS = np.uint64(10) ** np.arange(_WORD + 1, dtype=np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Cells(Sequence[str | None]):
    """A column: each cell begins at ``begin`` [n] in ``data`` and has ``sizes`` [n] bytes of UTF-8
    without NUL; PADDING follows the last one. Zeros stand before a text shorter than ``width``. An
    empty cell is missing.
    """

    data: bytes
    begin: Array
    sizes: Array
    width: int = 0

    def __len__(self) -> int:
        return len(self.begin)

    def __getitem__(self, row: int) -> str | None:  # type: ignore[override]  # nobody slices it
        begin = int(self.begin[row])
        return self._text(begin, begin + int(self.sizes[row]))

    def __iter__(self) -> Iterator[str | None]:
        ends = (self.begin + self.sizes).tolist()
        for begin, end in zip(self.begin.tolist(), ends, strict=True):
            yield self._text(begin, end)

    def _text(self, begin: int, end: int) -> str | None:
        return self.data[begin:end].decode().zfill(self.width) if begin < end else None

    def distinct(self) -> TextColumn:
        """The column as its distinct texts."""
        same = None if self.sizes.max(initial=0) > PADDING else _equal_rows(self._words())
        if same is None:
            return TextColumn(*distinct(list(self)))
        is_value = np.zeros(len(self), dtype=bool)
        is_value[same] = True
        values = Cells(self.data, self.begin[is_value], self.sizes[is_value])
        return TextColumn(list(values), (np.cumsum(is_value) - 1)[same])

    def without_fraction(self) -> Cells | None:
        """The cells without the ".0" at their ends; None if a cell is nothing else."""
        last = self._at(self.begin + self.sizes - len(_FRACTION), len(_FRACTION))
        fraction = (last == int.from_bytes(_FRACTION, "little")) & (self.sizes >= len(_FRACTION))
        sizes = self.sizes - len(_FRACTION) * fraction
        return None if (fraction & (sizes == 0)).any() else Cells(self.data, self.begin, sizes)

    def whole_numbers(self) -> Array | None:
        """The cells as whole numbers, int64 [n], -1 for a missing one.

        None if any has other characters than digits, or too many of them, or if two different texts
        may be one number.
        """
        if self.sizes.max(initial=0) > 2 * _WORD:
            return None
        leading_zero = (self._at(self.begin, 1) == ord("0")) & (self.sizes > 1)
        if not self.width and leading_zero.any():
            return None
        numbers = np.zeros(len(self), dtype=np.uint64)
        for place, word in enumerate(self._words()):
            size = np.clip(self.sizes - place * _WORD, 0, _WORD)
            if (of_word := _number_of(word, size)) is None:
                return None
            numbers = numbers * _POWERS[size] + of_word
        return np.where(self.sizes > 0, numbers.astype(np.int64), -1)

    def decimals(self) -> Array | None:
        """The cells as float64 [n], NaN for a missing one.

        None if any has other characters than digits and a point, or more than eight.
        """
        if self.sizes.max(initial=0) > _WORD:
            return None
        (word,) = self._words()
        # The lowest byte that is a point, as words are searched for a byte.
        others = word ^ _POINTS
        points = (others - _LOW_BITS) & ~others & _HIGH_BITS
        before = ((points & -points) >> np.uint64(7)) - np.uint64(1)  # all without a point
        digits = word & before | (word >> np.uint64(8)) & ~before
        size = self.sizes - (points != 0)
        number = _number_of(digits, size)
        if number is None or ((size == 0) & (self.sizes > 0)).any():
            return None
        fraction = np.where(points != 0, size - np.bitwise_count(before) // 8, 0)
        # Both are whole numbers that a float holds, so their ratio is the float next to the text.
        return np.where(self.sizes > 0, number / _POWERS[fraction], np.nan)

    def _words(self) -> list[Array]:
        """The bytes as whole numbers, uint64 [n], with zeros behind the end of a cell."""
        longest = int(self.sizes.max(initial=0))
        return [
            self._at(self.begin + at, _WORD) & _MASKS[np.clip(self.sizes - at, 0, _WORD)]
            for at in range(0, max(longest, 1), _WORD)
        ]

    def _at(self, places: Array, size: int) -> Array:
        """The whole numbers of ``size`` bytes at each of the places."""
        words = np.ndarray(len(self.data) - size + 1, f"<u{size}", self.data, strides=(1,))
        return words[places]


def _equal_rows(words: list[Array]) -> Array | None:
    """By row the number of a row with the same words, and of the same one for all rows that have
    them [n]; None if that takes too long."""
    rows = len(words[0])
    mixed = np.zeros(rows, dtype=np.uint64)
    for word, mixer in zip(words, _MIXERS, strict=False):
        mixed += word * mixer
    same = np.empty(rows, dtype=np.intp)
    table = np.empty(1 << _SLOT_BITS, dtype=np.intp)
    left = np.arange(rows)
    for mixer in _MIXERS:
        slot = (mixed[left] * mixer) >> np.uint64(64 - _SLOT_BITS)
        # Of the rows of a slot one is taken; those that differ from it wait for the next search.
        table[slot] = left
        found = table[slot]
        equal = np.logical_and.reduce([word[found] == word[left] for word in words])
        same[left[equal]] = found[equal]
        left = left[~equal]
        if not len(left):
            return same
    return None


def _number_of(word: Array, size: Array) -> Array | None:
    """The numbers of up to eight digits, ``size`` [n], the first in the lowest byte of a ``word``
    [n]; None if any has another character."""
    # The last digit comes last in the word, and zeros before the first.
    digits = (word ^ (_ZEROS & _MASKS[size])) << _EMPTY_BITS[size]
    if ((digits | (digits + _TO_HIGH_BIT)) & _HIGH_BITS).any():
        return None
    # Two digits become one of 100, then two of these one of 10,000, and so on.
    pairs = ((digits * np.uint64(10 << 8 | 1)) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    fours = ((pairs * np.uint64(100 << 16 | 1)) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return np.asarray((fours * np.uint64(10_000 << 32 | 1)) >> np.uint64(32))
