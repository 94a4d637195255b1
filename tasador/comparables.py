"""Comparables: the known listings that are most like one, in place, size, rooms and lot.

The candidates of a listing are the listings of the nearest zip codes; each counts the more, the
more it is like the listing (a Gaussian kernel, after Nadaraya and Watson). numpy alone: serving
imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tasador.features import KERNELS, Numbers, centred

Array = np.ndarray[Any, Any]

# Zip codes looked at, listings kept of each, and candidates taken in all.
AREAS = 24
KEPT = 64
CANDIDATES = 128
# How far apart two listings are that differ by 1 in each of: log size, bedrooms, log bathrooms,
# log lot, being land, lacking a size, being sold. A place `_KM` away is as unlike as 1.
_UNLIKE = (3.0, 0.5, 1.2, 0.4, 5.0, 1.0, 0.3)
TRAITS = len(_UNLIKE)
_TERMS = [3, 5, 7, 9, 11, 4, 1]
_KM = 4.0
# A weight of this much stands for "no premium" beside the comparables' own.
_PULL = 0.3
_CHUNK = 4_096


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


@dataclass(frozen=True, slots=True)
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

    def features(self, area: Array, traits: Array, base: Array) -> Array:
        """The features [n, 3 len(KERNELS)] of listings with ``traits`` [n, TRAITS] in ``area`` [n].

        For each width of the kernel: the mean premium of the comparables, how far their mean log
        price lies above ``base`` [n], and the log of their summed weights. An area of -1 (no known
        place) has no comparables.
        """
        found = np.empty((len(area), 3 * len(KERNELS)), dtype=np.float64)
        for begin in range(0, len(area), _CHUNK):
            rows = slice(begin, begin + _CHUNK)
            taken, there, km = self._candidates(area[rows])
            unlike = self._unlike(traits[rows], taken, km)
            found[rows] = weigh(
                unlike, there, self.premium[taken], self.log_price[taken], base[rows]
            )
        return found

    def features_of_one(self, area: int, traits: Array, base: float) -> list[float]:
        """``features`` of one listing: the same numbers, in a fraction of the time."""
        if area < 0:
            none: list[float] = self.features(np.array([area]), traits[None], np.array([base]))[
                0
            ].tolist()
            return none
        taken, there, km = self._candidates_of_one(area)
        unlike = self._unlike(traits[None], taken[None], km[None])
        of = (unlike, there[None], self.premium[taken][None], self.log_price[taken][None])
        told: list[float] = weigh(*of, np.array([base]))[0].tolist()
        return told

    def nearest(
        self, area: int, traits: Array, zips: Array, means: Array, count: int
    ) -> list[Comparable]:
        """The ``count`` comparables most like a listing with ``traits`` [TRAITS], the first first.

        ``zips`` [areas] are the zip codes as numbers, ``means`` [4] those of CENTRED.
        """
        if area < 0:
            return []
        taken, there, km = self._candidates(np.array([area]))
        unlike = self._unlike(traits[None], taken, km)[0]
        unlike[~there[0]] = np.inf
        order = np.argsort(unlike, kind="stable")[:count]
        order = order[np.isfinite(unlike[order])]
        return [
            self._told(int(taken[0, place]), float(km[0, place]), float(unlike[place]), zips, means)
            for place in order
        ]

    def _told(self, row: int, km: float, unlike: float, zips: Array, means: Array) -> Comparable:
        traits = self.traits[row].astype(np.float64) / _UNLIKE
        log_size, bed, log_bath, log_lot = (traits[:4] + means).tolist()
        size, beds, baths, lot = self.given[row].tolist()
        area = int(np.searchsorted(self.start, row, side="right")) - 1
        return Comparable(
            price=round(float(np.exp(np.float64(self.log_price[row])))),
            bed=round(bed, 1) if beds else None,
            bath=round(float(np.expm1(log_bath)), 1) if baths else None,
            house_size=round(float(np.expm1(log_size))) if size else None,
            acre_lot=round(max(float(np.exp(log_lot)) - 0.01, 0.0), 2) if lot else None,
            zip_code=f"{int(zips[area]):05d}",
            km=round(km, 1),
            alike=round(float(np.exp(-unlike / 2)), 4),
        )

    def _candidates(self, area: Array) -> tuple[Array, Array, Array]:
        """Rows [n, CANDIDATES], which of them are there, and how far their area is (km).

        The nearest areas are emptied one after the other until there are enough.
        """
        distinct, which = np.unique(area, return_inverse=True)
        known = distinct >= 0
        near = self.areas[np.where(known, distinct, 0)]
        begin = self.start[np.maximum(near, 0)]
        counts = np.minimum(self.start[np.maximum(near, 0) + 1] - begin, KEPT)
        counts[(near < 0) | ~known[:, None]] = 0
        through = np.cumsum(counts, axis=1)
        counts = np.clip(CANDIDATES - (through - counts), 0, counts)
        through = np.minimum(through, CANDIDATES)
        # Which area each of the CANDIDATES places falls to, for all distinct areas at one time.
        flat = np.repeat(np.arange(counts.size), counts.ravel())
        row, column = np.divmod(flat, counts.shape[1])
        filled = through[:, -1]
        offset = np.arange(len(flat)) - np.repeat(np.cumsum(filled) - filled, filled)
        within = offset - (through - counts)[row, column]
        taken = np.zeros((len(distinct), CANDIDATES), dtype=np.int64)
        there = np.zeros(taken.shape, dtype=bool)
        km = np.zeros(taken.shape, dtype=np.float32)
        taken[row, offset] = begin[row, column] + within
        there[row, offset] = True
        km[row, offset] = self.km[np.where(known, distinct, 0)][row, column]
        return taken[which], there[which], km[which]

    def _candidates_of_one(self, area: int) -> tuple[Array, Array, Array]:
        """``_candidates`` of one area [CANDIDATES]."""
        near = self.areas[area]
        near = near[near >= 0]
        begin = self.start[near].astype(np.int64)
        counts = np.minimum(self.start[near + 1] - begin, KEPT)
        through = np.cumsum(counts)
        filled = min(int(through[-1]), CANDIDATES)
        taken = np.zeros(CANDIDATES, dtype=np.int64)
        there = np.zeros(CANDIDATES, dtype=bool)
        km = np.zeros(CANDIDATES, dtype=np.float32)
        taken[:filled] = np.repeat(begin - through + counts, counts)[:filled] + np.arange(filled)
        there[:filled] = True
        km[:filled] = np.repeat(self.km[area, : len(near)], counts)[:filled]
        return taken, there, km

    def _unlike(self, traits: Array, taken: Array, km: Array) -> Array:
        """The squared distance of each candidate, float32 [n, CANDIDATES]."""
        return distances(traits, self.traits[taken], km)


def distances(traits: Array, candidates: Array, km: Array) -> Array:
    """Squared distances [n, m] of ``traits`` [n, TRAITS] and ``candidates`` [n, m, TRAITS]."""
    apart = candidates - traits[:, None, :]
    squared = np.einsum("nmt,nmt->nm", apart, apart)
    return np.asarray(squared + (km / np.float32(_KM)) ** 2)


def weigh(unlike: Array, there: Array, premium: Array, log_price: Array, base: Array) -> Array:
    """The features of listings whose candidates are ``unlike`` [n, m] squared; see ``features``."""
    found = np.empty((len(unlike), 3 * len(KERNELS)), dtype=np.float64)
    for place, width in enumerate(KERNELS):
        weight = np.exp(unlike * np.float32(-0.5 / width**2))
        weight *= there
        total = weight.sum(axis=1)
        level = (weight * log_price).sum(axis=1) - total * base
        found[:, 3 * place] = (weight * premium).sum(axis=1) / (total + _PULL)
        found[:, 3 * place + 1] = level / (total + _PULL)
        found[:, 3 * place + 2] = np.log(total + 1e-3)
    return found


def traits_of(terms: Array) -> Array:
    """What likeness is measured by, float32 [n, TRAITS], from the terms of the regressions."""
    return np.asarray(terms[:, _TERMS] * _UNLIKE, dtype=np.float32)


def given_of(numbers: Numbers) -> Array:
    """Which of the numbers in CENTRED are real, bool [n, 4]."""
    return np.column_stack([~np.isnan(values) for values in centred(numbers).values()])
