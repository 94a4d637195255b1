"""Fitting encoders on training rows, also with a state or a zip code left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.candidates import KEPT
from tasador.model.categories import Category
from tasador.model.comparables import Comparables
from tasador.model.encoders import Encoders
from tasador.model.features import BASE_SCALE, PREMIUM_SCALE, SCALES
from tasador.model.own_features import UNSTATED
from tasador.model.places import Places
from tasador.training.geography import Geography
from tasador.training.local_regressions import (
    NOTHING,
    PLACES_AT_ONCE,
    Sums,
    Surroundings,
    fit_local_regressions,
    neighbours,
    sum_listings,
)
from tasador.training.rows import Rows

_DIGITS = 6
_FARTHEST_KM = 20_000.0  # half of the way around the earth
# The weight of the prior "no premium" in the mean of a category, in listings.
_PULL = {"zip": 4.0, "city": 6.0, "broker": 4.0, "spread": 6.0}
# The scale of the residuals behind each premium: wide for zip codes, narrower for city and broker.
_WIDE, _MIDDLE, _NARROW = (SCALES.index(scale) for scale in (1000, PREMIUM_SCALE, BASE_SCALE))


@dataclass(frozen=True, slots=True)
class EncoderFit:
    """Encoders fitted on some rows, and the data for refitting them with some places left out.

    ``zips_with_listings`` are positions in the geography.
    """

    encoders: Encoders
    sums: Sums
    zips_with_listings: Array


def fit_encoders(
    rows: Rows,
    used: Array,
    geography: Geography,
    extra_zips: Array,
    encoded_zips: Array | None = None,
) -> EncoderFit:
    """Fit encoders on the rows where ``used`` [n] is true.

    They cover the zip codes of those rows and ``extra_zips`` (unique positions in the geography).
    They can encode rows with the zip codes ``encoded_zips`` (positions too; default: all of them).
    """
    placed_rows = np.flatnonzero(used & (rows.zips >= 0))
    used_rows = np.flatnonzero(used)
    sums = sum_listings(
        rows.terms[used_rows],
        rows.log_price[used_rows],
        rows.zips[used_rows],
        rows.state[used_rows],
        len(rows.vocabulary["state"]),
        geography,
    )
    # If no row has a zip code, a place without listings stands in, and everything is far from it.
    with_listings = np.flatnonzero(sums.count) if len(placed_rows) else geography.spread[:1]
    if encoded_zips is None:
        encoded_zips = np.arange(len(geography.codes))
    else:
        encoded_zips = np.union1d(np.concatenate([with_listings, extra_zips]), encoded_zips)
    closest = np.full(len(geography.codes), NOTHING)
    apart = np.full(len(geography.codes), np.nan)
    closest[encoded_zips], apart[encoded_zips] = _nearest_of(geography, with_listings, encoded_zips)
    # Zip codes with listings come first. Some zip codes share a location with one of those.
    areas = np.concatenate([with_listings, extra_zips[apart[extra_zips] > 0]])
    near, km = neighbours(geography, with_listings, areas)
    if not len(placed_rows):
        apart = np.full_like(apart, _FARTHEST_KM)
    around = fit_local_regressions(sums, closest[areas], near, km, np.zeros(near.shape, dtype=bool))
    area_of = np.full(len(geography.codes), NOTHING)
    area_of[areas] = np.arange(len(areas))
    area = area_of[rows.zips[placed_rows]]
    residual = rows.log_price[placed_rows, None] - np.einsum(
        "nt,nst->ns", rows.terms[placed_rows], around.coefficients[area]
    )
    premium, count = _category(area, len(areas), residual[:, _WIDE], _PULL["zip"])
    deviations = np.abs(residual[:, _NARROW])
    usual = deviations.mean() if len(deviations) else 0.0
    spread, _ = _category(area, len(areas), deviations - usual, _PULL["spread"])
    nearest, _ = _nearest_of(geography, areas, encoded_zips)
    near_area = np.full(len(geography.codes), NOTHING, dtype=np.int32)
    near_area[encoded_zips] = area_of[nearest]
    states = sums.states - sums.nation
    places = Places(
        zips=geography.codes[areas].astype(np.int32),
        codes=geography.codes.astype(np.int32),
        near=near_area,
        distance=np.log1p(apart).astype(np.float32),
        around=geography.around,
        coefficients=(around.coefficients - sums.nation).astype(np.float16),
        nation=np.round(sums.nation, _DIGITS),
        states=states.astype(np.float32),
        state=sums.state[closest[areas]].astype(np.int32),
        count=count,
        premium=premium,
        spread=spread,
    )
    cities, city_area = _cities(rows, placed_rows, area, residual[:, _MIDDLE])
    brokers = _category(
        rows.broker[placed_rows],
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
        comparables=_comparables(rows, placed_rows, area, residual[:, _MIDDLE], around, area_of),
        unstated=UNSTATED,
    )
    return EncoderFit(encoders, sums, with_listings)


def _nearest_of(geography: Geography, known: Array, at: Array) -> tuple[Array, Array]:
    """For each of ``at`` [n] the nearest zip code of ``known``, and the distance (km)."""
    near, km = neighbours(geography, known, at, 1)
    return near[:, 0], km[:, 0]


def _category(codes: Array, size: int, values: Array, pull: float) -> tuple[Array, Array]:
    """The mean of ``values`` in each category, shrunk towards 0, and log1p of its row count."""
    has = codes >= 0
    total = np.bincount(codes[has], weights=values[has], minlength=size)
    count = np.bincount(codes[has], minlength=size)
    mean = np.round(total / (count + pull), _DIGITS)
    return mean.astype(np.float32), np.log1p(count).astype(np.float32)


def _cities(rows: Rows, placed_rows: Array, area: Array, residual: Array) -> tuple[Category, Array]:
    """The cities, and for each one the area of most of its listings (-1: none)."""
    city = rows.city[placed_rows]
    premium, count = _category(city, len(rows.vocabulary["city"]), residual, _PULL["city"])
    main = np.full(len(premium), NOTHING, dtype=np.int32)
    has = city >= 0
    pairs, number = np.unique(np.column_stack([city[has], area[has]]), axis=0, return_counts=True)
    # The largest count comes last and overwrites the others.
    order = np.argsort(number, kind="stable")
    main[pairs[order, 0]] = pairs[order, 1]
    return Category(rows.vocabulary["city"], premium, count), main


def _comparables(
    rows: Rows,
    placed_rows: Array,
    area: Array,
    residual: Array,
    around: Surroundings,
    area_of: Array,
) -> Comparables:
    order = np.argsort(area, kind="stable")
    sizes = np.bincount(area, minlength=len(around.near))
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Rows are sorted by a hash, so the first ones are a random sample.
    kept = order[within < KEPT]
    start = np.concatenate([[0], np.cumsum(np.minimum(sizes, KEPT))])
    known, premium = placed_rows[kept], residual[kept]
    if not len(known):  # a listing in no area: look-ups need one, and give it no weight
        known, premium = np.zeros(1, dtype=np.intp), np.zeros(1)
    return Comparables(
        start=start.astype(np.int32),
        areas=np.where(around.near >= 0, area_of[around.near], NOTHING).astype(np.int32),
        km=around.km.astype(np.float32),
        traits=rows.traits[known],
        premium=premium.astype(np.float32),
        log_price=rows.log_price[known].astype(np.float32),
        given=rows.given[known],
    )


def encoders_without(
    fit: EncoderFit, geography: Geography, zips: Array, state: Array, together: Array
) -> tuple[Encoders, Array, Array]:
    """Encoders with additional areas, in which some states or the zip code itself is left out.

    For each of ``zips`` [n], its ``state`` [n] and all states ``together`` [states, states] with it
    are left out of the surroundings; if the state is -1, only the zip code itself.

    Returns the encoders, and for each of ``zips`` its area [n] there and log1p of the distance [n].
    """
    distinct, which = np.unique(np.column_stack([zips, state]), axis=0, return_inverse=True)
    apart = np.full(len(distinct), np.nan)
    left_out: list[_LeftOutAreas] = []
    nearest: list[_Nearest] = []
    for code in np.unique(distinct[:, 1]):
        members = np.flatnonzero(distinct[:, 1] == code)
        allowed = fit.zips_with_listings
        if code != NOTHING:
            states = fit.sums.state[allowed]
            allowed = allowed[(states < 0) | ~together[code][states]]
        if len(allowed) < 2:
            continue
        near, km = neighbours(geography, allowed, distinct[members, 0])
        excluded = (near == distinct[members, 0][:, None]) & (code == NOTHING)
        first = np.arange(len(members)), excluded[:, 0].astype(np.intp)
        apart[members] = km[first]
        nearest.append(_Nearest(members, near[first], near, km, excluded))
        # One call for many small states, since each has a cost; few rows at once, since each zip
        # code has many neighbours.
        if sum(len(each.rows) for each in nearest) >= PLACES_AT_ONCE:
            left_out.append(_left_out_areas(fit, nearest))
            nearest = []
    if nearest:
        left_out.append(_left_out_areas(fit, nearest))
    encoders, first_area = _with_areas(fit, left_out)
    area = np.full(len(distinct), NOTHING, dtype=np.int64)
    placed = np.concatenate([areas.rows for areas in left_out] or [np.empty(0, dtype=np.int64)])
    area[placed] = first_area + np.arange(len(placed))
    return encoders, area[which.ravel()], np.log1p(apart)[which.ravel()]


class _Nearest(NamedTuple):
    """The nearest zip codes of some of the requested, as ``fit_local_regressions`` takes them."""

    rows: Array
    closest: Array
    near: Array
    km: Array
    excluded: Array


def _left_out_areas(fit: EncoderFit, nearest: list[_Nearest]) -> _LeftOutAreas:
    """The local regressions around zip codes that may have different numbers of neighbours."""
    widest = max(each.near.shape[1] for each in nearest)

    def joined(arrays: list[Array], **padding: Any) -> Array:
        return np.concatenate(
            [np.pad(array, ((0, 0), (0, widest - array.shape[1])), **padding) for array in arrays]
        )

    closest = np.concatenate([each.closest for each in nearest])
    # The last neighbour again, but excluded: it changes neither the bandwidths nor the sums.
    around = fit_local_regressions(
        fit.sums,
        closest,
        joined([each.near for each in nearest], mode="edge"),
        joined([each.km for each in nearest], mode="edge"),
        joined([each.excluded for each in nearest], constant_values=True),
    )
    rows = np.concatenate([each.rows for each in nearest])
    return _LeftOutAreas(rows, fit.sums.state[closest], around)


class _LeftOutAreas(NamedTuple):
    """Areas with something left out: their rows among the requested, states and surroundings."""

    rows: Array
    state: Array
    around: Surroundings


def _with_areas(fit: EncoderFit, left_out: list[_LeftOutAreas]) -> tuple[Encoders, int]:
    """The encoders with areas appended, and the number of the first appended area."""
    encoders = fit.encoders
    places, comparables = encoders.places, encoders.comparables
    if not left_out:
        return encoders, len(places.zips)
    area_of = np.full(len(fit.sums.count), NOTHING)
    area_of[fit.zips_with_listings] = np.arange(len(fit.zips_with_listings))
    near = np.concatenate([areas.around.near for areas in left_out])
    coefficients = (
        np.concatenate([areas.around.coefficients for areas in left_out]) - fit.sums.nation
    )
    blank = np.zeros(len(near), dtype=np.float32)
    return replace(
        encoders,
        places=replace(
            places,
            coefficients=np.concatenate([places.coefficients, coefficients.astype(np.float16)]),
            state=np.concatenate([places.state, *(areas.state for areas in left_out)]),
            count=np.concatenate([places.count, blank]),
            premium=np.concatenate([places.premium, blank]),
            spread=np.concatenate([places.spread, blank]),
        ),
        comparables=replace(
            comparables,
            areas=np.concatenate([comparables.areas, np.where(near >= 0, area_of[near], NOTHING)]),
            km=np.concatenate(
                [comparables.km, *(areas.around.km.astype(np.float32) for areas in left_out)]
            ),
        ),
    ), len(places.zips)
