"""Learning the encoders of ``tasador.model.encoders`` from priced listings; training alone needs
it.

For training rows everything comes from the other folds, so that no row (nor another listing of the
same property) has a share in its own features. Each row is shown as it is, and VIEWS times as if
something of its place or its broker were unknown, most often its whole state: then all listings of
that state and of a quarter of the others are left out of what surrounds it, as for states that were
never met.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import Columns
from tasador.model.encoders import Encoders
from tasador.model.features import FEATURES
from tasador.model.places import Located
from tasador.training.encoder_fit import EncoderFit, encoders_without, fit_encoders
from tasador.training.geography import Geography, load_geography
from tasador.training.local_regressions import NOTHING
from tasador.training.rows import Rows, prepare_rows

# How often each row is shown with something unknown, each time by another draw.
VIEWS = 2
# Into how many groups the states fall that are hidden together.
_GROUPS = 4


class Sample(NamedTuple):
    """Feature matrices of training rows: as they are ``matrix`` [n, len(FEATURES)], and as if
    something were unknown, ``masked``: one such matrix for each of VIEWS draws."""

    matrix: Array
    masked: tuple[Array, ...]

    def take(self, rows: Array) -> Sample:
        """The sample of some rows."""
        return Sample(self.matrix[rows], tuple(view[rows] for view in self.masked))


class Hidden(NamedTuple):
    """What a further view hides of each row, bool [n] each.

    ``state``: the whole state was never met, and with it a quarter of the others, as where new
    states come together. ``zip_code``: the zip code was never met. ``no_zip``, ``no_city``,
    ``nowhere``: the zip code, the city too, or all of it is missing.
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


def fit_out_of_fold(
    columns: Columns,
    folds: Array,
    seed: int,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Encoders, Sample]:
    """Encoders of all rows, and the rows' features with each fold encoded by the others.

    ``folds`` [n] numbers each row's fold; rows of one property share theirs.
    """
    geography = load_geography()
    rows = prepare_rows(columns)
    hidden = [draw_hidden(len(folds), seed, view) for view in range(VIEWS)]
    shape = (len(folds), len(FEATURES))
    matrix, *masked = (np.empty(shape, dtype=np.float32) for _ in range(1 + VIEWS))
    row_zips = np.unique(rows.zips[rows.zips >= 0])
    numbers = np.unique(folds)
    for done, number in enumerate(numbers):
        if progress is not None:
            progress(done / (len(numbers) + 1), f"fold {done + 1} of {len(numbers)}")
        inside = np.flatnonzero(folds == number)
        fit = fit_encoders(rows, folds != number, geography, row_zips)
        matrix[inside] = _encode(fit, rows, inside, geography)
        for view, (into, gone) in enumerate(zip(masked, hidden, strict=True)):
            together = _hidden_together(len(rows.vocabulary["state"]), seed + int(number), view)
            into[inside] = _encode(fit, rows, inside, geography, gone.take(inside), together)
    if progress is not None:
        progress(len(numbers) / (len(numbers) + 1), "all rows")
    return fit_all_rows(rows), Sample(matrix, tuple(masked))


def fit_all_rows(rows: Rows) -> Encoders:
    """Encoders fitted on all rows; they cover places all over the country."""
    geography = load_geography()
    all_rows = np.ones(len(rows.log_price), dtype=bool)
    return fit_encoders(rows, all_rows, geography, geography.spread).encoders


def draw_hidden(rows: int, seed: int, view: int) -> Hidden:
    """What a view of each row hides: its whole state in seventeen rows of twenty."""
    draw = np.random.default_rng([seed, view])
    kind = draw.random(rows)
    return Hidden(
        state=kind < 0.85,
        zip_code=(kind >= 0.85) & (kind < 0.9),
        no_zip=(kind >= 0.9) & (kind < 0.94),
        no_city=(kind >= 0.94) & (kind < 0.98),
        nowhere=kind >= 0.98,
        broker=draw.random(rows) < 0.5,
    )


def _hidden_together(states: int, seed: int, view: int) -> Array:
    """Which states are hidden with each, itself among them, bool [states, states]; by the seed."""
    group = np.random.default_rng([seed, view]).permutation(states) % _GROUPS
    return np.asarray(group[:, None] == group)


def _encode(
    fit: EncoderFit,
    rows: Rows,
    inside: Array,
    geography: Geography,
    hidden: Hidden | None = None,
    together: Array | None = None,
) -> Array:
    """The features of the rows ``inside`` as they are, or with what is ``hidden`` unknown; a state
    with those ``together`` with it."""
    encoders = fit.encoders
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
    place = np.where(by_city, NOTHING, zips)
    by_area = by_city & (area >= 0)
    place[by_area] = fit.zips_with_listings[area[by_area]]
    distance = np.where(by_city, np.where(city_main >= 0, 0.0, np.nan), distance)
    own_zip = ~by_city & (distance == 0.0)
    if hidden is not None and together is not None:
        nothing = hidden.no_city | hidden.nowhere
        area, distance = np.where(nothing, NOTHING, area), np.where(nothing, np.nan, distance)
        place = np.where(nothing, NOTHING, place)
        left_out = found & (hidden.state | hidden.zip_code)
        encoders, area[left_out], distance[left_out] = encoders_without(
            fit,
            geography,
            zips[left_out],
            np.where(hidden.state, state, NOTHING)[left_out],
            together,
        )
        city = np.where(nothing | hidden.state | hidden.zip_code, NOTHING, city)
        state = np.where(hidden.state | hidden.nowhere, NOTHING, state)
        state = np.where((state < 0) & (area >= 0), encoders.places.state[area], state)
        broker = np.where(hidden.broker, NOTHING, broker)
        own_zip &= ~nothing & ~left_out
    located = Located(place, area, state, distance, own_zip)
    rest = encoders.learned_features(rows.terms[inside], located, city, broker)
    return np.concatenate([rows.own[inside], rest], axis=1).astype(np.float32)
