"""Comparables: the known listings that are most like one, in place, size, rooms and lot.

The candidates are the listings of the nearest zip codes. Each is weighted by its distance in traits
and kilometres (a Gaussian kernel, after Nadaraya and Watson). numpy alone: serving imports this
module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.adjustments import adjustment_grid
from tasador.model.candidates import CANDIDATES, CandidateRuns, candidate_runs
from tasador.model.comparable import Comparable, comparables_of
from tasador.model.features import COMPARABLE_MEASURES, KERNELS
from tasador.model.kernels import GaussianKernels
from tasador.model.traits import (
    EXACT_LENGTH,
    SOLD,
    TRAITS,
    centred_numbers_of,
    known_values,
    round_traits,
    round_traits_of_one,
)

# Means of the comparables are shrunk towards "no premium" as if that had this much weight.
_PRIOR_WEIGHT = 0.3
# Summed weights are logged; this keeps the log finite where there are no comparables.
_LEAST_WEIGHT = 1e-3
_KERNELS = GaussianKernels(KERNELS)
# Rows per chunk: few enough to stay in the processor's cache, and enough that threads do not spend
# their time passing the interpreter's lock around.
_CHUNK = 256
# What is looked up of a known listing: traits and squared length; 1, premium, log price and 0.
_TRAIT_ITEM = np.dtype((np.void, np.dtype(np.float32).itemsize * (TRAITS + 1)))
_VALUES = 4
_VALUE_ITEM = np.dtype((np.void, np.dtype(np.float32).itemsize * _VALUES))


class ComparableQuery(NamedTuple):
    """Listings whose comparables are searched.

    ``factors`` [..., TRAITS + 1] multiply a known listing's traits and its squared length. Their
    sum plus ``length`` [...] is the squared distance.
    """

    factors: Array
    length: Array


class Neighbours(NamedTuple):
    """The candidates of one listing [CANDIDATES].

    ``rows`` of the known listings, ``squared`` distances (inf: no candidate), their ``values``
    [CANDIDATES, 4] (1, premium, log price, 0), and how many come from each area, ``per_area``.
    """

    rows: Array
    squared: Array
    values: Array
    per_area: Array


class _Index(NamedTuple):
    """The candidates of all areas, and the looked-up values of all known listings as items."""

    runs: CandidateRuns
    traits: Array
    values: Array


@dataclass(slots=True, eq=False, repr=False)
class Comparables:
    """Known listings, sorted by area (a zip code with listings).

    ``start`` [areas + 1] is the first row of each area, ``areas`` and ``km`` [areas, AREAS] are the
    nearest areas (itself first) and their distances. ``traits`` [n, TRAITS] are what distance is
    measured in, ``premium`` and ``log_price`` [n] what each listing contributes. ``given`` [n, 4]
    says which of its numbers (by CENTRED) are real.

    The data never changes. ``build_index`` adds an index, which changes no answer.
    """

    start: Array
    areas: Array
    km: Array
    traits: Array
    premium: Array
    log_price: Array
    given: Array
    _index: _Index | None = field(init=False, repr=False, default=None)

    def build_index(self) -> None:
        """Look up once, for all listings, what is otherwise looked up for each request.

        It takes longer than one answer, so a process that starts calls it after its first one.
        Safe while other threads search.
        """
        if self._index is None:
            traits, values = _looked_up(self.traits, self.premium, self.log_price)
            self._index = _Index(
                runs=candidate_runs(self.start, self.areas, self.km),
                # One item per listing: numpy takes that in one move.
                traits=traits.view(_TRAIT_ITEM)[:, 0],
                values=values.view(_VALUE_ITEM)[:, 0],
            )

    def features(self, area: Array, traits: Array, base: Array) -> Array:
        """The features of listings with ``traits`` [n, TRAITS] in ``area`` [n].

        By kernel and COMPARABLE_MEASURES: the mean premium of the comparables, how far their mean
        log price lies above ``base`` [n], and the log of their summed weights, float64
        [n, len(KERNELS) * len(COMPARABLE_MEASURES)]. An area of -1 has no comparables.
        """
        if len(area) > _CHUNK:
            self.build_index()
        sums = np.empty((len(KERNELS), len(area), _VALUES), dtype=np.float32)
        # Rows of one area share their candidates.
        order = np.argsort(area)
        query = query_of(traits)
        factors, length = query.factors, query.length[:, None]
        buffers = _Buffers(min(_CHUNK, len(area)))
        for begin in range(0, len(area), _CHUNK):
            rows = order[begin : begin + _CHUNK]
            candidates, squared_km = self._candidates(area[rows])
            known, values = self._look_up(candidates, buffers)
            squared = np.matvec(known, factors[rows], out=buffers.squared[: len(rows)])
            squared += length[rows]
            squared += squared_km
            weights = _KERNELS.weights(squared, buffers.weights[:, : len(rows)])
            sums[:, rows] = np.vecmat(weights, values)
        total, premium, log_price, _ = np.moveaxis(sums, (0, 2), (2, 0))
        by_kernel = np.stack(_measures(total, premium, log_price, base[:, None]), axis=2)
        return by_kernel.reshape(len(area), len(KERNELS) * len(COMPARABLE_MEASURES))

    def features_of_one(self, neighbours: Neighbours, base: float) -> list[float]:
        """``features`` of one listing, the same to the bit in float32."""
        weights = np.empty((len(KERNELS), CANDIDATES), dtype=np.float32)
        sums = np.vecmat(_KERNELS.weights(neighbours.squared, weights), neighbours.values)
        total = sums[:, 0]
        shrunk, log_weight = (total + _PRIOR_WEIGHT).tolist(), np.log(total + _LEAST_WEIGHT)
        measures = []
        for kernel, weight, logarithm in zip(
            sums.tolist(), shrunk, log_weight.tolist(), strict=True
        ):
            of_total, premium, log_price, _ = kernel
            measures += [premium / weight, (log_price - of_total * base) / weight, logarithm]
        return measures

    def _candidates(self, area: Array) -> tuple[Array, Array]:
        """Rows [n, CANDIDATES], and what the kilometres add to their squared distances."""
        if self._index is not None:
            return self._index.runs.candidates(area)
        own = np.where(area < 0, -1, np.arange(len(area)))
        return candidate_runs(self.start, self.areas[area], self.km[area]).candidates(own)

    def neighbours(self, area: int, query: ComparableQuery) -> Neighbours:
        """The candidates of one listing, and how far each is."""
        if self._index is not None:
            runs, own = self._index.runs, area
        else:
            runs = candidate_runs(self.start, self.areas[area:][:1], self.km[area:][:1])
            own = min(area, 0)
        rows, squared_km = runs.candidates_of_one(own)
        known, values = self._look_up(rows)
        squared = np.matvec(known, query.factors)
        squared += query.length
        squared += squared_km
        return Neighbours(rows, squared, values, runs.count[own])

    def _look_up(self, rows: Array, buffers: _Buffers | None = None) -> tuple[Array, Array]:
        """``_looked_up`` of ``rows`` [...]. Where there is no candidate, ``rows`` is out of range,
        and any listing stands in; its weight is 0."""
        if self._index is None:
            columns = (self.traits, self.premium, self.log_price)
            return _looked_up(*(column.take(rows, axis=0, mode="clip") for column in columns))
        known, values = (None, None) if buffers is None else buffers.items(len(rows))
        return (
            _taken(self._index.traits, rows, known),
            _taken(self._index.values, rows, values),
        )

    def nearest(
        self,
        area: int,
        neighbours: Neighbours,
        zips: Array,
        means: Array,
        regression: Array,
        design: Array,
        estimate: float,
        count: int,
    ) -> list[Comparable]:
        """The ``count`` of its ``neighbours`` most like the listing, the most alike first.

        ``zips`` [areas] are the zip codes as numbers, ``means`` [4] those of CENTRED,
        ``regression`` [len(TERMS)] the one that premiums are relative to, in the listing's place,
        ``design`` [len(TERMS)] the listing's terms, ``estimate`` its price in dollars.
        """
        order = neighbours.squared.argsort(kind="stable")[:count]
        squared = neighbours.squared[order]
        order, squared = order[(known := np.isfinite(squared))], squared[known]
        rows = neighbours.rows[order]
        # The last run is of no candidates.
        run = np.arange(len(neighbours.per_area) - 1).repeat(neighbours.per_area[:-1])[order]
        traits, given = self.traits[rows], self.given[rows]
        numbers = centred_numbers_of(traits) + means
        level = float(regression @ design)
        _, premium, log_price, _ = neighbours.values[order].astype(np.float64).T
        grid, price, adjusted = adjustment_grid(
            design, regression, known_values(traits, given), log_price, level + premium
        )
        return comparables_of(
            estimate,
            numbers,
            given,
            price,
            zips[self.areas[area, run]],
            self.km[area, run],
            squared,
            traits[:, SOLD] > 0.0,
            grid,
            adjusted,
        )


class _Buffers:
    """Memory for the rows of a chunk: reused, it stays in the processor's cache."""

    def __init__(self, rows: int) -> None:
        self._known = np.empty((rows, CANDIDATES), dtype=_TRAIT_ITEM)
        self._values = np.empty((rows, CANDIDATES), dtype=_VALUE_ITEM)
        self.squared = np.empty((rows, CANDIDATES), dtype=np.float32)
        self.weights = np.empty((len(KERNELS), rows, CANDIDATES), dtype=np.float32)

    def items(self, rows: int) -> tuple[Array, Array]:
        """Room for the looked-up items of so many rows."""
        return self._known[:rows], self._values[:rows]


def _looked_up(traits: Array, premium: Array, log_price: Array) -> tuple[Array, Array]:
    """What is looked up of known listings [...]: their rounded traits and squared length
    [..., TRAITS + 1]; and 1, premium, log price and 0 [..., 4]."""
    known = np.empty((*premium.shape, TRAITS + 1), dtype=np.float32)
    rounded = known[..., :TRAITS]
    round_traits(traits, out=rounded)
    np.einsum("...t,...t->...", rounded, rounded, out=known[..., TRAITS])
    values = np.zeros((*premium.shape, _VALUES), dtype=np.float32)
    values[..., 0], values[..., 1], values[..., 2] = 1.0, premium, log_price
    return known, values


def _taken(items: Array, rows: Array, out: Array | None) -> Array:
    """The items of ``rows`` [...] as float32 [..., floats of an item]."""
    return items.take(rows, out=out, mode="clip").view(np.float32).reshape(*rows.shape, -1)


def _measures(
    total: Array, premium: Array, log_price: Array, base: Array | np.float64
) -> tuple[Array, Array, Array]:
    """COMPARABLE_MEASURES by the summed weights of the comparables and their weighted sums."""
    shrunk = total + _PRIOR_WEIGHT
    return premium / shrunk, (log_price - total * base) / shrunk, np.log(total + _LEAST_WEIGHT)


def query_of(traits: Array) -> ComparableQuery:
    """The query for the comparables of listings with ``traits`` [..., TRAITS]."""
    factors = np.ones((*traits.shape[:-1], TRAITS + 1), dtype=np.float32)
    rounded = round_traits(traits, out=factors[..., :TRAITS])
    length = np.add.reduce(rounded * rounded, axis=-1)
    rounded *= -2
    return ComparableQuery(factors, length)


def query_of_one(traits: Array) -> ComparableQuery:
    """``query_of`` one listing's traits [TRAITS], the same to the bit."""
    rounded = round_traits_of_one(traits)
    length = math.fsum(trait * trait for trait in rounded)
    if length >= EXACT_LENGTH:  # the order of summation matters
        return query_of(traits)
    factors = [-2.0 * trait for trait in rounded]
    factors.append(1.0)
    return ComparableQuery(np.array(factors, dtype=np.float32), np.array(length, dtype=np.float32))
