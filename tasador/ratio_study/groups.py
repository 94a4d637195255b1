"""The groups of listings that a ratio study shows separately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, is_missing

STATUS, STATE, DECILE, TYPE, KNOWN = (
    "status",
    "state",
    "tenth of the estimates",
    "property type",
    "known fields",
)
HOUSE, LAND = "house", "land"
COMPLETE, PARTIAL, NO_SIZE = "nothing missing", "something missing", "house size missing"
# The fields that complete rows have.
_COMPLETE_FIELDS = ("bed", "bath", "acre_lot", "house_size", "zip_code", "state")
_HOUSE_FIELDS = ("bed", "bath", "house_size")
_DECILES = 10


def parts_of(columns: InputColumns) -> dict[str, Array]:
    """The group of each row by kind of group: kind -> names [n] (objects)."""
    return {
        STATUS: _named(columns["status"], "no status given"),
        TYPE: property_type(columns),
        KNOWN: completeness(columns),
        STATE: _named(columns["state"], "no state given"),
    }


def property_type(columns: InputColumns) -> Array:
    """HOUSE for a listing with bedrooms, bathrooms or a house size, otherwise LAND; [n]."""
    absent = [is_missing(columns[name]) for name in _HOUSE_FIELDS]
    return np.where(np.all(absent, axis=0), LAND, HOUSE).astype(object)


def completeness(columns: InputColumns) -> Array:
    """COMPLETE, PARTIAL or NO_SIZE for each listing, [n]."""
    absent = np.any([is_missing(columns[name]) for name in _COMPLETE_FIELDS], axis=0)
    names = np.where(absent, PARTIAL, COMPLETE).astype(object)
    names[is_missing(columns["house_size"])] = NO_SIZE
    return names


def groups_of(estimate: Array, parts: Mapping[str, Array]) -> Iterator[tuple[str, str, Array]]:
    """Each group as (kind, name, its rows): tenths of the estimates, then the kinds of ``parts``.

    The tenths are of the estimate. In tenths of the price any model looks regressive, because a
    high price is often one that the noise raised.
    """
    order = np.argsort(estimate, kind="stable")
    for rows in np.array_split(order, min(_DECILES, len(order))):
        low, high = estimate[rows[0]], estimate[rows[-1]]
        yield DECILE, f"{short_dollars(low)} to {short_dollars(high)}", np.sort(rows)
    for kind, names in parts.items():
        for name in sorted(set(names)):
            yield kind, name, np.flatnonzero(names == name)


def short_dollars(amount: float) -> str:
    """$850, $72k or $1.4M."""
    if amount >= 999_500:
        return f"${amount / 1e6:.1f}M"
    return f"${amount / 1e3:.0f}k" if amount >= 1_000 else f"${amount:.0f}"


def _named(values: object, absent: str) -> Array:
    return np.array([value or absent for value in values], dtype=object)  # type: ignore[attr-defined]
