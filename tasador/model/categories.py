"""Categories: what is known of each, what rows are looked up by, and rows with theirs by number.

Numbers are places in an index of the keys that were met; ``NOT_KNOWN`` is that of any other and of
a missing one. numpy alone: serving imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, text_of
from tasador.listings.text_column import TextColumn, digits_of, letters_of

NOT_KNOWN = -1
# Of a table by number, which takes four bytes for each.
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Category:
    """A kind of category: its keys, each key's ``premium`` and log1p ``count`` [keys]."""

    index: dict[str, int]
    premium: Array
    count: Array
    # Made for the first table that gives them by number.
    _by_number: Array | None = field(init=False, repr=False, default=None)

    def codes_of(self, keys: TextColumn) -> Array:
        """The number of each row's key, int64 [n]."""
        # Where most differ, nothing takes longer than to look each one up by its text.
        if keys.numbers is not None:
            table = self._by_number
            if table is None:
                table = by_number(self.index)
                object.__setattr__(self, "_by_number", table)
            if len(table):
                return table[np.minimum(keys.numbers, len(table) - 1)].astype(np.int64)
        return codes_of(keys, self.index)


class Codes(NamedTuple):
    """The categories of rows by number [n]; a zip code's number is the code itself."""

    zips: Array
    state: Array
    city: Array
    broker: Array


class ParsedRows(NamedTuple):
    """Rows as numbers: ``own_numbers`` [n] by name, and codes."""

    numbers: dict[str, Array]
    codes: Codes

    def take(self, rows: slice) -> ParsedRows:
        """Some of the rows."""
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        return ParsedRows(numbers, Codes(*(values[rows] for values in self.codes)))


def fold(text: str | None) -> str | None:
    """The name of a city or a state as it is compared."""
    return None if text is None else text.casefold()


def city_key(city: str | None, state: str | None) -> str | None:
    """A city's name is only one together with its state's."""
    return (
        None if city is None else f"{city.casefold()}|{'' if state is None else state.casefold()}"
    )


def keys_of(columns: InputColumns) -> dict[str, TextColumn]:
    """What the ``state``, ``city`` and ``broker`` of each row are looked up by."""
    city, state = text_of(columns, "city"), text_of(columns, "state")
    names, states = city.values, state.values
    several = max(len(states), 1)
    pairs, which = np.unique(city.places * several + state.places, return_inverse=True)
    return {
        "state": TextColumn(list(map(fold, states)), state.which),
        "city": TextColumn(
            [city_key(names[pair // several], states[pair % several]) for pair in pairs.tolist()],
            which,
        ),
        "broker": text_of(columns, "brokered_by"),
    }


def codes_of(keys: TextColumn, index: Mapping[str, int]) -> Array:
    """The number of each row's key in ``index``, int64 [n]."""
    # No index has None.
    find: Callable[[str | None, int], int] = index.get  # type: ignore[assignment]
    return keys.of_rows(np.fromiter(map(find, keys.values, repeat(NOT_KNOWN)), dtype=np.int64))


def by_number(index: Mapping[str, int]) -> Array:
    """The place in ``index`` of every whole number that one of its keys writes, int32; the last one
    is NOT_KNOWN. Empty if they are anything else, or too large for a table."""
    found = digits_of(list(index))
    numbers = None if found is None else found.numbers()
    if numbers is None or numbers.max(initial=0) > _LARGEST:
        return np.empty(0, dtype=np.int32)
    places = np.full(numbers.max(initial=0) + 2, NOT_KNOWN, dtype=np.int32)
    places[numbers] = np.fromiter(index.values(), dtype=np.int32)
    return places


def numbered(keys: Iterable[str]) -> dict[str, int]:
    """The index of keys: each one's place among them."""
    return {key: place for place, key in enumerate(keys)}


def zips_of(columns: InputColumns) -> Array:
    """The zip code of each row, of five digits, as a whole number, int64 [n]."""
    zips = text_of(columns, "zip_code")
    if zips.numbers is not None:
        return zips.numbers
    # A slash comes before the digits.
    numbers = letters_of(zips.values, "/////") @ np.array([10_000, 1_000, 100, 10, 1])
    return zips.of_rows(np.maximum(numbers, NOT_KNOWN))
