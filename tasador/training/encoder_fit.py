"""Fitting encoders on training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array
from tasador.model.blend import ONE_REGRESSION
from tasador.model.candidates import KEPT
from tasador.model.categories import Category
from tasador.model.comparables import Comparables
from tasador.model.encoders import Encoders
from tasador.model.features import BASE_SCALE, PREMIUM_SCALE, SCALES
from tasador.model.own_features import UNSTATED
from tasador.model.places import Places
from tasador.training.expected_errors import weights
from tasador.training.geography import Geography
from tasador.training.local_regressions import (
    NOTHING,
    Sums,
    Surroundings,
    fit_local_regressions,
    neighbours,
    sum_listings,
)
from tasador.training.rows import Rows
from tasador.training.support_fit import Extremes, extremes_of, fit_support, ranges_around

_DIGITS = 6
# The coefficients of a row's place take some half a KB.
ROWS_AT_ONCE = 100_000
_FARTHEST_KM = 20_000.0  # half of the way around the earth
# The weight of the prior "no premium" in the mean of a category, in listings.
_PULL = {"zip": 4.0, "city": 6.0, "broker": 4.0, "spread": 6.0}
# The scale of the residuals behind each premium: wide for zip codes, narrower for city and broker.
_WIDE, _MIDDLE, _NARROW = (SCALES.index(scale) for scale in (1000, PREMIUM_SCALE, BASE_SCALE))


@dataclass(frozen=True, slots=True)
class EncoderFit:
    """Encoders fitted on some rows, and the data for refitting them with some places left out.

    ``weight`` [n] is how much each row counts, whether it was fitted on or not.
    ``zips_with_listings`` are positions in the geography.
    """

    encoders: Encoders
    weight: Array
    sums: Sums
    extremes: Extremes
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
    weight = weights(rows, used, geography)
    sums = sum_listings(
        rows.terms[used_rows],
        rows.log_price[used_rows],
        weight[used_rows],
        rows.zips[used_rows],
        rows.state[used_rows],
        len(rows.vocabulary["state"]),
        geography,
    )
    extremes = extremes_of(
        rows.scaled[used_rows],
        rows.zips[used_rows],
        rows.state[used_rows],
        len(geography.codes),
        len(rows.vocabulary["state"]),
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
    residual = np.empty((len(placed_rows), len(SCALES)))
    for begin in range(0, len(placed_rows), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        priced = placed_rows[part]
        residual[part] = rows.log_price[priced, None] - np.einsum(
            "nt,nst->ns", rows.terms[priced], around.coefficients[area[part]]
        )
    counts = weight[placed_rows]
    premium, count = _category(area, len(areas), residual[:, _WIDE], counts, _PULL["zip"])
    deviations = np.abs(residual[:, _NARROW])
    usual = np.average(deviations, weights=counts) if len(deviations) else 0.0
    spread, _ = _category(area, len(areas), deviations - usual, counts, _PULL["spread"])
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
        coordinates=geography.degrees[areas].astype(np.float32),
        home_value=geography.home_value,
    )
    cities, city_area = _cities(rows, placed_rows, area, residual[:, _MIDDLE], counts)
    brokers = _category(
        rows.broker[placed_rows],
        len(rows.vocabulary["broker"]),
        residual[:, _MIDDLE],
        counts,
        _PULL["broker"],
    )
    ranges = ranges_around(extremes, around.near, places.state)
    encoders = Encoders(
        ranges=rows.ranges,
        means=rows.means,
        places=places,
        state_index=rows.vocabulary["state"],
        cities=cities,
        city_area=city_area,
        brokers=Category(rows.vocabulary["broker"], *brokers),
        comparables=_comparables(rows, placed_rows, area, residual[:, _MIDDLE], around, area_of),
        blend=ONE_REGRESSION,  # until the features of the rows are known
        support=fit_support(extremes, ranges, rows.scaled[used_rows]),
        unstated=UNSTATED,
    )
    return EncoderFit(encoders, weight, sums, extremes, with_listings)


def _nearest_of(geography: Geography, known: Array, at: Array) -> tuple[Array, Array]:
    """For each of ``at`` [n] the nearest zip code of ``known``, and the distance (km)."""
    near, km = neighbours(geography, known, at, 1)
    return near[:, 0], km[:, 0]


def _category(
    codes: Array, size: int, values: Array, weight: Array, pull: float
) -> tuple[Array, Array]:
    """The weighted mean of ``values`` in each category, shrunk towards 0, and log1p of its row
    count."""
    has = codes >= 0
    total = np.bincount(codes[has], weights=(values * weight)[has], minlength=size)
    weights = np.bincount(codes[has], weights=weight[has], minlength=size)
    count = np.bincount(codes[has], minlength=size)
    mean = np.round(total / (weights + pull), _DIGITS)
    return mean.astype(np.float32), np.log1p(count).astype(np.float32)


def _cities(
    rows: Rows, placed_rows: Array, area: Array, residual: Array, weight: Array
) -> tuple[Category, Array]:
    """The cities, and for each one the area of most of its listings (-1: none)."""
    city = rows.city[placed_rows]
    premium, count = _category(city, len(rows.vocabulary["city"]), residual, weight, _PULL["city"])
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
