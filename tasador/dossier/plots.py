"""The dossier's plots, each a PNG small enough for a repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array
from tasador.flowkit import png_of, show_prices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tasador.dossier.effects import Effects
    from tasador.gate.measures import Evaluation


_BLUE, _GREY, _RED = "#2f6f9f", "#9aa7b0", "#b4483c"
_OTHERS = ("#4f9d69", "#d08c2f", "#8a5fa8", "#b4483c")
_BINS = 10
_DPI = 110


def calibration(evaluation: Evaluation, groups: Mapping[str, Array]) -> bytes:
    """Left: coverage of the intervals by group (bool [n]). Right: prices against predictions."""
    figure = _figure(10.5, 4.2)
    left, right = figure.subplots(1, 2)
    nominal = sorted(int(level) for level in evaluation.low)
    left.plot([75, 100], [75, 100], color="black", linewidth=0.8, label="nominal")
    known = {name: rows for name, rows in groups.items() if rows.any()}
    # The first group is all rows. A group beyond the colours takes the first of them again.
    for (name, rows), colour in zip(known.items(), chain([_BLUE], cycle(_OTHERS)), strict=False):
        held = [100 * np.mean(_inside(evaluation, str(level))[rows]) for level in nominal]
        width = 2.5 if colour == _BLUE else 1
        label = f"{name} ({int(rows.sum()):,})"
        left.plot(nominal, held, "o-", label=label, linewidth=width, color=colour)
    left.set(xlabel="interval (%)", ylabel="prices covered (%)", title="Intervals", xticks=nominal)
    left.legend(fontsize=8, loc="upper left")
    predicted, actual = evaluation.predicted, evaluation.actual
    order = np.array_split(np.argsort(predicted), min(_BINS, len(predicted)))
    middle = [float(np.median(predicted[rows])) for rows in order]
    ratio = [
        100 * (np.quantile(actual[rows] / predicted[rows], [0.25, 0.5, 0.75]) - 1) for rows in order
    ]
    low, centre, high = np.array(ratio).T
    right.axhline(0, color="black", linewidth=0.8)
    right.errorbar(
        middle, centre, yerr=[centre - low, high - centre], fmt="o", color=_BLUE, capsize=3
    )
    right.set(
        xscale="log",
        xlabel="predicted price ($, tenths of the holdout)",
        ylabel="actual over predicted (%): median, quartiles",
        title="Prices",
    )
    show_prices(right.xaxis)
    for axes in (left, right):
        _plain(axes)
    return png_of(figure, dpi=_DPI)


def slices(
    parts: Sequence[tuple[str, str, float, int]],
    overall: float,
    overall_name: str = "the whole holdout",
) -> bytes:
    """Median error (share) of each slice: (kind, name, error, rows); a line marks ``overall``."""
    figure = _figure(9, 1.2 + 0.22 * len(parts))
    axes = figure.subplots()
    # Matplotlib reads a plain dollar sign as the start of a formula.
    names = [f"{name} ({rows:,})".replace("$", r"\$") for _, name, _, rows in parts]
    colours = [_BLUE if kind == "state" else _GREY for kind, *_ in parts]
    drawn = axes.barh(names, [100 * error for _, _, error, _ in parts], color=colours)
    axes.bar_label(
        drawn, [f"{100 * error:.0f} %" for _, _, error, _ in parts], padding=3, fontsize=8
    )
    axes.axvline(100 * overall, color=_RED, linewidth=1)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.margins(x=0.1, y=0.01)
    axes.set(xlabel=f"median error (% of the price); the line is {overall_name}")
    _plain(axes)
    return png_of(figure, dpi=_DPI)


def left_out(states: Mapping[str, Mapping[str, float]], overall: float) -> bytes:
    """Median error (share) of each state when it was left out of training."""
    parts = [
        ("state", state, metrics["median_error"], int(metrics["rows"]))
        for state, metrics in sorted(states.items(), key=lambda item: item[1]["median_error"])
    ]
    return slices(parts, overall, "all of them")


def effects(measured: Effects, names: Mapping[str, str]) -> bytes:
    """One row per column, one dot per listing at its effect on the price."""
    from matplotlib import colormaps

    figure = _figure(9, 0.9 + 0.5 * len(measured.columns))
    axes = figure.subplots()
    draw = np.random.default_rng(0)
    for row, (name, values) in enumerate(measured.columns.items()):
        height = row + draw.uniform(-0.28, 0.28, len(values))
        colour: Any = _GREY
        if name in measured.values and np.isfinite(measured.values[name]).any():
            known = measured.values[name]
            ranks = np.full(len(known), np.nan)
            finite = np.isfinite(known)
            _, place = np.unique(known[finite], return_inverse=True)
            ranks[finite] = place / max(int(place.max()), 1)
            colour = colormaps["coolwarm"](np.nan_to_num(ranks, nan=0.5))
            colour[~finite] = (0.75, 0.75, 0.75, 1)
        axes.scatter(100 * np.clip(values, -1.5, 1.0), height, s=9, c=colour, linewidths=0)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(measured.columns)), [names.get(n, n) for n in measured.columns])
    axes.invert_yaxis()
    axes.set(xlabel="effect on the price (% of it); blue: small value, red: large, grey: no number")
    _plain(axes)
    return png_of(figure, dpi=_DPI)


def prices(evaluation: Evaluation) -> bytes:
    """Predicted against actual price, for up to 5,000 rows of the holdout."""
    figure = _figure(5.2, 4.6)
    axes = figure.subplots()
    shown = np.random.default_rng(0).permutation(len(evaluation.actual))[:5000]
    actual, predicted = evaluation.actual[shown], evaluation.predicted[shown]
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    axes.scatter(actual, predicted, s=6, alpha=0.3, linewidths=0, color=_BLUE)
    axes.plot(ends, ends, color="black", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="price ($)", ylabel="predicted price ($)")
    show_prices(axes.xaxis, axes.yaxis)
    _plain(axes)
    return png_of(figure, dpi=_DPI)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _inside(evaluation: Evaluation, level: str) -> Array:
    low, high = evaluation.low[level], evaluation.high[level]
    return np.asarray((low <= evaluation.actual) & (evaluation.actual <= high))


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
