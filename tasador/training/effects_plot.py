"""The summary plot of SHAP values, as the package shap draws it.

That package imports numba and scikit-learn: three seconds for one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN_FEATURES = 15
# Dots of one feature that lie in the same bin are stacked.
_BINS = 100
_UNKNOWN = "#9aa7b0"


def effects_figure(values: Array, matrix: Array, names: Sequence[str]) -> Figure:
    """The features with the largest mean absolute value, largest first, and a dot for each row.

    ``values`` and ``matrix`` are [rows, features]. The position of a dot is the SHAP value, its
    colour the feature's own value, from low to high; grey where that is missing.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color="#999999", linewidth=0.8, zorder=0)
    shown = np.argsort(-np.abs(values).mean(axis=0), kind="stable")[:_SHOWN_FEATURES]
    colours = ScalarMappable(cmap="coolwarm")
    for place, feature in enumerate(shown):
        effect, shade = values[:, feature], shades(matrix[:, feature])
        height = place + stacked(effect)
        known = ~np.isnan(shade)
        dots: dict[str, Any] = {"s": 10, "linewidths": 0}
        axes.scatter(effect[~known], height[~known], color=_UNKNOWN, **dots)
        axes.scatter(
            effect[known], height[known], c=shade[known], cmap=colours.cmap, vmin=0, vmax=1, **dots
        )
    axes.set_yticks(range(len(shown)), [names[feature] for feature in shown])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("SHAP value (log price)")
    bar = figure.colorbar(colours, ax=axes, ticks=[0, 1], aspect=60)
    bar.ax.set_yticklabels(["low", "high"])
    bar.set_label("value of the feature (grey: missing)", labelpad=0)
    bar.outline.set_visible(False)
    return figure


def stacked(effect: Array) -> Array:
    """The vertical offsets of dots at ``effect`` [rows], at most 0.4: no two dots coincide."""
    low, high = effect.min(), effect.max()
    bins = np.round(_BINS * (effect - low) / (high - low + 1e-8)).astype(np.intp)
    order = np.argsort(bins, kind="stable")
    sizes = np.bincount(bins)
    within = np.empty(len(bins), dtype=np.intp)
    within[order] = np.arange(len(bins)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # 0, 1, -1, 2, -2, ...
    layer = np.ceil(within / 2) * np.where(within % 2 == 1, 1, -1)
    return np.asarray(0.4 * layer / max(np.abs(layer).max(), 1))


def shades(feature: Array) -> Array:
    """The values of a feature from 0 (its 5 % quantile) to 1 (its 95 %); NaN stays NaN."""
    known = feature[~np.isnan(feature)]
    if not len(known):
        return np.full(len(feature), np.nan)
    low, high = np.quantile(known, [0.05, 0.95])
    if low == high:
        low, high = known.min(), known.max()
    if low == high:
        return np.where(np.isnan(feature), np.nan, 0.5)
    return np.asarray(np.clip((feature - low) / (high - low), 0, 1))
