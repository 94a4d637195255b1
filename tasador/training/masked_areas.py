"""Encoders as if some states, or a zip code, had no listings: with areas for masked views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.encoders import Encoders
from tasador.model.features import COORDINATES
from tasador.training.encoder_fit import EncoderFit
from tasador.training.geography import Geography
from tasador.training.local_regressions import (
    NOTHING,
    PLACES_AT_ONCE,
    Surroundings,
    fit_local_regressions,
    neighbours,
)
from tasador.training.support_fit import ranges_around


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
    places, comparables, support = encoders.places, encoders.comparables, encoders.support
    # Only bundles of old formats lack them.
    assert places.coordinates is not None
    assert support is not None
    if not left_out:
        return encoders, len(places.zips)
    area_of = np.full(len(fit.sums.count), NOTHING)
    area_of[fit.zips_with_listings] = np.arange(len(fit.zips_with_listings))
    near = np.concatenate([areas.around.near for areas in left_out])
    coefficients = (
        np.concatenate([areas.around.coefficients for areas in left_out]) - fit.sums.nation
    )
    states = np.concatenate([areas.state for areas in left_out])
    blank = np.zeros(len(near), dtype=np.float32)
    nowhere = np.full((len(near), len(COORDINATES)), np.nan, dtype=np.float32)
    ranges = ranges_around(fit.extremes, near, states)
    return encoders._replace(
        support=replace(support, areas=np.concatenate([support.areas, ranges])),
        places=replace(
            places,
            coefficients=np.concatenate([places.coefficients, coefficients.astype(np.float16)]),
            state=np.concatenate([places.state, states]),
            count=np.concatenate([places.count, blank]),
            premium=np.concatenate([places.premium, blank]),
            spread=np.concatenate([places.spread, blank]),
            coordinates=np.concatenate([places.coordinates, nowhere]),
        ),
        comparables=replace(
            comparables,
            areas=np.concatenate([comparables.areas, np.where(near >= 0, area_of[near], NOTHING)]),
            km=np.concatenate(
                [comparables.km, *(areas.around.km.astype(np.float32) for areas in left_out)]
            ),
        ),
    ), len(places.zips)
