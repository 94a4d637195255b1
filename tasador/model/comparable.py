"""One known listing that is like the one in question, as an explanation shows it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.adjustments import ADJUSTED_FOR
from tasador.model.own_features import from_centred_rows

# Bedrooms, bathrooms, lot, distance, likeness and what remains are rounded to these parts of one.
_STEPS = np.array([10.0, 10.0, 100.0, 10.0, 1e4, 100.0])[:, None]


class Comparable(NamedTuple):
    """A known listing that is like the one in question; ``alike`` is between 0 and 1.

    ``price`` in dollars, ``house_size`` in square feet, ``acre_lot`` in acres, ``km`` the distance
    between the centres of the two zip codes; None is a missing value. ``adjusted`` is the price
    that it would have in the place, with the size, rooms and lot of the listing in question: the
    local regression is exchanged, and what sets it apart from its own regression stays.

    ``adjustments`` has what each difference is worth in dollars, by ADJUSTED_FOR: ``price`` plus
    their sum is ``adjusted``. ``remaining`` is what then remains to the estimate: what the trees
    see, and what sets this comparable apart. ``sold`` says whether ``price`` was paid; otherwise it
    was asked.
    """

    price: float
    bed: float | None
    bath: float | None
    house_size: float | None
    acre_lot: float | None
    zip_code: str
    km: float
    alike: float
    sold: bool
    adjustments: dict[str, int]
    adjusted: float
    remaining: float


def comparables_of(
    estimate: float,
    numbers: Array,
    given: Array,
    price: Array,
    zip_code: Array,
    km: Array,
    squared: Array,
    sold: Array,
    grid: Array,
    adjusted: Array,
) -> list[Comparable]:
    """The comparables [n] of a listing that is priced at ``estimate`` dollars.

    ``numbers`` and ``given`` [n, 4] are those of CENTRED, ``squared`` [n] the squared distances in
    traits and kilometres, ``grid`` [n, len(ADJUSTED_FOR)] the adjustments.
    """
    house_size, bed, bath, acre_lot = from_centred_rows(*numbers.T)
    alike = np.exp(squared.astype(np.float64) / -2)
    # All columns at once: numpy takes longer for a call than for ten numbers.
    measured = np.concatenate([bed, bath, acre_lot, km, alike, estimate - adjusted])
    rounded = np.rint(measured.reshape(len(_STEPS), -1) * _STEPS) / _STEPS
    beds, baths, lots, kms, alikes, remaining = rounded.tolist()
    whole = np.rint(np.concatenate([house_size, price, adjusted])).astype(np.int64)
    sizes, prices, adjusted_prices = whole.reshape(3, -1).tolist()
    has_size, has_bed, has_bath, has_lot = given.T.tolist()
    columns = zip(
        prices,
        _known(beds, has_bed),
        _known(baths, has_bath),
        _known(sizes, has_size),
        _known(lots, has_lot),
        [f"{number:05d}" for number in zip_code.tolist()],
        kms,
        alikes,
        sold.tolist(),
        [dict(zip(ADJUSTED_FOR, row, strict=True)) for row in grid.tolist()],
        adjusted_prices,
        remaining,
        strict=True,
    )
    return [Comparable(*column) for column in columns]


def _known(values: list[Any], given: list[bool]) -> list[Any]:
    """The values, or None where there is none."""
    return [value if is_given else None for value, is_given in zip(values, given, strict=True)]
