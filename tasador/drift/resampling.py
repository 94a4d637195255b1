"""Batches drawn from the reference itself, and how far each measure strays in them.

A draw is a row of weights [rows of the reference]: how often each row is in it. All draws of a kind
are one matrix, so that a measure of hundreds of batches is a few array operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array

if TYPE_CHECKING:
    import pandas as pd


# Of a month with a smaller share of the sales than this nothing can be said.
_FEWEST_SALES = 0.05


def clusters_of(values: pd.Series) -> Array:
    """The number of each row's cluster, int [n]; a row without a value is one of its own."""
    import pandas as pd

    codes = np.asarray(pd.factorize(values)[0], dtype=np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def by_cluster(
    rng: np.random.Generator, clusters: Array, rows: int, draws: int, *, again: bool = True
) -> Array:
    """Whole clusters at random until there are ``rows`` rows; float32 [draws, n].

    ``again`` says whether a cluster may be drawn more than once in one batch.
    """
    sizes = np.bincount(clusters)
    made = np.empty((draws, len(clusters)), dtype=np.float32)
    for draw in range(draws):
        taken = np.zeros(len(sizes), dtype=np.float32)
        order = rng.permutation(len(sizes))
        if again:
            order = rng.integers(0, len(sizes), rows)
        enough = int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1
        np.add.at(taken, order[:enough], 1)
        made[draw] = taken[clusters]
    return made


def by_month(
    rng: np.random.Generator, reference: pd.DataFrame, rows: int, draws: int
) -> list[Array]:
    """Batches whose sales are all of one month, float32 [draws, n] for each month.

    Only of a sold listing the date is that of its offer; of the others it is of an earlier sale, so
    they are drawn from all. Sales keep their usual share.
    """
    sold = (reference["status"] == "sold").to_numpy(dtype=bool)
    month = reference["prev_sold_date"].astype("str").str[:7].where(sold)
    shares = month.dropna().value_counts(normalize=True)
    months = shares[shares >= _FEWEST_SALES].index
    others = np.flatnonzero(~sold)
    sales = round(rows * float(sold.mean()))
    made = []
    for name in months if len(months) > 1 else ():
        inside = np.flatnonzero((month == name).to_numpy(dtype=bool))
        drawn = np.empty((draws, len(reference)), dtype=np.float32)
        for draw in range(draws):
            picked = rng.choice(inside, sales)
            if rows > sales and len(others):
                picked = np.concatenate([picked, rng.choice(others, rows - sales)])
            drawn[draw] = np.bincount(picked, minlength=len(reference))
        made.append(drawn)
    return made


def distribution_strays(values: Array, weights: Array) -> Array:
    """The Kolmogorov-Smirnov distance of each draw from the whole; values [n], NaN left out."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    ordered = values[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    there = (np.arange(len(order)) + 1)[last] / len(order)
    reached = np.cumsum(weights[:, order], axis=1)
    here = reached[:, last] / np.maximum(reached[:, -1:], 1)
    strays: Array = np.abs(here - there).max(axis=1)
    return strays


def mix_strays(codes: Array, weights: Array) -> Array:
    """The Jensen-Shannon distance of each draw; codes [n] are categories, below 0 is missing."""
    known = np.flatnonzero(codes >= 0)
    order = known[np.argsort(codes[known], kind="stable")]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    there = np.diff(np.append(starts, len(order))) / len(order)
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    here = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    squared = _entropy((here + there) / 2) - (_entropy(here) + _entropy(there)) / 2
    strays: Array = np.sqrt(np.maximum(squared, 0))
    return strays


def mean_strays(values: Array, weights: Array) -> Array:
    """How far the mean of each draw lies from the whole's; values [n], NaN left out."""
    known = np.isfinite(values)
    total = weights @ np.where(known, values, 0).astype(np.float32)
    means = total / np.maximum(weights @ known.astype(np.float32), 1)
    strays: Array = np.abs(means - values[known].mean())
    return strays


def median_strays(values: Array, weights: Array) -> Array:
    """How far the median of each draw lies from the whole's; values [n], NaN left out."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known])]
    reached = np.cumsum(weights[:, order], axis=1)
    middle = (reached < reached[:, -1:] / 2).sum(axis=1)
    strays: Array = np.abs(values[order[middle]] - np.median(values[known]))
    return strays


def reconstruction_errors(measured: pd.DataFrame, columns: list[str]) -> Array:
    """Each row's error of reconstruction, [n], as NannyML's DataReconstructionDriftCalculator.

    Which tells the mean of many rows alone: missing values become the mean or the most frequent
    category, categories their frequency, then standard scores and the principal components that
    hold 65 % of the variance.
    """
    made = []
    for name in columns:
        column = measured[name]
        if column.dtype.kind == "f":
            low, high = np.nanquantile(column, [0.001, 0.999])
            values = column.clip(low, high)
            made.append(values.fillna(values.mean()).to_numpy())
        else:
            filled = column.fillna(column.mode().iloc[0])
            made.append(filled.map(filled.value_counts(normalize=True)).to_numpy(dtype=np.float64))
    table = np.column_stack(made)
    spread = table.std(axis=0)
    table = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1)
    _, singular, directions = np.linalg.svd(table, full_matrices=False)
    share = np.cumsum(singular**2) / np.sum(singular**2)
    kept = directions[: int(np.searchsorted(share, 0.65, side="right")) + 1]
    errors: Array = np.linalg.norm(table - table @ kept.T @ kept, axis=1)
    return errors


def _entropy(shares: Array) -> Array:
    logs = np.log2(np.where(shares > 0, shares, 1))
    return -(shares * logs).sum(axis=-1)  # type: ignore[no-any-return]
