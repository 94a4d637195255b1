"""The tables of ``benchmarks/model.py``: each figure, its target, and whether it is met."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks import report
from benchmarks.judged import Figures
from tasador.model.confidence import WITHIN

# Begins the names of the counts of rows, and of those in their intervals.
COVERED = "covered:"
# The fewest rows of a band, a state, a status or a class that count: of all seeds together, and of
# three where there are more, since more seeds tell chance from a fault.
CELL, _CELL_SEEDS = 300, 3
# Compared with a constant relative interval, price / k to price x k, and with the narrowest one.
WIDTHS = {
    "width dollars": "mean in dollars, relative to a constant one",
    "width median": "median in prices, relative to a constant one",
    "width mean": "mean in prices, relative to a constant one",
    "width narrowest": "mean in dollars, relative to the narrowest constant one",
}


def summary(figures: Figures) -> str:
    """The tables of the measured figures."""
    # For some seeds there is no model after the first batches.
    mean = {
        name: float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
        for name, values in figures.items()
    }
    shares = _shares_covered(figures)
    targets = []

    def row(
        what: str, name: str, legacy: str, target: str, met: bool, form: str = "{:.3f}"
    ) -> None:
        legacy_figure = legacy if legacy == "none" else form.format(mean[legacy])
        outcome = "met" if met else "MISSED"
        targets.append((what, form.format(mean[name]), legacy_figure, target, outcome))

    if "all r2" in mean:
        rooms, every = "rows with bed, bath, size", "all rows, any field missing"
        percent = "{:.1%}"
        row(f"{rooms}: R²", "rooms r2", "legacy r2", "≥ 0.78", mean["rooms r2"] >= 0.78)
        error = mean["rooms error"]
        row(
            f"{rooms}: median error",
            "rooms error",
            "legacy error",
            "≤ 14.9 %",
            error <= 0.149,
            percent,
        )
        met = mean["rooms cod"] <= 20.3
        row(f"{rooms}: COD", "rooms cod", "none", "≤ 20.3", met, "{:.1f}")
        met = mean["rooms ppe"] >= 0.36
        row(f"{rooms}: within 10 %", "rooms ppe", "none", "≥ 36 %", met, percent)
        for name in ("prd", "prb", "mki"):
            if (figure := f"{name} beyond noise") in mean:
                what = f"{rooms}: {name.upper()}, more regressive than noise by"
                row(what, figure, "none", "≤ 0.02", mean[figure] <= 0.02)
        row(f"{every}: R²", "all r2", "none", "≥ 0.70", mean["all r2"] >= 0.70)
        error = mean["all error"]
        row(f"{every}: median error", "all error", "none", "≤ 18.1 %", error <= 0.181, percent)
        for name, slack in (("covered", 0.02), ("covered whole", 0.04), ("covered partial", 0.04)):
            what = {"covered": "all", "covered whole": "nothing missing"}.get(
                name, "something missing"
            )
            met = abs(mean[name] - 0.9) <= slack
            row(
                f"coverage of the 90 % interval, {what}",
                name,
                "none",
                f"90 % ± {slack:.0%}",
                met,
                percent,
            )
        if shares:
            for at, what in ((min, "lowest"), (max, "highest")):
                cell = at(shares, key=shares.__getitem__)
                mean[cell], rows = shares[cell]
                met = abs(mean[cell] - 0.9) <= 0.025
                what = f"{what} coverage of a band, state, status or class: {cell} ({rows:,} rows)"
                row(what, cell, "none", "87.5 % to 92.5 %", met, percent)
        for name, what in WIDTHS.items():
            row(f"its width, {what}", name, "none", "≤ 0.75", mean[name] <= 0.75)
        share = f"class high, {mean['high share']:.1%} of all rows: PPE10"
        row(share, "high ppe10", "none", "≥ 55 %", mean["high ppe10"] >= 0.55, percent)
        for name in ("class", "state"):
            if (figure := f"fsd by {name}") in mean:
                met = abs(mean[figure] - WITHIN) <= 0.05
                row(f"within their FSD, worst {name}", figure, "none", "68 % ± 5%", met, percent)
        met = mean["explain p99"] <= 25
        row("exact explanation: p99, ms", "explain p99", "none", "≤ 25", met, "{:.1f}")
    if "states r2" in mean:
        what = "states left out"
        row(f"{what}: R²", "states r2", "states legacy r2", "≥ 0.43", mean["states r2"] >= 0.43)
        met = mean["states error"] <= 0.285
        wanted = "≤ 28.5 %"
        row(f"{what}: median error", "states error", "states legacy error", wanted, met, "{:.1%}")
        met = 0.93 <= mean["states ratio"] <= 1.07
        row(f"{what}: median ratio", "states ratio", "none", "0.93 to 1.07", met)
        met = abs(mean["states covered"] - 0.9) <= 0.04
        row(
            f"coverage of the 90 % interval, {what}",
            "states covered",
            "none",
            "90 % ± 4%",
            met,
            "{:.1%}",
        )
    if "course fall" in mean:
        what = "course batches: largest fall of R² beyond noise"
        row(what, "course fall", "none", "0", max(figures["course fall"]) == 0.0)
    parts = (
        [report.table(("what", "tasador", "legacy model", "target", ""), targets)]
        if targets
        else []
    )
    if "course 0" in mean:
        served = ["none" if np.isnan(r := mean[f"course {n}"]) else f"{r:.3f}" for n in range(6)]
        header = ("national R² after batch", *map(str, range(6)))
        parts.append(report.table(header, [("champion", *served)]))
    if "seconds" in mean:
        parts.append(f"One training: {mean['seconds']:.0f} s.")
    return "\n\n".join(parts)


def _shares_covered(figures: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, int]]:
    """The coverage of each cell with CELL rows and its rows, by its kind and name."""
    prefix = f"{COVERED} rows "
    cells = {n.removeprefix(prefix): c for n, c in figures.items() if n.startswith(prefix)}
    seeds = max(map(len, cells.values()), default=0)
    fewest = CELL * max(seeds, _CELL_SEEDS) / _CELL_SEEDS
    return {
        cell: (sum(figures[f"{COVERED} inside {cell}"]) / sum(counts), int(sum(counts)))
        for cell, counts in cells.items()
        if sum(counts) >= fewest
    }
