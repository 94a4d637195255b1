"""Learning the encoders of ``tasador.features`` from priced listings; training alone needs it.

The price level of a category is its mean, pulled towards its parent's level as if ``STRENGTH`` more
listings had been at that level. For training rows the levels come from the other folds, so that no
row (nor another listing of the same property) has a share in its own features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasador.features import (
    LEVELS,
    MEASURES,
    RANGED,
    Columns,
    Encoders,
    LevelTable,
    assemble,
    keys_of,
    resolve,
    sale_years,
)
from tasador.listing import NUMBERS

Array = np.ndarray[Any, Any]

STRENGTH = {"state": 20.0, "zip3": 20.0, "city": 8.0, "zip_code": 8.0, "brokered_by": 8.0}
# One number in a thousand is moved to the border of the training range.
_TAIL = 0.0005
# A house below this size (square feet) is a typing error; it has no price per square foot.
_LEAST_SIZE = 150.0
_DIGITS = 6


class Sample(NamedTuple):
    """Feature matrices of training rows: as they are, and as if categories were unknown."""

    matrix: Array
    masked: Array

    def take(self, rows: Array) -> Sample:
        """The sample of some rows."""
        return Sample(self.matrix[rows], self.masked[rows])


class _Coded(NamedTuple):
    """Training rows ready for counting: numbers, category codes by level, and three targets."""

    ranges: dict[str, tuple[float, float]]
    numbers: dict[str, Array]
    vocabulary: dict[str, dict[str, int]]
    codes: dict[str, Array]
    targets: Array


def fit_encoders(columns: Columns) -> Encoders:
    """Encoders learned from all rows; ``price`` must be above zero in each."""
    return _encoders(_code(columns))


def fit_out_of_fold(columns: Columns, folds: Array, seed: int) -> tuple[Encoders, Sample]:
    """Encoders of all rows, and the rows' features with each fold encoded by the others.

    ``folds`` [n] numbers each row's fold; rows of one property share theirs.
    """
    coded = _code(columns)
    unknown = draw_unknown(len(folds), seed)
    matrix: Array | None = None
    masked: Array | None = None
    for fold in np.unique(folds):
        inside = folds == fold
        overall, tables = _levels(coded, ~inside)
        numbers = {name: values[inside] for name, values in coded.numbers.items()}
        codes = {level: values[inside] for level, values in coded.codes.items()}
        hidden = {level: np.where(unknown[level][inside], -1, codes[level]) for level in LEVELS}
        part = assemble(numbers, *resolve(codes, tables, overall))
        if matrix is None or masked is None:
            matrix = np.empty((len(folds), part.shape[1]), dtype=np.float32)
            masked = np.empty_like(matrix)
        matrix[inside] = part
        masked[inside] = assemble(numbers, *resolve(hidden, tables, overall))
    assert matrix is not None
    assert masked is not None
    return _encoders(coded), Sample(matrix, masked)


def draw_unknown(rows: int, seed: int) -> dict[str, Array]:
    """Which levels the second view of each row hides, bool [rows] by level.

    Three rows in five lose their whole place, as in a state never met; the others lose zip, city
    or broker at random.
    """
    draw = np.random.default_rng(seed)
    nowhere = draw.random(rows) < 0.6
    hidden = {level: nowhere | (draw.random(rows) < 0.5) for level in ("city", "zip_code")}
    hidden["state"] = nowhere
    hidden["zip3"] = nowhere | (hidden["zip_code"] & (draw.random(rows) < 0.3))
    hidden["brokered_by"] = draw.random(rows) < 0.5
    return hidden


def hide(columns: Columns, names: Sequence[str]) -> Columns:
    """The columns with those of these names missing in every row."""
    nothing = np.full(len(columns["price"]), None, dtype=object)
    return {name: nothing if name in names else values for name, values in columns.items()}


def _code(columns: Columns) -> _Coded:
    index: dict[str, dict[str, int]] = {}
    codes: dict[str, Array] = {}
    for level, keys in keys_of(columns).items():
        # Sorted, so that the order of the rows leaves no trace in the encoders.
        found = sorted({key for key in keys if key is not None})
        index[level] = {key: code for code, key in enumerate(found)}
        codes[level] = np.array(
            [-1 if key is None else index[level][key] for key in keys], dtype=np.int64
        )
    ranges = _ranges(columns)
    numbers = Encoders(ranges, np.zeros(len(MEASURES)), {}).own_numbers(columns)
    return _Coded(ranges, numbers, index, codes, _targets(columns, numbers))


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


def _targets(columns: Columns, numbers: Mapping[str, Array]) -> Array:
    """The three things that a category has a mean of, [n, measures]; NaN where not known."""
    log_price = np.log(columns["price"])
    size = columns["house_size"]
    with np.errstate(invalid="ignore"):
        per_sqft = np.where(
            size >= _LEAST_SIZE, log_price - np.log1p(numbers["house_size"]), np.nan
        )
    return np.column_stack([log_price, per_sqft, log_price - _plain_price(numbers, log_price)])


def _plain_price(numbers: Mapping[str, Array], log_price: Array) -> Array:
    """What a linear regression on a listing's own numbers says its log price is."""
    parts = [np.ones(len(log_price)), (numbers["status"] == 1.0).astype(float)]
    for name in NUMBERS:
        values = np.log1p(numbers[name])
        absent = np.isnan(values)
        centre = 0.0 if absent.all() else float(values[~absent].mean())
        parts += [np.where(absent, 0.0, values - centre), absent.astype(float)]
    design = np.column_stack(parts)
    # A ridge so small that it matters only where a column is constant.
    gram = design.T @ design + 1e-3 * np.eye(design.shape[1])
    return np.asarray(design @ np.linalg.solve(gram, design.T @ log_price))


def _encoders(coded: _Coded) -> Encoders:
    overall, tables = _levels(coded, np.ones(len(coded.targets), dtype=bool))
    return Encoders(
        coded.ranges,
        np.round(overall, _DIGITS),
        {
            level: LevelTable(coded.vocabulary[level], np.round(tables[level], _DIGITS))
            for level in LEVELS
        },
    )


def _levels(coded: _Coded, used: Array) -> tuple[Array, dict[str, Array]]:
    """The overall means and each level's table [keys, measures + 1] from the rows in ``used``."""
    targets = coded.targets[used]
    present = ~np.isnan(targets)
    filled = np.where(present, targets, 0.0)
    overall = filled.sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    measured: dict[str | None, Array] = {None: np.broadcast_to(overall, targets.shape)}
    tables: dict[str, Array] = {}
    for level, parent in LEVELS.items():
        codes, above = coded.codes[level][used], measured[parent]
        has = codes >= 0
        size = len(coded.vocabulary[level])
        count = np.bincount(codes[has], minlength=size)
        table = np.zeros((size, len(MEASURES) + 1))
        for place in range(len(MEASURES)):
            total, rows, parents = (
                np.bincount(codes[has], weights=values[has], minlength=size)
                for values in (filled[:, place], present[:, place], above[:, place])
            )
            pull = STRENGTH[level]
            table[:, place] = (total + pull * parents / np.maximum(count, 1)) / (rows + pull)
        table[:, -1] = np.log1p(count)
        tables[level] = table
        measured[level] = np.where(has[:, None], table[codes, :-1], above) if size else above
    return overall, tables
