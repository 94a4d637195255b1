"""Out-of-fold features of training rows, with masked views, and the encoders of all rows.

The features of a training row come from encoders fitted on the other folds, so that neither the row
nor another listing of the same property contributes to its own features. Each row is encoded once
as it is, and VIEWS times with its place or broker masked. Most often the whole state is masked: all
listings of that state and of a quarter of the other states are then left out of its surroundings,
as for a state that training does not cover.
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
from tasador.training.encoder_fit import EncoderFit, fit_encoders
from tasador.training.geography import Geography, load_geography
from tasador.training.local_regressions import NOTHING
from tasador.training.masked_areas import encoders_without
from tasador.training.rows import Rows, prepare_rows

# The number of masked views of each row, each with a different random mask.
VIEWS = 2
# Each takes some 6 KB while it is encoded.
ROWS_AT_ONCE = 25_000
# The number of groups of states that are masked together.
_GROUPS = 4


class Sample(NamedTuple):
    """Feature matrices of training rows.

    ``matrix`` [n, len(FEATURES)] of the rows as they are; ``masked``, one such matrix per view.
    ``weight`` [n] is how much each row counts.
    """

    matrix: Array
    masked: tuple[Array, ...]
    weight: Array

    def take(self, rows: Array) -> Sample:
        """The sample of the given rows."""
        masked = tuple(view[rows] for view in self.masked)
        return Sample(self.matrix[rows], masked, self.weight[rows])


class Hidden(NamedTuple):
    """What a masked view hides of each row, bool [n] each.

    ``state``: the whole state is unknown to training, with a quarter of the other states, because
    new states often arrive together. ``zip_code``: the zip code is unknown to training. ``no_zip``,
    ``no_city``, ``nowhere``: the zip code, also the city, or all of the place is missing.
    """

    state: Array
    zip_code: Array
    no_zip: Array
    no_city: Array
    nowhere: Array
    broker: Array

    def take(self, rows: Array) -> Hidden:
        """The masks of the given rows."""
        return Hidden(*(values[rows] for values in self))


def fit_out_of_fold(
    columns: Columns,
    folds: Array,
    seed: int,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Encoders, Sample]:
    """Encoders of all rows, and the rows' features, each fold encoded by the others.

    ``folds`` [n] is the fold of each row; rows of one property must share a fold.
    """
    rows = prepare_rows(columns)
    sample = _encode_out_of_fold(rows, folds, seed, progress)
    if progress is not None:
        folds_done = len(np.unique(folds))
        progress(folds_done / (folds_done + 1), "all rows")
    return fit_all_rows(rows), sample


def encode_out_of_fold(columns: Columns, folds: Array, seed: int) -> Sample:
    """The features that ``fit_out_of_fold`` gives, without the encoders of all rows."""
    return _encode_out_of_fold(prepare_rows(columns), folds, seed, None)


def _encode_out_of_fold(
    rows: Rows, folds: Array, seed: int, progress: Callable[[float, str], None] | None
) -> Sample:
    geography = load_geography()
    hidden = [draw_hidden(len(folds), seed, view) for view in range(VIEWS)]
    shape = (len(folds), len(FEATURES))
    matrix, *masked = (np.empty(shape, dtype=np.float32) for _ in range(1 + VIEWS))
    weight = np.empty(len(folds))
    row_zips = np.unique(rows.zips[rows.zips >= 0])
    numbers = np.unique(folds)
    for done, number in enumerate(numbers):
        if progress is not None:
            progress(done / (len(numbers) + 1), f"fold {done + 1} of {len(numbers)}")
        inside = np.flatnonzero(folds == number)
        fit = fit_encoders(rows, folds != number, geography, row_zips, row_zips)
        weight[inside] = fit.weight[inside]
        matrix[inside] = _encode(fit, rows, inside, geography)
        for view, (into, masks) in enumerate(zip(masked, hidden, strict=True)):
            together = _hidden_together(len(rows.vocabulary["state"]), seed + int(number), view)
            into[inside] = _encode(fit, rows, inside, geography, masks.take(inside), together)
    return Sample(matrix, tuple(masked), weight)


def fit_all_rows(rows: Rows) -> Encoders:
    """Encoders fitted on all rows; they cover places all over the country."""
    geography = load_geography()
    all_rows = np.ones(len(rows.log_price), dtype=bool)
    return fit_encoders(rows, all_rows, geography, geography.spread).encoders


def draw_hidden(rows: int, seed: int, view: int) -> Hidden:
    """Draw what a view masks of each row: the whole state in seventeen of twenty rows."""
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
    """Which states are masked together, bool [states, states], the diagonal included."""
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
    """The features [m, len(FEATURES)] of the rows ``inside`` [m], with ``hidden`` masked if given.

    ``together`` says which states are masked together.
    """
    encoders = fit.encoders
    places = encoders.places
    zips, state = rows.zips[inside], rows.state[inside]
    city, broker = rows.city[inside], rows.broker[inside]
    has_zip = zips >= 0
    area = np.where(has_zip, places.near[zips], NOTHING).astype(np.int64)
    distance = np.where(has_zip, places.distance[zips], np.nan)
    # A category without rows outside the fold is unknown, as it would be in serving.
    city = _with_rows(city, encoders.cities.count)
    broker = _with_rows(broker, encoders.brokers.count)
    by_city = ~has_zip if hidden is None else ~has_zip | hidden.no_zip
    city_main = np.full(len(city), NOTHING, dtype=np.int64)
    city_main[city >= 0] = encoders.city_area[city[city >= 0]]
    area = np.where(by_city, city_main, area)
    place = np.where(by_city, NOTHING, zips)
    by_area = by_city & (area >= 0)
    place[by_area] = fit.zips_with_listings[area[by_area]]
    distance = np.where(by_city, np.where(city_main >= 0, 0.0, np.nan), distance)
    own_zip = ~by_city & (distance == 0.0)
    if hidden is not None and together is not None:
        no_place = hidden.no_city | hidden.nowhere
        area, distance = np.where(no_place, NOTHING, area), np.where(no_place, np.nan, distance)
        place = np.where(no_place, NOTHING, place)
        left_out = has_zip & (hidden.state | hidden.zip_code)
        encoders, area[left_out], distance[left_out] = encoders_without(
            fit,
            geography,
            zips[left_out],
            np.where(hidden.state, state, NOTHING)[left_out],
            together,
        )
        city = np.where(no_place | hidden.state | hidden.zip_code, NOTHING, city)
        state = np.where(hidden.state | hidden.nowhere, NOTHING, state)
        state = np.where((state < 0) & (area >= 0), encoders.places.state[area], state)
        broker = np.where(hidden.broker, NOTHING, broker)
        own_zip &= ~no_place & ~left_out
    where = (place, area, state, distance, own_zip)
    matrix = np.empty((len(inside), len(FEATURES)), dtype=np.float32)
    for begin in range(0, len(inside), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        located = Located(*(values[part] for values in where))
        numbers = {name: values[inside[part]] for name, values in rows.numbers.items()}
        leaned = encoders.lean(numbers, located)
        matrix[part] = encoders.matrix(leaned.numbers, located, city[part], broker[part])
    return matrix


def _with_rows(codes: Array, count: Array) -> Array:
    """The codes [n], or NOTHING for categories without rows; there may be no category at all."""
    known = np.flatnonzero(codes >= 0)
    found = np.full(len(codes), NOTHING, dtype=np.int64)
    has_rows = known[count[codes[known]] > 0]
    found[has_rows] = codes[has_rows]
    return found
