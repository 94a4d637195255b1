"""Categories: states, cities, zip codes and brokers as numbers, and what is learned of each.

A number is a category's place in an index of the keys seen in training; ``NOT_KNOWN`` is that of
any other key and of a missing one. A function that ends in ``_of_one`` gives the numbers of the
function above it for one listing. numpy alone: serving imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import count, repeat
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, text_of
from tasador.listings.text_column import TextColumn, digit_matrix, digits_of

NOT_KNOWN = -1
# The longest table by number, at four bytes each.
_LARGEST = 1_000_000


class Category:
    """A kind of category: its keys, and each key's ``premium`` and log1p ``count`` [keys]."""

    def __init__(self, index: dict[str, int], premium: Array, count: Array) -> None:
        self.index = index
        self.premium = premium
        self.count = count

    @cached_property
    def _by_number(self) -> Array:
        return codes_by_number(self.index)

    def codes_of(self, keys: TextColumn) -> Array:
        """The number of each row's key, int64 [n]."""
        # Most keys of a table may differ, and then looking up each text takes longest of all.
        if keys.numbers is not None and len(table := self._by_number):
            return table[np.minimum(keys.numbers, len(table) - 1)].astype(np.int64)
        return codes_of(keys, self.index)

    def code_of_one(self, key: str | None) -> int:
        """``codes_of`` one key."""
        return self.index.get(key or "", NOT_KNOWN)

    def features(self, codes: Array) -> list[Array]:
        """Premium and count of each row's category [n]; 0 for an unknown one."""
        return [
            np.where(codes >= 0, values[codes], 0.0) if len(values) else np.zeros(len(codes))
            for values in (self.premium, self.count)
        ]

    def features_of_one(self, code: int) -> list[float]:
        """``features`` of one category."""
        return [float(self.premium[code]), float(self.count[code])] if code >= 0 else [0.0, 0.0]


class Codes(NamedTuple):
    """The categories of rows by number [n]; a zip code's number is the code itself."""

    zips: Array
    state: Array
    city: Array
    broker: Array


class ParsedRows(NamedTuple):
    """Rows as numbers: ``own_numbers`` by name [n], and codes."""

    numbers: dict[str, Array]
    codes: Codes

    def take(self, rows: Array) -> ParsedRows:
        """The rows with these numbers."""
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        return ParsedRows(numbers, Codes(*(values[rows] for values in self.codes)))


def fold(text: str | None) -> str | None:
    """The name of a city or a state, case-folded for comparison."""
    return None if text is None else text.casefold()


def capitalised(name: str) -> str:
    """Each word of a folded name with a capital."""
    return " ".join(word[:1].upper() + word[1:] for word in name.split(" "))


def city_key(city: str | None, state: str | None) -> str | None:
    """The key of a city: cities of one name in two states are two cities."""
    return _key(fold(city), fold(state))


def _key(city: str | None, state: str | None) -> str | None:
    """The key of a city by folded names."""
    return None if city is None else f"{city}|{state or ''}"


def keys_of(columns: InputColumns) -> dict[str, TextColumn]:
    """The keys of each row's ``state``, ``city`` and ``broker``."""
    city, state = text_of(columns, "city"), text_of(columns, "state")
    names, states = list(map(fold, city.values)), list(map(fold, state.values))
    several = max(len(states), 1)
    pairs, indices = np.unique(city.row_indices * several + state.row_indices, return_inverse=True)
    return {
        "state": TextColumn(states, state.indices),
        "city": TextColumn(
            [_key(names[pair // several], states[pair % several]) for pair in pairs.tolist()],
            indices,
        ),
        "broker": text_of(columns, "brokered_by"),
    }


def codes_of(keys: TextColumn, index: Mapping[str, int]) -> Array:
    """The number of each row's key in ``index``, int64 [n]."""
    # None is in no index.
    find: Callable[[str | None, int], int] = index.get  # type: ignore[assignment]
    return keys.by_row(np.fromiter(map(find, keys.values, repeat(NOT_KNOWN)), dtype=np.int64))


def codes_by_number(index: Mapping[str, int]) -> Array:
    """The code of each whole number that is a key of ``index``, int32; NOT_KNOWN in the last place
    and where there is none.

    Empty if a key is not a plain whole number, or is too large for a table.
    """
    digits = digits_of(list(index))
    numbers = None if digits is None else digits.numbers()
    if numbers is None or numbers.max(initial=0) > _LARGEST:
        return np.empty(0, dtype=np.int32)
    codes = np.full(numbers.max(initial=0) + 2, NOT_KNOWN, dtype=np.int32)
    codes[numbers] = np.fromiter(index.values(), dtype=np.int32)
    return codes


def index_of(keys: Iterable[str]) -> dict[str, int]:
    """The index of keys: the place of each among them."""
    return dict(zip(keys, count(), strict=False))


def zips_of(columns: InputColumns) -> Array:
    """The zip code of each row as a whole number, int64 [n]; NOT_KNOWN for a missing one."""
    zips = text_of(columns, "zip_code")
    if zips.numbers is not None:
        return zips.numbers
    # A slash comes before the digits, so a missing one is below 0.
    numbers = digit_matrix(zips.values, "/////") @ np.array([10_000, 1_000, 100, 10, 1])
    return zips.by_row(np.maximum(numbers, NOT_KNOWN))
