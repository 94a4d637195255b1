"""What some training rows teach: encoders, and the same with a state or a zip code left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.candidates import KEPT
from tasador.model.categories import Category
from tasador.model.comparables import Comparables
from tasador.model.encoders import Encoders
from tasador.model.features import BASE_SCALE, SCALES
from tasador.model.places import Places
from tasador.training.geography import Geography
from tasador.training.local_regressions import (
    NOTHING,
    Sums,
    Surroundings,
    neighbours,
    sum_up,
    survey,
)
from tasador.training.rows import Rows

_DIGITS = 6
# How many listings' worth "no premium" counts in the mean of a category.
_PULL = {"zip": 4.0, "city": 6.0, "broker": 4.0, "spread": 6.0}
# The scale that premiums are measured against: wide for zip codes, narrower for what cuts across.
_WIDE, _MIDDLE, _NARROW = (SCALES.index(scale) for scale in (1000, 200, BASE_SCALE))


@dataclass(frozen=True, slots=True)
class EncoderFit:
    """Encoders fitted on some rows, and what refitting them with some places left out needs.

    ``zips_with_listings`` are positions in the geography.
    """

    encoders: Encoders
    sums: Sums
    zips_with_listings: Array


def fit_encoders(rows: Rows, used: Array, geography: Geography, extra_zips: Array) -> EncoderFit:
    """Fit encoders on the rows where ``used`` [n] is true.

    They cover the zip codes of those rows and ``extra_zips`` (unique positions in the geography).
    """
    taken = np.flatnonzero(used & (rows.zips >= 0))
    every = np.flatnonzero(used)
    sums = sum_up(
        rows.terms[every],
        rows.log_price[every],
        rows.zips[every],
        rows.state[every],
        len(rows.vocabulary["state"]),
        geography,
    )
    known = np.flatnonzero(sums.count)
    closest, apart = neighbours(geography, known, np.arange(len(geography.codes)), 1)
    # Those with listings come first; some zip codes share their place with one that has some.
    areas = np.concatenate([known, extra_zips[apart[extra_zips, 0] > 0]])
    near, km = neighbours(geography, known, areas)
    around = survey(sums, closest[areas, 0], near, km, np.zeros(near.shape, dtype=bool))
    area_of = np.full(len(geography.codes), NOTHING)
    area_of[areas] = np.arange(len(areas))
    area = area_of[rows.zips[taken]]
    residual = rows.log_price[taken, None] - np.einsum(
        "nt,nst->ns", rows.terms[taken], around.coefficients[area]
    )
    premium, count = _category(area, len(areas), residual[:, _WIDE], _PULL["zip"])
    strayed = np.abs(residual[:, _NARROW])
    spread, _ = _category(area, len(areas), strayed - strayed.mean(), _PULL["spread"])
    nearest, _ = neighbours(geography, areas, np.arange(len(geography.codes)), 1)
    states = sums.states - sums.nation
    places = Places(
        zips=geography.codes[areas].astype(np.int32),
        codes=geography.codes.astype(np.int32),
        near=area_of[nearest[:, 0]].astype(np.int32),
        distance=np.log1p(apart[:, 0]).astype(np.float32),
        around=geography.around,
        coefficients=(around.coefficients - sums.nation).astype(np.float16),
        nation=np.round(sums.nation, _DIGITS),
        states=states.astype(np.float32),
        state=sums.state[closest[areas, 0]].astype(np.int32),
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
    return EncoderFit(encoders, sums, known)


def _category(codes: Array, size: int, values: Array, pull: float) -> tuple[Array, Array]:
    """The mean of ``values`` in each category, pulled towards 0, and log1p of its number."""
    has = codes >= 0
    total = np.bincount(codes[has], weights=values[has], minlength=size)
    count = np.bincount(codes[has], minlength=size)
    mean = np.round(total / (count + pull), _DIGITS)
    return mean.astype(np.float32), np.log1p(count).astype(np.float32)


def _cities(rows: Rows, taken: Array, area: Array, residual: Array) -> tuple[Category, Array]:
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
    rows: Rows, taken: Array, area: Array, residual: Array, around: Surroundings, area_of: Array
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


def encoders_without(
    fit: EncoderFit, geography: Geography, zips: Array, state: Array, together: Array
) -> tuple[Encoders, Array, Array]:
    """Encoders with areas more, in which some states or the zip code itself is left out.

    ``state`` [n] with all that are ``together`` [states, states] with it is left out of what
    surrounds each of ``zips`` [n]; at -1 the zip code alone is.

    Returns the encoders, and for each of ``zips`` [n] its area there and log1p of how far it is.
    """
    asked, which = np.unique(np.column_stack([zips, state]), axis=0, return_inverse=True)
    apart = np.full(len(asked), np.nan)
    parts: list[_Part] = []
    for code in np.unique(asked[:, 1]):
        mine = np.flatnonzero(asked[:, 1] == code)
        allowed = fit.zips_with_listings
        if code != NOTHING:
            theirs = fit.sums.state[allowed]
            allowed = allowed[(theirs < 0) | ~together[code][theirs]]
        if len(allowed) < 2:
            continue
        near, km = neighbours(geography, allowed, asked[mine, 0])
        excluded = (near == asked[mine, 0][:, None]) & (code == NOTHING)
        first = np.arange(len(mine)), excluded[:, 0].astype(np.intp)
        closest, apart[mine] = near[first], km[first]
        seen = survey(fit.sums, closest, near, km, excluded)
        parts.append(_Part(mine, fit.sums.state[closest], seen))
    encoders, behind = _extended(fit, parts)
    area = np.full(len(asked), NOTHING, dtype=np.int64)
    placed = np.concatenate([part.rows for part in parts] or [np.empty(0, dtype=np.int64)])
    area[placed] = behind + np.arange(len(placed))
    return encoders, area[which.ravel()], np.log1p(apart)[which.ravel()]


class _Part(NamedTuple):
    """Areas seen with something left out: which of those asked for, their state, what is around."""

    rows: Array
    state: Array
    around: Surroundings


def _extended(fit: EncoderFit, parts: list[_Part]) -> tuple[Encoders, int]:
    """The encoders with the areas of ``parts`` behind their own, and the number of the first."""
    encoders = fit.encoders
    places, comparables = encoders.places, encoders.comparables
    if not parts:
        return encoders, len(places.zips)
    area_of = np.full(len(fit.sums.count), NOTHING)
    area_of[fit.zips_with_listings] = np.arange(len(fit.zips_with_listings))
    near = np.concatenate([part.around.near for part in parts])
    more = np.concatenate([part.around.coefficients for part in parts]) - fit.sums.nation
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
