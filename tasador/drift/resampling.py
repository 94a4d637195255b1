"""Batches resampled from the reference, and how far each measure deviates in them.

A resample is a row of weights [rows of the reference]: how often each row occurs in it. All
resamples of a kind form one matrix, so measuring hundreds of batches takes a few array operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array

if TYPE_CHECKING:
    import pandas as pd


# A month with a smaller share of the sales than this is too small to resample.
_FEWEST_SALES = 0.05


def clusters_of(values: pd.Series) -> Array:
    """The number of each row's cluster, int [n]; each row without a value is a separate cluster."""
    import pandas as pd

    codes = np.asarray(pd.factorize(values)[0], dtype=np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def by_cluster(
    rng: np.random.Generator, clusters: Array, rows: int, draws: int, *, again: bool = True
) -> Array:
    """Draw whole clusters at random until there are ``rows`` rows; float32 [draws, n].

    ``again`` allows a cluster to be drawn more than once in one batch.
    """
    sizes = np.bincount(clusters)
    weights = np.empty((draws, len(clusters)), dtype=np.float32)
    for draw in range(draws):
        taken = np.zeros(len(sizes), dtype=np.float32)
        order = rng.permutation(len(sizes))
        if again:
            order = rng.integers(0, len(sizes), rows)
        enough = int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1
        np.add.at(taken, order[:enough], 1)
        weights[draw] = taken[clusters]
    return weights


def by_month(
    rng: np.random.Generator, reference: pd.DataFrame, rows: int, draws: int
) -> list[Array]:
    """Batches whose sales all fall into one month; float32 [draws, n] for each month.

    Only for a sold listing is the date that of its offer. For other listings it is an earlier sale,
    so those are drawn from all months. Sales keep their usual share.
    """
    sold = (reference["status"] == "sold").to_numpy(dtype=bool)
    month = reference["prev_sold_date"].astype("str").str[:7].where(sold)
    shares = month.dropna().value_counts(normalize=True)
    months = shares[shares >= _FEWEST_SALES].index
    others = np.flatnonzero(~sold)
    sales = round(rows * float(sold.mean()))
    weights = []
    for name in months if len(months) > 1 else ():
        inside = np.flatnonzero((month == name).to_numpy(dtype=bool))
        drawn = np.empty((draws, len(reference)), dtype=np.float32)
        for draw in range(draws):
            picked = rng.choice(inside, sales)
            if rows > sales and len(others):
                picked = np.concatenate([picked, rng.choice(others, rows - sales)])
            drawn[draw] = np.bincount(picked, minlength=len(reference))
        weights.append(drawn)
    return weights


def distribution_deviations(values: Array, weights: Array) -> Array:
    """The Kolmogorov-Smirnov distance of each resample from the whole; values [n], NaN ignored."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    ordered = values[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    usual = (np.arange(len(order)) + 1)[last] / len(order)
    reached = np.cumsum(weights[:, order], axis=1)
    current = reached[:, last] / np.maximum(reached[:, -1:], 1)
    deviations: Array = np.abs(current - usual).max(axis=1)
    return deviations


def mix_deviations(codes: Array, weights: Array) -> Array:
    """The Jensen-Shannon distance of each resample; codes [n], below 0 means missing."""
    known = np.flatnonzero(codes >= 0)
    order = known[np.argsort(codes[known], kind="stable")]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    usual = np.diff(np.append(starts, len(order))) / len(order)
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    current = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    squared = _entropy((current + usual) / 2) - (_entropy(current) + _entropy(usual)) / 2
    deviations: Array = np.sqrt(np.maximum(squared, 0))
    return deviations


def mean_deviations(values: Array, weights: Array) -> Array:
    """How far the mean of each resample lies from the whole's; values [n], NaN ignored."""
    known = np.isfinite(values)
    total = weights @ np.where(known, values, 0).astype(np.float32)
    means = total / np.maximum(weights @ known.astype(np.float32), 1)
    deviations: Array = np.abs(means - values[known].mean())
    return deviations


def median_deviations(values: Array, weights: Array) -> Array:
    """How far the median of each resample lies from the whole's; values [n], NaN ignored."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known])]
    reached = np.cumsum(weights[:, order], axis=1)
    middle = (reached < reached[:, -1:] / 2).sum(axis=1)
    deviations: Array = np.abs(values[order[middle]] - np.median(values[known]))
    return deviations


def reconstruction_errors(measured: pd.DataFrame, columns: list[str]) -> Array:
    """Each row's reconstruction error [n], as in NannyML's DataReconstructionDriftCalculator.

    NannyML itself reports only the mean over many rows. Missing values become the mean or the most
    frequent category and categories their frequency. Then come standard scores and the principal
    components that hold 65 % of the variance.
    """
    inputs = []
    for name in columns:
        column = measured[name]
        if column.dtype.kind == "f":
            low, high = np.nanquantile(column, [0.001, 0.999])
            values = column.clip(low, high)
            inputs.append(values.fillna(values.mean()).to_numpy())
        else:
            filled = column.fillna(column.mode().iloc[0])
            inputs.append(
                filled.map(filled.value_counts(normalize=True)).to_numpy(dtype=np.float64)
            )
    table = np.column_stack(inputs)
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
