"""Local regressions: the log price as a function of a listing's numbers, by place and scale.

For each place, the log price is regressed on the terms of ``tasador.model.features`` over the
nearest 1000, 200, 50 and 15 listings, weighted by distance (bisquare). Each regression is shrunk
towards the next wider one, the widest towards its state's, and that towards the nation's. This is
geographically weighted regression (Fotheringham, Brunsdon and Charlton, 2002) with an adaptive
bandwidth and hierarchical shrinkage. All of it is computed from sums per zip code, so a million
listings cost little more than a thousand zip codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array
from tasador.model.candidates import AREAS
from tasador.model.features import SCALES, TERMS
from tasador.training.geography import Geography

WIDTH = len(TERMS)
# X'X is symmetric, so only its upper triangle is stored.
_UPPER = np.triu_indices(WIDTH)
_WHOLE = np.empty((WIDTH, WIDTH), dtype=np.intp)
_WHOLE[_UPPER] = _WHOLE.T[_UPPER] = np.arange(len(_UPPER[0]))
_DIAGONAL = np.arange(WIDTH)
# The weight of the wider regression in each narrower one, in listings.
_PULL = {"state": 60.0, 1000: 30.0, 200: 20.0, 50: 12.0, 15: 6.0}
# Slopes that are never negative: more of a home is not cheaper. Where data says otherwise, what a
# larger lot has in common is its remote place. The others are fitted as if that slope were 0.
_RISING = [
    [term.name for term in TERMS].index(name) for name in ("log_house_size", "log_bath", "log_lot")
]
# The weight of 0, in listings, that keeps a slope there.
_FIXED = 1e9
# The most zip codes in one regression; sparse areas get fewer listings than the scale.
_REACH = 192
_ROWS_AT_ONCE = 100_000
PLACES_AT_ONCE = 2_048
# The least bandwidth (km): all listings of a zip code are at its centre.
_LEAST_KM = 1.0

NOTHING = -1


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the listings of each zip code [zip codes, ...]: X'X (packed) and X'y, weighted, and
    their count.

    ``state`` [zip codes] is the state of most of them. ``nation`` [WIDTH] is the regression over
    all listings, ``states`` [states, WIDTH] over each state (the nation's if a state has none).
    """

    gram: Array
    cross: Array
    count: Array
    state: Array
    nation: Array
    states: Array


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings of places [n].

    ``coefficients`` [n, len(SCALES), WIDTH] of the local regressions; ``near`` and ``km`` [n,
    AREAS] of the nearest zip codes with listings, -1 if there are no more.
    """

    coefficients: Array
    near: Array
    km: Array


def sum_listings(
    terms: Array,
    log_price: Array,
    weight: Array,
    zips: Array,
    state: Array,
    states: int,
    geography: Geography,
) -> Sums:
    """Sum up listings with ``terms`` [n, WIDTH], ``log_price`` [n] and ``weight`` [n].

    ``zips`` [n] are positions in the geography (-1: unknown), ``state`` [n] codes below ``states``.
    """
    from scipy import sparse

    places = len(geography.codes)
    gram = np.zeros((places, len(_UPPER[0])))
    cross = np.zeros((places, WIDTH))
    state_gram = np.zeros((states, len(_UPPER[0])))
    state_cross = np.zeros((states, WIDTH))
    total_gram, total_cross = np.zeros((WIDTH, WIDTH)), np.zeros(WIDTH)
    for begin in range(0, len(terms), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        root = np.sqrt(weight[rows])
        part = terms[rows] * root[:, None]
        priced = part * (log_price[rows] * root)[:, None]
        total_gram += part.T @ part
        total_cross += priced.sum(axis=0)
        for keys, grams, crosses in (
            (zips[rows], gram, cross),
            (state[rows], state_gram, state_cross),
        ):
            known = np.flatnonzero(keys >= 0)
            # Most zip codes of the country have no listing.
            present, owner_of = np.unique(keys[known], return_inverse=True)
            owner = sparse.csr_matrix(
                (np.ones(len(known)), (owner_of, known)), shape=(len(present), len(part))
            )
            crosses[present] += owner @ priced
            # By row of X'X: the products of all terms would be a quarter of a GB.
            for term in range(WIDTH):
                packed = slice(_WHOLE[term, term], _WHOLE[term, -1] + 1)
                grams[present, packed] += owner @ (part[:, term, None] * part[:, term:])
    nation = np.linalg.solve(total_gram + 1e-3 * np.eye(WIDTH), total_cross)
    return Sums(
        gram=gram,
        cross=cross,
        count=np.bincount(zips[zips >= 0], minlength=places),
        state=_most_common(zips, state, places),
        nation=nation,
        states=_solve(state_gram, state_cross, _PULL["state"], np.tile(nation, (states, 1))),
    )


def fit_local_regressions(
    sums: Sums, at: Array, near: Array, km: Array, excluded: Array
) -> Surroundings:
    """Fit the local regressions of places [n] in the states of the zip codes ``at`` [n].

    ``near`` and ``km`` [n, reach] are the nearest zip codes with listings, closest first, and their
    distances. Zip codes with ``excluded`` [n, reach] are treated as if they had no listings. Zip
    codes are positions in the geography.
    """
    from scipy import sparse

    coefficients = np.empty((len(at), len(SCALES), WIDTH))
    for begin in range(0, len(at), PLACES_AT_ONCE):
        rows = slice(begin, begin + PLACES_AT_ONCE)
        around, apart, left_out = near[rows], km[rows], excluded[rows]
        count = np.where(left_out, 0, sums.count[around])
        reached = np.cumsum(count, axis=1)
        state = sums.state[at[rows]]
        # The last row is for zip codes without a state.
        wider = np.vstack([sums.states, sums.nation])[state]
        for place, scale in enumerate(SCALES):
            last = np.minimum((reached < scale).sum(axis=1), around.shape[1] - 1)
            # Slightly wider than the last zip code, so that its weight is above zero.
            width = np.maximum(1.05 * apart[np.arange(len(last)), last], _LEAST_KM)[:, None]
            weight = np.clip(1 - (apart / width) ** 2, 0, None) ** 2
            weight[left_out] = 0.0
            near_enough = weight > 0
            begins = np.append(0, np.cumsum(np.count_nonzero(near_enough, axis=1)))
            weights = sparse.csr_matrix(
                (weight[near_enough], around[near_enough], begins),
                shape=(len(around), len(sums.count)),
            )
            wider = _solve(weights @ sums.gram, weights @ sums.cross, _PULL[scale], wider)
            coefficients[rows, place] = wider
    return Surroundings(coefficients, *_first(near, km, excluded))


def _first(near: Array, km: Array, excluded: Array) -> tuple[Array, Array]:
    """The first AREAS zip codes that are not excluded."""
    order = np.argsort(excluded, axis=1, kind="stable")[:, :AREAS]
    dropped = np.take_along_axis(excluded, order, axis=1)
    first = np.where(dropped, NOTHING, np.take_along_axis(near, order, axis=1))
    apart = np.where(dropped, 0.0, np.take_along_axis(km, order, axis=1))
    if first.shape[1] < AREAS:
        wide = ((0, 0), (0, AREAS - first.shape[1]))
        first, apart = np.pad(first, wide, constant_values=NOTHING), np.pad(apart, wide)
    return first, apart


def neighbours(
    geography: Geography, known: Array, at: Array, reach: int = _REACH
) -> tuple[Array, Array]:
    """The ``reach`` zip codes of ``known`` nearest to each of ``at``, and the distances (km)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(geography.points[known])
    apart, indices = tree.query(geography.points[at], k=list(range(1, min(reach, len(known)) + 1)))
    return known[indices], apart


def _solve(gram: Array, cross: Array, pull: float, towards: Array) -> Array:
    """Ridge regressions [n, WIDTH] of X'X (packed) and X'y, shrunk towards ``towards``.

    ``pull`` is the weight of ``towards`` in listings. No slope of _RISING is below 0.
    """
    gram, cross = np.asarray(gram)[:, _WHOLE], np.asarray(cross)
    ridge = np.full(towards.shape, pull)
    found = _ridge(gram, cross, ridge, towards)
    falling = found[:, _RISING] < 0
    rows = np.flatnonzero(falling.any(axis=1))
    if len(rows):
        fixed = np.zeros((len(rows), WIDTH), dtype=bool)
        fixed[:, _RISING] = falling[rows]
        at_zero = np.where(fixed, 0.0, towards[rows])
        ridge = np.where(fixed, _FIXED, pull)
        found[rows] = _ridge(gram[rows], cross[rows], ridge, at_zero)
        found[:, _RISING] = np.maximum(found[:, _RISING], 0.0)
    return found


def _ridge(gram: Array, cross: Array, ridge: Array, towards: Array) -> Array:
    penalised = gram.copy()
    penalised[:, _DIAGONAL, _DIAGONAL] += ridge
    return np.linalg.solve(penalised, (cross + ridge * towards)[:, :, None])[:, :, 0]


def _most_common(zips: Array, state: Array, places: int) -> Array:
    """The state of most listings of each zip code; -1 if there are none."""
    both = (zips >= 0) & (state >= 0)
    states = np.full(places, NOTHING, dtype=np.int64)
    pairs, number = np.unique(
        np.column_stack([zips[both], state[both]]), axis=0, return_counts=True
    )
    # The largest count comes last and overwrites the others.
    order = np.argsort(number, kind="stable")
    states[pairs[order, 0]] = pairs[order, 1]
    return states
