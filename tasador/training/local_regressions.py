"""Local regressions: what a listing's numbers are worth in its place, at several scales.

For a place, the log price is regressed on the terms of ``tasador.model.features`` over the nearest
1000,
200, 50 and 15 listings, each weighed by its distance (bisquare), and each regression pulled towards
the wider one, the widest towards its state's, and that towards the nation's: geographically
weighted regression (Fotheringham, Brunsdon and Charlton, 2002) with an adaptive bandwidth, shrunk
as a hierarchical model would. Everything is made of the sums that a zip code's listings leave, so
that a million listings cost little more than a thousand zip codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array
from tasador.model.candidates import AREAS
from tasador.model.features import SCALES, TERMS
from tasador.training.geography import Geography

WIDTH = len(TERMS)
# X'X is symmetric: its upper triangle is all that is kept.
_UPPER = np.triu_indices(WIDTH)
_WHOLE = np.empty((WIDTH, WIDTH), dtype=np.intp)
_WHOLE[_UPPER] = _WHOLE.T[_UPPER] = np.arange(len(_UPPER[0]))
# How many listings' worth the wider regression counts in each narrower one.
_PULL = {"state": 60.0, 1000: 30.0, 200: 20.0, 50: 12.0, 15: 6.0}
# The most zip codes that a regression reaches for; where listings are thin it stays narrower.
_REACH = 192
_ROWS_AT_ONCE = 100_000
_PLACES_AT_ONCE = 2_048
# At least this bandwidth (km): a zip code's own listings are all at its centre.
_LEAST_KM = 1.0

NOTHING = -1


@dataclass(frozen=True, slots=True)
class Sums:
    """What the listings of each zip code leave [zip codes, ...]: X'X (packed), X'y, their number.

    ``state`` [zip codes] is the state that most of them are in. ``nation`` [WIDTH] is the
    regression of all, ``states`` [states, WIDTH] of each state (the nation's where it has none).
    """

    gram: Array
    cross: Array
    count: Array
    state: Array
    nation: Array
    states: Array


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around places [n]: their ``coefficients`` [n, len(SCALES), WIDTH], and the nearest
    zip codes with listings (``near``, ``km`` [n, AREAS]; -1 where there are no more)."""

    coefficients: Array
    near: Array
    km: Array


def sum_up(
    terms: Array, log_price: Array, zips: Array, state: Array, states: int, geography: Geography
) -> Sums:
    """The sums of listings with ``terms`` [n, WIDTH] at positions ``zips`` [n] (-1: nowhere), in
    ``state`` [n] of so many ``states``, of which some may have none."""
    from scipy import sparse

    places = len(geography.codes)
    gram = np.zeros((places, len(_UPPER[0])))
    cross = np.zeros((places, WIDTH))
    state_gram = np.zeros((states, len(_UPPER[0])))
    state_cross = np.zeros((states, WIDTH))
    total_gram, total_cross = np.zeros((WIDTH, WIDTH)), np.zeros(WIDTH)
    for begin in range(0, len(terms), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        part, priced = terms[rows], terms[rows] * log_price[rows, None]
        outer = part[:, _UPPER[0]] * part[:, _UPPER[1]]
        total_gram += part.T @ part
        total_cross += priced.sum(axis=0)
        for keys, size, grams, crosses in (
            (zips[rows], places, gram, cross),
            (state[rows], states, state_gram, state_cross),
        ):
            known = np.flatnonzero(keys >= 0)
            owner = sparse.csr_matrix(
                (np.ones(len(known)), (keys[known], known)), shape=(size, len(part))
            )
            grams += owner @ outer
            crosses += owner @ priced
    nation = np.linalg.solve(total_gram + 1e-3 * np.eye(WIDTH), total_cross)
    return Sums(
        gram=gram,
        cross=cross,
        count=np.bincount(zips[zips >= 0], minlength=places),
        state=_most_common(zips, state, places),
        nation=nation,
        states=_solve(state_gram, state_cross, _PULL["state"], np.tile(nation, (states, 1))),
    )


def survey(sums: Sums, at: Array, near: Array, km: Array, excluded: Array) -> Surroundings:
    """The surroundings of places [n], of the states of the zip codes ``at`` [n] (positions in the
    geography).

    ``near`` and ``km`` [n, reach] are the positions of the nearest zip codes with listings, in
    order; those of which ``excluded`` [n, reach] is true are left out, as if they had none.
    """
    from scipy import sparse

    coefficients = np.empty((len(at), len(SCALES), WIDTH))
    for begin in range(0, len(at), _PLACES_AT_ONCE):
        rows = slice(begin, begin + _PLACES_AT_ONCE)
        around, apart, left_out = near[rows], km[rows], excluded[rows]
        count = np.where(left_out, 0, sums.count[around])
        reached = np.cumsum(count, axis=1)
        state = sums.state[at[rows]]
        # The last row stands for no state.
        wider = np.vstack([sums.states, sums.nation])[state]
        for place, scale in enumerate(SCALES):
            last = np.minimum((reached < scale).sum(axis=1), around.shape[1] - 1)
            # Somewhat wider than the last one needed, so that it counts for something itself.
            width = np.maximum(1.05 * apart[np.arange(len(last)), last], _LEAST_KM)[:, None]
            weight = np.clip(1 - (apart / width) ** 2, 0, None) ** 2
            weight[left_out] = 0.0
            of_row, of_place = np.nonzero(weight)
            weights = sparse.csr_matrix(
                (weight[of_row, of_place], (of_row, around[of_row, of_place])),
                shape=(len(around), len(sums.count)),
            )
            wider = _solve(weights @ sums.gram, weights @ sums.cross, _PULL[scale], wider)
            coefficients[rows, place] = wider
    return Surroundings(coefficients, *_first(near, km, excluded))


def _first(near: Array, km: Array, excluded: Array) -> tuple[Array, Array]:
    """The first AREAS that are not excluded."""
    order = np.argsort(excluded, axis=1, kind="stable")[:, :AREAS]
    gone = np.take_along_axis(excluded, order, axis=1)
    first = np.where(gone, NOTHING, np.take_along_axis(near, order, axis=1))
    apart = np.where(gone, 0.0, np.take_along_axis(km, order, axis=1))
    if first.shape[1] < AREAS:
        wide = ((0, 0), (0, AREAS - first.shape[1]))
        first, apart = np.pad(first, wide, constant_values=NOTHING), np.pad(apart, wide)
    return first, apart


def neighbours(
    geography: Geography, known: Array, at: Array, reach: int = _REACH
) -> tuple[Array, Array]:
    """The ``reach`` nearest of the ``known`` zip codes to each of ``at``, and how far (km)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(geography.points[known])
    apart, found = tree.query(geography.points[at], k=list(range(1, min(reach, len(known)) + 1)))
    return known[found], apart


def _solve(gram: Array, cross: Array, pull: float, towards: Array) -> Array:
    """Ridge regressions [n, WIDTH] of X'X (packed) and X'y that lean on ``towards`` as if on
    ``pull`` listings more."""
    lean = pull * np.eye(WIDTH)
    return np.linalg.solve(
        np.asarray(gram)[:, _WHOLE] + lean,
        (np.asarray(cross) + pull * towards)[:, :, None],
    )[:, :, 0]


def _most_common(zips: Array, state: Array, places: int) -> Array:
    """The state that most listings of each zip code are in; -1 where there are none."""
    both = (zips >= 0) & (state >= 0)
    found = np.full(places, NOTHING, dtype=np.int64)
    pairs, number = np.unique(
        np.column_stack([zips[both], state[both]]), axis=0, return_counts=True
    )
    # The largest number comes last, and so it stays.
    order = np.argsort(number, kind="stable")
    found[pairs[order, 0]] = pairs[order, 1]
    return found
