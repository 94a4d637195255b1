"""Learning the encoders of ``tasador.encoders`` from priced listings; training alone needs it.

For training rows everything comes from the other folds, so that no row (nor another listing of the
same property) has a share in its own features. Each row is shown twice: as it is, and as if
something of its place or its broker were unknown, most often its whole state: then all listings of
that state are left out of what surrounds it, as for a state that was never met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tasador.comparables import KEPT, Comparables, given_of, traits_of
from tasador.encoders import Category, Encoders, Located, Places
from tasador.features import (
    BASE_SCALE,
    CENTRED,
    RANGED,
    SCALES,
    Columns,
    centred,
    city_key,
    fold,
    own_features,
    own_numbers,
    sale_years,
    terms,
)
from tasador.geography import Geography, geography
from tasador.listing import NUMBERS
from tasador.surroundings import NOTHING, Sums, Surroundings, neighbours, sum_up, survey

Array = np.ndarray[Any, Any]

# One number in a thousand is moved to the border of the training range.
_TAIL = 0.0005
_DIGITS = 6
# How many listings' worth "no premium" counts in the mean of a category.
_PULL = {"zip": 4.0, "city": 6.0, "broker": 4.0, "spread": 6.0}
# The scale that premiums are measured against: wide for zip codes, narrower for what cuts across.
_WIDE, _MIDDLE, _NARROW = (SCALES.index(scale) for scale in (1000, 200, BASE_SCALE))


class Sample(NamedTuple):
    """Feature matrices of training rows: as they are, and as if something were unknown."""

    matrix: Array
    masked: Array

    def take(self, rows: Array) -> Sample:
        """The sample of some rows."""
        return Sample(self.matrix[rows], self.masked[rows])


class Hidden(NamedTuple):
    """What the second view hides of each row, bool [n] each.

    ``state``: the whole state was never met. ``zip_code``: the zip code was never met.
    ``no_zip``, ``no_city``, ``nowhere``: the zip code, the city too, or all of it is missing.
    """

    state: Array
    zip_code: Array
    no_zip: Array
    no_city: Array
    nowhere: Array
    broker: Array

    def take(self, rows: Array) -> Hidden:
        """Of some rows."""
        return Hidden(*(values[rows] for values in self))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Training rows ready for learning; codes are -1 where there is none."""

    ranges: dict[str, tuple[float, float]]
    means: dict[str, float]
    own: Array
    terms: Array
    traits: Array
    given: Array
    log_price: Array
    zips: Array
    state: Array
    city: Array
    broker: Array
    vocabulary: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class _Memory:
    """What some rows teach: encoders, and what it takes to see the same with some left out."""

    encoders: Encoders
    sums: Sums
    known: Array


def fit_encoders(columns: Columns) -> Encoders:
    """Encoders learned from all rows; ``price`` must be above zero in each."""
    rows = _prepare(columns)
    return _learn(rows, np.ones(len(rows.log_price), dtype=bool), geography()).encoders


def fit_out_of_fold(
    columns: Columns,
    folds: Array,
    seed: int,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Encoders, Sample]:
    """Encoders of all rows, and the rows' features with each fold encoded by the others.

    ``folds`` [n] numbers each row's fold; rows of one property share theirs.
    """
    where = geography()
    rows = _prepare(columns)
    hidden = draw_hidden(len(folds), seed)
    matrix: Array | None = None
    masked: Array | None = None
    numbers = np.unique(folds)
    for done, number in enumerate(numbers):
        if progress is not None:
            progress(done / (len(numbers) + 1), f"fold {done + 1} of {len(numbers)}")
        inside = np.flatnonzero(folds == number)
        memory = _learn(rows, folds != number, where)
        part = _encode(memory, rows, inside, where, None)
        if matrix is None or masked is None:
            matrix = np.empty((len(folds), part.shape[1]), dtype=np.float32)
            masked = np.empty_like(matrix)
        matrix[inside] = part
        masked[inside] = _encode(memory, rows, inside, where, hidden.take(inside))
    assert matrix is not None
    assert masked is not None
    if progress is not None:
        progress(len(numbers) / (len(numbers) + 1), "all rows")
    encoders = _learn(rows, np.ones(len(folds), dtype=bool), where).encoders
    return encoders, Sample(matrix, masked)


def draw_hidden(rows: int, seed: int) -> Hidden:
    """What the second view of each row hides: its whole state in seventeen rows of twenty."""
    draw = np.random.default_rng(seed)
    kind = draw.random(rows)
    return Hidden(
        state=kind < 0.85,
        zip_code=(kind >= 0.85) & (kind < 0.9),
        no_zip=(kind >= 0.9) & (kind < 0.94),
        no_city=(kind >= 0.94) & (kind < 0.98),
        nowhere=kind >= 0.98,
        broker=draw.random(rows) < 0.5,
    )


def _prepare(columns: Columns) -> _Rows:
    ranges = _ranges(columns)
    numbers = own_numbers(columns, ranges)
    means = {}
    for name, values in centred(numbers).items():
        present = values[~np.isnan(values)]
        means[name] = round(float(present.mean()), _DIGITS) if len(present) else 0.0
    keys: dict[str, list[str | None]] = {
        "state": [fold(state) for state in columns["state"]],
        "city": list(map(city_key, columns["city"], columns["state"])),
        "broker": list(columns["brokered_by"]),
    }
    vocabulary = {
        # Sorted, so that the order of the rows leaves no trace in the encoders.
        name: {key: code for code, key in enumerate(sorted({k for k in given if k is not None}))}
        for name, given in keys.items()
    }
    codes = {
        name: np.array(
            [-1 if key is None else vocabulary[name][key] for key in given], dtype=np.int64
        )
        for name, given in keys.items()
    }
    design = terms(numbers, means)
    return _Rows(
        ranges=ranges,
        means={name: means[name] for name in CENTRED},
        own=own_features(numbers).astype(np.float32),
        terms=design,
        traits=traits_of(design),
        given=given_of(numbers),
        log_price=np.log(columns["price"]),
        zips=geography().positions(columns["zip_code"]),
        vocabulary=vocabulary,
        **codes,
    )


def _ranges(columns: Columns) -> dict[str, tuple[float, float]]:
    raw = {name: columns[name] for name in NUMBERS}
    raw["prev_sold_year"] = sale_years(columns["prev_sold_date"])
    ranges = {}
    for name in RANGED:
        values = raw[name][~np.isnan(raw[name])]
        if len(values) == 0:
            ranges[name] = (0.0, 0.0)
            continue
        # Order statistics, not interpolations: a border is a value that was met.
        low, high = np.quantile(values, [_TAIL, 1 - _TAIL], method="nearest")
        ranges[name] = (float(low), float(high))
    return ranges


def _learn(rows: _Rows, used: Array, where: Geography) -> _Memory:
    """What the rows in ``used`` teach."""
    taken = np.flatnonzero(used & (rows.zips >= 0))
    every = np.flatnonzero(used)
    sums = sum_up(
        rows.terms[every], rows.log_price[every], rows.zips[every], rows.state[every], where
    )
    known = np.flatnonzero(sums.count)
    near, km = neighbours(where, known, known)
    around = survey(sums, where, known, near, km, np.zeros(near.shape, dtype=bool))
    area_of = np.full(len(where.codes), NOTHING)
    area_of[known] = np.arange(len(known))
    area = area_of[rows.zips[taken]]
    residual = rows.log_price[taken, None] - np.einsum(
        "nt,nst->ns", rows.terms[taken], around.coefficients[area]
    )
    premium, count = _category(area, len(known), residual[:, _WIDE], _PULL["zip"])
    strayed = np.abs(residual[:, _NARROW])
    spread, _ = _category(area, len(known), strayed - strayed.mean(), _PULL["spread"])
    closest, apart = neighbours(where, known, np.arange(len(where.codes)), 1)
    states = sums.states - sums.nation
    places = Places(
        zips=where.codes[known].astype(np.int32),
        codes=where.codes.astype(np.int32),
        near=area_of[closest[:, 0]].astype(np.int32),
        distance=np.log1p(apart[:, 0]).astype(np.float32),
        coefficients=(around.coefficients - sums.nation).astype(np.float16),
        nation=np.round(sums.nation, _DIGITS),
        states=states.astype(np.float32),
        state=sums.state[known].astype(np.int32),
        count=count,
        premium=premium,
        spread=spread,
    )
    cities, city_area = _cities(rows, taken, area, residual[:, _MIDDLE])
    brokers = _category(
        rows.broker[taken],
        len(rows.vocabulary["broker"]),
        residual[:, _MIDDLE],
        _PULL["broker"],
    )
    encoders = Encoders(
        ranges=rows.ranges,
        means=rows.means,
        places=places,
        state_index=rows.vocabulary["state"],
        cities=cities,
        city_area=city_area,
        brokers=Category(rows.vocabulary["broker"], *brokers),
        comparables=_comparables(rows, taken, area, residual[:, _MIDDLE], around, area_of),
    )
    return _Memory(encoders, sums, known)


def _category(codes: Array, size: int, values: Array, pull: float) -> tuple[Array, Array]:
    """The mean of ``values`` in each category, pulled towards 0, and log1p of its number."""
    has = codes >= 0
    total = np.bincount(codes[has], weights=values[has], minlength=size)
    count = np.bincount(codes[has], minlength=size)
    mean = np.round(total / (count + pull), _DIGITS)
    return mean.astype(np.float32), np.log1p(count).astype(np.float32)


def _cities(rows: _Rows, taken: Array, area: Array, residual: Array) -> tuple[Category, Array]:
    """The cities, and for each the area in which most of its listings are (-1: none)."""
    city = rows.city[taken]
    premium, count = _category(city, len(rows.vocabulary["city"]), residual, _PULL["city"])
    main = np.full(len(premium), NOTHING, dtype=np.int32)
    has = city >= 0
    pairs, number = np.unique(np.column_stack([city[has], area[has]]), axis=0, return_counts=True)
    # The largest number comes last, and so it stays.
    order = np.argsort(number, kind="stable")
    main[pairs[order, 0]] = pairs[order, 1]
    return Category(rows.vocabulary["city"], premium, count), main


def _comparables(
    rows: _Rows, taken: Array, area: Array, residual: Array, around: Surroundings, area_of: Array
) -> Comparables:
    order = np.argsort(area, kind="stable")
    sizes = np.bincount(area, minlength=len(around.near))
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Rows are in an order that has nothing to do with them, so the first are as good as any.
    kept = order[within < KEPT]
    start = np.concatenate([[0], np.cumsum(np.minimum(sizes, KEPT))])
    return Comparables(
        start=start.astype(np.int32),
        areas=np.where(around.near >= 0, area_of[around.near], NOTHING).astype(np.int32),
        km=around.km.astype(np.float32),
        traits=rows.traits[taken[kept]],
        premium=residual[kept].astype(np.float32),
        log_price=rows.log_price[taken[kept]].astype(np.float32),
        given=rows.given[taken[kept]],
    )


def _encode(
    memory: _Memory, rows: _Rows, inside: Array, where: Geography, hidden: Hidden | None
) -> Array:
    """The features of the rows ``inside`` as they are, or with what is ``hidden`` unknown."""
    encoders = memory.encoders
    places = encoders.places
    zips, state = rows.zips[inside], rows.state[inside]
    city, broker = rows.city[inside], rows.broker[inside]
    found = zips >= 0
    area = np.where(found, places.near[zips], NOTHING).astype(np.int64)
    distance = np.where(found, places.distance[zips], np.nan)
    # A category that no row outside the fold has is unknown, as it would be when serving.
    city = np.where((city >= 0) & (encoders.cities.count[city] > 0), city, NOTHING)
    broker = np.where((broker >= 0) & (encoders.brokers.count[broker] > 0), broker, NOTHING)
    by_city = ~found if hidden is None else ~found | hidden.no_zip
    city_main = np.where(city >= 0, encoders.city_area[city], NOTHING)
    area = np.where(by_city, city_main, area)
    distance = np.where(by_city, np.where(city_main >= 0, 0.0, np.nan), distance)
    own_zip = ~by_city & (distance == 0.0)
    if hidden is not None:
        nothing = hidden.no_city | hidden.nowhere
        area, distance = np.where(nothing, NOTHING, area), np.where(nothing, np.nan, distance)
        left_out = found & (hidden.state | hidden.zip_code)
        encoders, area[left_out], distance[left_out] = _without(
            memory,
            where,
            zips[left_out],
            np.where(hidden.state, rows.state[inside], NOTHING)[left_out],
        )
        city = np.where(nothing | hidden.state | hidden.zip_code, NOTHING, city)
        state = np.where(hidden.state | hidden.nowhere, NOTHING, state)
        state = np.where((state < 0) & (area >= 0), encoders.places.state[area], state)
        broker = np.where(hidden.broker, NOTHING, broker)
        own_zip &= ~nothing & ~left_out
    located = Located(area, state, distance, own_zip)
    rest = encoders.remembered(rows.terms[inside], located, city, broker)
    return np.concatenate([rows.own[inside], rest], axis=1).astype(np.float32)


def _without(
    memory: _Memory, where: Geography, zips: Array, state: Array
) -> tuple[Encoders, Array, Array]:
    """Encoders with areas more, in which the ``state`` [n] or (-1) the zip code itself is left out.

    Returns the encoders, and for each of ``zips`` [n] its area there and log1p of how far it is.
    """
    asked, which = np.unique(np.column_stack([zips, state]), axis=0, return_inverse=True)
    centre = np.empty(len(asked), dtype=np.int64)
    apart = np.empty(len(asked))
    parts: list[_Part] = []
    for code in np.unique(asked[:, 1]):
        mine = np.flatnonzero(asked[:, 1] == code)
        allowed = memory.known[memory.sums.state[memory.known] != code]
        if code == NOTHING:
            allowed = memory.known
        if len(allowed) < 2:
            centre[mine], apart[mine] = NOTHING, np.nan
            continue
        near, km = neighbours(where, allowed, asked[mine, 0], 2)
        second = (code == NOTHING) & (near[:, 0] == asked[mine, 0])
        centre[mine] = np.where(second, near[:, 1], near[:, 0])
        apart[mine] = np.where(second, km[:, 1], km[:, 0])
        around, far = neighbours(where, allowed, centre[mine])
        excluded = (around == asked[mine, 0][:, None]) & (code == NOTHING)
        seen = survey(memory.sums, where, centre[mine], around, far, excluded)
        parts.append(_Part(mine, memory.sums.state[centre[mine]], seen))
    encoders, first = _extended(memory, parts)
    area = np.full(len(asked), NOTHING, dtype=np.int64)
    placed = np.concatenate([part.rows for part in parts] or [np.empty(0, dtype=np.int64)])
    area[placed] = first + np.arange(len(placed))
    return encoders, area[which.ravel()], np.log1p(apart)[which.ravel()]


class _Part(NamedTuple):
    """Areas seen with something left out: which of those asked for, their state, what is around."""

    rows: Array
    state: Array
    around: Surroundings


def _extended(memory: _Memory, parts: list[_Part]) -> tuple[Encoders, int]:
    """The encoders with the areas of ``parts`` behind their own, and the number of the first."""
    encoders = memory.encoders
    places, comparables = encoders.places, encoders.comparables
    if not parts:
        return encoders, len(places.zips)
    area_of = np.full(len(memory.sums.count), NOTHING)
    area_of[memory.known] = np.arange(len(memory.known))
    near = np.concatenate([part.around.near for part in parts])
    more = np.concatenate([part.around.coefficients for part in parts]) - memory.sums.nation
    blank = np.zeros(len(near), dtype=np.float32)
    return replace(
        encoders,
        places=replace(
            places,
            coefficients=np.concatenate([places.coefficients, more.astype(np.float16)]),
            state=np.concatenate([places.state, *(part.state for part in parts)]),
            count=np.concatenate([places.count, blank]),
            premium=np.concatenate([places.premium, blank]),
            spread=np.concatenate([places.spread, blank]),
        ),
        comparables=replace(
            comparables,
            areas=np.concatenate([comparables.areas, np.where(near >= 0, area_of[near], NOTHING)]),
            km=np.concatenate(
                [comparables.km, *(part.around.km.astype(np.float32) for part in parts)]
            ),
        ),
    ), len(places.zips)
