"""One known listing that is like the one in question, as an explanation shows it."""

from __future__ import annotations

import math
from typing import NamedTuple

from tasador.model.adjustments import ADJUSTED_FOR
from tasador.model.own_features import from_centred


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


def comparable_of(
    estimate: float,
    numbers: list[float],
    given: list[bool],
    price: float,
    zip_code: int,
    km: float,
    squared: float,
    sold: bool,
    grid: list[int],
    adjusted: float,
) -> Comparable:
    """One comparable of a listing that is priced at ``estimate`` dollars.

    ``numbers`` and ``given`` are those of CENTRED, ``squared`` the squared distance in traits and
    kilometres, ``grid`` the adjustments by ADJUSTED_FOR.
    """
    house_size, bed, bath, acre_lot = from_centred(*numbers)
    has_size, has_bed, has_bath, has_lot = given
    # By position, which takes half the time.
    return Comparable(
        int(price),
        round(bed, 1) if has_bed else None,
        round(bath, 1) if has_bath else None,
        round(house_size) if has_size else None,
        round(acre_lot, 2) if has_lot else None,
        f"{zip_code:05d}",
        round(km, 1),
        round(math.exp(-squared / 2), 4),
        sold,
        dict(zip(ADJUSTED_FOR, grid, strict=True)),
        int(adjusted),
        round(estimate - adjusted, 2),
    )
