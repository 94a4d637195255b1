"""One known listing that is like the one in question, as an explanation shows it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.adjustments import ADJUSTED_FOR
from tasador.model.own_features import from_centred_rows


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
    has_size, has_bed, has_bath, has_lot = given.T.tolist()
    columns = zip(
        price.astype(np.int64).tolist(),
        _known(np.round(bed, 1), has_bed),
        _known(np.round(bath, 1), has_bath),
        _known(np.rint(house_size).astype(np.int64), has_size),
        _known(np.round(acre_lot, 2), has_lot),
        [f"{number:05d}" for number in zip_code.tolist()],
        np.round(km.astype(np.float64), 1).tolist(),
        np.round(np.exp(squared.astype(np.float64) / -2), 4).tolist(),
        sold.tolist(),
        [dict(zip(ADJUSTED_FOR, row, strict=True)) for row in grid.tolist()],
        adjusted.astype(np.int64).tolist(),
        np.round(estimate - adjusted, 2).tolist(),
        strict=True,
    )
    return [Comparable(*column) for column in columns]


def _known(values: Array, given: list[bool]) -> list[Any]:
    """The values, or None where there is none."""
    return [
        value if is_given else None for value, is_given in zip(values.tolist(), given, strict=True)
    ]
