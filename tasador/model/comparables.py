"""Comparables: the known listings that are most like one, in place, size, rooms and lot.

The candidates of a listing are the listings of the nearest zip codes; each counts the more, the
more it is like the listing (a Gaussian kernel, after Nadaraya and Watson). numpy alone: serving
imports this module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import Numbers
from tasador.model.candidates import CANDIDATES, Runs, runs_of
from tasador.model.features import KERNELS, centred

# How far apart two listings are that differ by 1 in each of: log size, bedrooms, log bathrooms,
# log lot, being land, lacking a size, being sold.
_UNLIKE = (3.0, 0.5, 1.2, 0.4, 5.0, 1.0, 0.3)
TRAITS = len(_UNLIKE)
_TERMS = [3, 5, 7, 9, 11, 4, 1]
# A weight of this much stands for "no premium" beside the comparables' own.
_PULL = 0.3
# Traits are compared in steps of one part in so many: coarse enough that all squares, products and
# sums of them are whole numbers of steps that 32 bits hold, so a distance made by a product of
# matrices is exact, on any processor and in any order; fine beside the kernels.
_STEPS = np.float32(64)
# The narrow kernel is a third as wide as the wide one, so its weights are the ninth powers.
_SCALE = np.float32(-0.5 / KERNELS[1] ** 2)
# Rows at a time: few enough that what is looked up for them stays near the processor, and so many
# that threads do not spend their time handing the interpreter's lock to each other.
_CHUNK = 512


class Comparable(NamedTuple):
    """A known listing that is like one asked about; ``alike`` is between 0 and 1.

    ``price`` in dollars, ``house_size`` in square feet, ``acre_lot`` in acres, ``km`` the distance
    between the centres of the two zip codes; None is a missing value.
    """

    price: float
    bed: float | None
    bath: float | None
    house_size: float | None
    acre_lot: float | None
    zip_code: str
    km: float
    alike: float


class ComparableQuery(NamedTuple):
    """Listings as likeness is asked for: ``factors`` [..., TRAITS + 1] are what a known listing's
    traits and the square of their length are multiplied by, and ``length`` [...] is added to the
    sum, which makes the square of the distance."""

    factors: Array
    length: Array


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparables:
    """Known listings, those of one area (a zip code with listings) side by side.

    ``start`` [areas + 1] says where each area's begin, ``areas`` and ``km`` [areas, AREAS] which
    are the nearest ones (the area itself first) and how far they are. ``traits`` [n, TRAITS] are
    what likeness is measured by, ``premium`` and ``log_price`` [n] what each listing tells.
    ``given`` [n, 4] says which of its numbers (by CENTRED) are real.
    """

    start: Array
    areas: Array
    km: Array
    traits: Array
    premium: Array
    log_price: Array
    given: Array
    # Built by ``build_index``: each area's candidates, and ``_looked_up`` of all listings.
    _runs: Runs | None = field(init=False, repr=False, default=None)
    _all: tuple[Array, Array] | None = field(init=False, repr=False, default=None)

    def build_index(self) -> None:
        """Prepare once for all what is otherwise found for each listing anew.

        It takes longer than a first answer, so a process that starts does it when it has given
        that.
        """
        if self._runs is None:
            prepared = _prepared(self.traits, self.premium, self.log_price)
            # An item each, which is moved at one time.
            items = tuple(part.view(f"V{part.itemsize * part.shape[1]}")[:, 0] for part in prepared)
            object.__setattr__(self, "_all", items)
            object.__setattr__(self, "_runs", runs_of(self.start, self.areas, self.km))

    def features(self, area: Array, traits: Array, base: Array) -> Array:
        """The features [n, 3 len(KERNELS)] of listings with ``traits`` [n, TRAITS] in ``area`` [n].

        For each width of the kernel: the mean premium of the comparables, how far their mean log
        price lies above ``base`` [n], and the log of their summed weights. An area of -1 (no known
        place) has no comparables.
        """
        if len(area) > _CHUNK:
            self.build_index()
        sums = np.empty((len(KERNELS), len(area), 4), dtype=np.float32)
        # Near areas have near numbers, and the same candidates.
        order = np.argsort(area, kind="stable")
        query = query_of(traits)
        factors, length = query.factors, query.length[:, None]
        room = _Room(min(_CHUNK, len(area)))
        for begin in range(0, len(area), _CHUNK):
            rows = order[begin : begin + _CHUNK]
            taken, near = self._candidates(area[rows])
            known, told = self._looked_up(taken, room)
            unlike = np.matvec(known, factors[rows], out=room.unlike[: len(rows)])
            unlike += length[rows]
            unlike += near
            sums[:, rows] = np.vecmat(_weights(unlike, room.weights[:, : len(rows)]), told)
        total, premium, log_price, _ = np.moveaxis(sums, (0, 2), (2, 0))
        by_kernel = np.stack(_told_by(total, premium, log_price, base[:, None]), axis=2)
        return by_kernel.reshape(len(area), 3 * len(KERNELS))

    def features_of_one(self, area: int, query: ComparableQuery, base: float) -> list[float]:
        """``features`` of one listing: the same numbers, in a fraction of the time."""
        _, _, unlike, told = self._likeness(area, query)
        weights = _weights(unlike, np.empty((len(KERNELS), CANDIDATES), dtype=np.float32))
        total, premium, log_price, _ = np.vecmat(weights, told).T
        parts = _told_by(total, premium, log_price, np.float64(base))
        return [
            value for kernel in zip(*(p.tolist() for p in parts), strict=True) for value in kernel
        ]

    def _candidates(self, area: Array) -> tuple[Array, Array]:
        """Rows [n, CANDIDATES] and what their distance adds to how unlike they are."""
        if self._runs is not None:
            return self._runs.candidates(area)
        own = np.where(area < 0, -1, np.arange(len(area)))
        return runs_of(self.start, self.areas[area], self.km[area]).candidates(own)

    def _looked_up(self, taken: Array, room: _Room | None = None) -> tuple[Array, Array]:
        """``_prepared`` of the rows ``taken`` [..., 8] and [..., 4]; where there are none, of any,
        so that what stands for none can point at something."""
        if self._all is None:
            parts = (self.traits, self.premium, self.log_price)
            return _prepared(*(part.take(taken, axis=0, mode="clip") for part in parts))
        places = (None, None) if room is None else (p[: len(taken)] for p in room.looked_up)
        known, told = (
            part.take(taken, out=place, mode="clip").view(np.float32).reshape(*taken.shape, -1)
            for part, place in zip(self._all, places, strict=True)
        )
        return known, told

    def _likeness(self, area: int, query: ComparableQuery) -> tuple[Array, Array, Array, Array]:
        """The candidates of a listing, how many come from each of its ``areas``, how unlike they
        are (squared, inf for none) and their 1, premium, log price and 0 [CANDIDATES, 4]."""
        runs, own = self._runs, area
        if runs is None:
            runs = runs_of(self.start, self.areas[area:][:1], self.km[area:][:1])
            own = min(area, 0)
        taken, near = runs.candidates_of_one(own)
        known, told = self._looked_up(taken)
        unlike = np.matvec(known, query.factors)
        unlike += query.length
        unlike += near
        return taken, runs.count[own], unlike, told

    def nearest(
        self, area: int, query: ComparableQuery, zips: Array, means: Array, count: int
    ) -> list[Comparable]:
        """The ``count`` comparables most like the listing ``query`` about, the first first.

        ``zips`` [areas] are the zip codes as numbers, ``means`` [4] those of CENTRED.
        """
        taken, count_of, unlike, _ = self._likeness(area, query)
        order = np.argsort(unlike, kind="stable")[:count]
        order = order[np.isfinite(unlike[order])]
        rows = taken[order]
        km = np.repeat(np.append(self.km[area], 0.0), count_of)[order]
        numbers = self.traits[rows].astype(np.float64)[:, : len(means)] / _UNLIKE[: len(means)]
        areas = np.searchsorted(self.start, rows, side="right") - 1
        of_all = (numbers + means, self.given[rows], self.log_price[rows], zips[areas], km)
        return [
            _told(*one)
            for one in zip(*(part.tolist() for part in (*of_all, unlike[order])), strict=True)
        ]


def _told(
    numbers: list[float],
    given: list[bool],
    log_price: float,
    zip_code: int,
    km: float,
    unlike: float,
) -> Comparable:
    log_size, bed, log_bath, log_lot = numbers
    size, beds, baths, lot = given
    return Comparable(
        price=round(math.exp(log_price)),
        bed=round(bed, 1) if beds else None,
        bath=round(math.expm1(log_bath), 1) if baths else None,
        house_size=round(math.expm1(log_size)) if size else None,
        acre_lot=round(max(math.exp(log_lot) - 0.01, 0.0), 2) if lot else None,
        zip_code=f"{zip_code:05d}",
        km=round(km, 1),
        alike=round(math.exp(-unlike / 2), 4),
    )


class _Room:
    """Memory for so many rows at a time: the same again and again stays near the processor."""

    def __init__(self, rows: int) -> None:
        self.looked_up = [np.empty((rows, CANDIDATES), dtype=kind) for kind in ("V32", "V16")]
        self.unlike = np.empty((rows, CANDIDATES), dtype=np.float32)
        self.weights = np.empty((len(KERNELS), rows, CANDIDATES), dtype=np.float32)


def _weights(unlike: Array, out: Array) -> Array:
    """The weights [len(KERNELS), ...] of candidates that are so unlike (squared) [...]."""
    narrow, wide = out
    np.multiply(unlike, _SCALE, out=wide)
    np.exp(wide, out=wide)
    np.square(wide, out=narrow)
    np.square(narrow, out=narrow)
    np.square(narrow, out=narrow)
    narrow *= wide
    return out


def _prepared(traits: Array, premium: Array, log_price: Array) -> tuple[Array, Array]:
    """What is looked up of known listings [...]: their traits [..., TRAITS] in whole steps and the
    square of their length [..., 8]; and 1, premium, log price and 0 [..., 4]."""
    known = np.empty((*premium.shape, TRAITS + 1), dtype=np.float32)
    steps = known[..., :TRAITS]
    _in_steps(traits, out=steps)
    np.einsum("...t,...t->...", steps, steps, out=known[..., TRAITS])
    told = np.zeros((*premium.shape, 4), dtype=np.float32)
    told[..., 0], told[..., 1], told[..., 2] = 1.0, premium, log_price
    return known, told


def _told_by(
    total: Array, premium: Array, log_price: Array, base: Array | np.float64
) -> tuple[Array, Array, Array]:
    """The features of listings by the sums of their comparables' weights and weighted values."""
    pulled = total + _PULL
    return premium / pulled, (log_price - total * base) / pulled, np.log(total + 1e-3)


def traits_of(terms: Array) -> Array:
    """What likeness is measured by, float32 [n, TRAITS], from the terms of the regressions."""
    return np.asarray(terms[:, _TERMS] * _UNLIKE, dtype=np.float32)


def traits_of_one(terms: list[float]) -> Array:
    """``traits_of`` one listing [TRAITS]."""
    weighed = [terms[place] * unlike for place, unlike in zip(_TERMS, _UNLIKE, strict=True)]
    return np.array(weighed, dtype=np.float32)


def query_of(traits: Array) -> ComparableQuery:
    """What listings with ``traits`` [..., TRAITS] are query by."""
    factors = np.ones((*traits.shape[:-1], TRAITS + 1), dtype=np.float32)
    steps = _in_steps(traits, out=factors[..., :TRAITS])
    length = np.add.reduce(steps * steps, axis=-1)
    steps *= -2
    return ComparableQuery(factors, length)


def _in_steps(traits: Array, out: Array) -> Array:
    """Traits in whole steps."""
    np.multiply(traits, _STEPS, out=out)
    np.rint(out, out=out)
    out /= _STEPS
    return out


def given_of(numbers: Numbers) -> Array:
    """Which of the numbers in CENTRED are real, bool [n, 4]."""
    return np.column_stack([~np.isnan(values) for values in centred(numbers).values()])
