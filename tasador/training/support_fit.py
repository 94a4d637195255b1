"""Fitting ``tasador.model.support``: the lowest and highest values around places."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.support import BOUNDED_BY_SIZE, PRICE, SUPPORTED, Support

# How many of the nearest listings say what a place has, and what it costs there.
_LISTINGS, _PRICED = 1_000, 200
# Of a state and the nation, this share of the listings at each end says nothing: with so many
# listings some are mistakes.
_TAIL = 0.001
# The log sizes of the bands, and the share of listings outside of each at either end.
_SIZES = 17
_BAND_TAIL = 0.001
# With fewer listings of a size, the next sizes decide.
_LEAST = 50


class Extremes(NamedTuple):
    """The lowest and the highest values by zip code [zip codes, len(SUPPORTED) + 1], inf and -inf
    where there are none; those of states and the nation as in ``Support``; the number of listings
    [zip codes]."""

    lowest: Array
    highest: Array
    listings: Array
    states: Array
    nation: Array


def extremes_of(values: Array, zips: Array, state: Array, places: int, states: int) -> Extremes:
    """The extremes of listings: numbers on the scale of CENTRED and log price in ``values``
    [n, len(SUPPORTED) + 1], their ``zips`` (-1: unknown; below ``places``) and ``state`` codes."""
    lowest = np.full((places, values.shape[1]), np.inf)
    highest = np.full((places, values.shape[1]), -np.inf)
    placed = np.flatnonzero(zips >= 0)
    placed = placed[np.argsort(zips[placed], kind="stable")]
    present, first = np.unique(zips[placed], return_index=True)
    if len(placed):
        sorted_values = values[placed]
        lowest[present] = np.fmin.reduceat(sorted_values, first)
        highest[present] = np.fmax.reduceat(sorted_values, first)
        lowest[np.isnan(lowest)], highest[np.isnan(highest)] = np.inf, -np.inf
    nation = _quantiles(values, np.array([[0.0, 0.0]] * values.shape[1]).T)
    of_states = np.empty((states, 2, values.shape[1]))
    order = np.argsort(state, kind="stable")
    ends = np.searchsorted(state[order], np.arange(states + 1))
    for code in range(states):
        of_states[code] = _quantiles(values[order[ends[code] : ends[code + 1]]], nation)
    count = np.bincount(zips[placed], minlength=places)
    return Extremes(lowest, highest, count, of_states, nation[None])


def _quantiles(values: Array, otherwise: Array) -> Array:
    """The range of each column [2, columns], without the tails; ``otherwise`` without values."""
    ranges = np.array(otherwise, dtype=np.float64)
    for column in range(values.shape[1]):
        given = values[~np.isnan(values[:, column]), column]
        if len(given):
            ranges[:, column] = np.quantile(given, [_TAIL, 1 - _TAIL], method="nearest")
    return ranges


def ranges_around(extremes: Extremes, near: Array, state: Array) -> Array:
    """The ranges [n, 2, len(SUPPORTED) + 1] of the listings in the zip codes ``near`` [n, reach],
    nearest first (-1: none), as many of them as _LISTINGS listings take; _PRICED for the price.

    Where they say nothing of a number, the ``state`` [n] (-1: unknown) does.
    """
    count = np.where(near >= 0, extremes.listings[near], 0)
    before = np.cumsum(count, axis=1) - count
    lowest, highest = extremes.lowest[near], extremes.highest[near]
    for columns, listings in ((slice(0, PRICE), _LISTINGS), (slice(PRICE, None), _PRICED)):
        left_out = (before >= listings) | (near < 0)
        lowest[left_out, columns], highest[left_out, columns] = np.inf, -np.inf
    ranges = np.stack([lowest.min(axis=1), highest.max(axis=1)], axis=1)
    wider = np.concatenate([extremes.states, extremes.nation])[state]
    return np.where(np.isfinite(ranges), ranges, wider).astype(np.float32)


def fit_support(extremes: Extremes, areas: Array, values: Array) -> Support:
    """The support with the ranges ``areas`` (``ranges_around``) and the bands of ``values``."""
    bands, grid = _bands(values)
    return Support(
        areas=areas,
        states=extremes.states.astype(np.float32),
        nation=extremes.nation.astype(np.float32),
        bands=bands.astype(np.float32),
        grid=grid,
    )


def _bands(values: Array) -> tuple[Array, Array]:
    """The bands and the grid of ``Support``; wide open if no listing has a size."""
    size = values[:, SUPPORTED.index("house_size")]
    given = size[~np.isnan(size)]
    start, end = (float(given.min()), float(given.max())) if len(given) else (0.0, 1.0)
    step = max((end - start) / (_SIZES - 1), 1e-3)
    bands = np.empty((len(BOUNDED_BY_SIZE), 2, _SIZES))
    for field, column in enumerate(BOUNDED_BY_SIZE):
        both = ~np.isnan(size) & ~np.isnan(values[:, column])
        sizes, numbers = size[both], values[both, column]
        for place in range(_SIZES):
            around = numbers[np.abs(sizes - (start + place * step)) <= step]
            ends = [math.nan, math.nan]
            if len(around) >= _LEAST:
                ends = np.quantile(around, [_BAND_TAIL, 1 - _BAND_TAIL], method="nearest").tolist()
            bands[field, :, place] = ends
        low, high = bands[field]
        # Never narrower for a larger house at the top, nor for a smaller one at the bottom, so that
        # a larger house of the same rooms does not lean to fewer of them.
        low[:] = np.fmin.accumulate(low[::-1])[::-1]
        high[:] = np.fmax.accumulate(high)
        low[np.isnan(low)] = np.nanmax(low) if np.isfinite(low).any() else -1e6
        high[np.isnan(high)] = np.nanmin(high) if np.isfinite(high).any() else 1e6
    return bands, np.array([start, step])
