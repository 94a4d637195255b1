"""The price model compared with the previous platform's: accuracy, new states, intervals, drift.

    python benchmarks/model.py [--csv FILE] [--seeds N] [--parts PART...] [--write]

All splits are by property and depend on the seed. Both models train on the same rows and are
judged on the same held-out rows, priced 10,000 to 5,000,000 dollars. Figures are means over seeds.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import ablation, ceiling, drift, legacy_model, report
from benchmarks.course import course
from benchmarks.judged import (
    Figures,
    Log,
    held_out,
    keep,
    kept_figures,
    median_error,
    parameters,
    trained,
)
from tasador.gate.measures import Evaluation, r2
from tasador.listings.arrays import Columns, listing_at
from tasador.listings.listing import INPUTS, MARKET_PRICE
from tasador.listings.table import columns_of, read_csv
from tasador.model.bundle import Bundle
from tasador.model.confidence import CLASSES, WITHIN
from tasador.model.contributions import explain
from tasador.ratio_study.figures import outliers
from tasador.ratio_study.groups import STATE, STATUS
from tasador.ratio_study.noise import simulate
from tasador.ratio_study.study import point_figures
from tasador.training.evaluation import evaluate
from tasador.training.leave_out import leave_states_out

PARTS = ("accuracy", "states", "course", "drift", "ablation", "tried", "ceiling")
ROOMS = ["bed", "bath", "house_size"]
_EXPLAINED = 300
# The bands of the estimate, by their lower ends (dollars), and the fewest rows of a band, a state,
# a status or a class, all seeds together, whose coverage counts.
_BANDS = (0, 100_000, 200_000, 300_000, 500_000, 800_000)
_CELL = 300
COVERED = "covered:"
_DRAWS = 60


def accuracy(
    frame: pd.DataFrame, seeds: Sequence[int], trials: int, scratch: Path, log: Log
) -> Figures:
    """Accuracy, intervals and the cost of an explanation, on properties unseen in training."""
    figures: Figures = {}
    for seed in seeds:
        rows = frame.assign(holdout=held_out(frame, seed))
        began = time.perf_counter()
        bundle = trained(rows, scratch / f"accuracy-{seed}", trials=trials, seed=seed)
        took = time.perf_counter() - began
        judged = rows[rows["holdout"]]
        model = evaluate(bundle, judged)
        rooms = judged[ROOMS].notna().all(axis=1).to_numpy()
        whole = judged[list(INPUTS)].notna().all(axis=1).to_numpy()
        legacy = legacy_model.fit(rows[~rows["holdout"]], seed)
        legacy_rows = legacy_model.complete(judged)
        legacy_price = legacy.predict(legacy_rows)
        study = point_figures(model.predicted[rooms], model.actual[rooms])
        _count_covered(figures, bundle, model, columns_of(judged))
        measured = {
            "seconds": took,
            "rooms cod": study.get("cod", math.nan),
            "rooms ppe": study.get("ppe_10", math.nan),
            "rooms r2": r2(model.actual[rooms], model.predicted[rooms]),
            "rooms error": median_error(model.actual[rooms], model.predicted[rooms]),
            "all r2": r2(model.actual, model.predicted),
            "all error": median_error(model.actual, model.predicted),
            "legacy r2": r2(legacy_rows["price"].to_numpy(), legacy_price),
            "legacy error": median_error(legacy_rows["price"].to_numpy(), legacy_price),
            "covered": _covered(model),
            "covered whole": _covered(model, whole),
            "covered partial": _covered(model, ~whole),
            **_widths(model),
            **_beyond_noise(model, rooms, seed),
            "explain p99": _explain_p99(bundle, judged),
            **_confidence(bundle.manifest.confidence),
        }
        for name, value in measured.items():
            figures.setdefault(name, []).append(value)
        log(f"accuracy, seed {seed}: " + ", ".join(f"{k} {v:.4g}" for k, v in measured.items()))
    return figures


def _count_covered(figures: Figures, bundle: Bundle, model: Evaluation, columns: Columns) -> None:
    """Keep the rows of each band of the estimate, state, status and class, and how many of them are
    in their intervals, as COVERED."""
    inside = (model.actual >= model.low["90"]) & (model.actual <= model.high["90"])
    kinds = {kind: model.parts[kind] for kind in (STATE, STATUS)}
    kinds["estimate"] = np.array([f"above {edge:,} dollars" for edge in _BANDS], dtype=object)[
        np.searchsorted(_BANDS, model.predicted, side="right") - 1
    ]
    confidence = bundle.predict(columns).confidence
    if confidence is not None:
        kinds["class"] = np.array(CLASSES, dtype=object)[confidence.classes]
    for kind, names in kinds.items():
        for name in sorted({str(name) for name in names}):
            rows = names.astype(str) == name
            for what, count in (("rows", rows.sum()), ("inside", inside[rows].sum())):
                figures.setdefault(f"{COVERED} {what} {kind} {name}", []).append(float(count))


def _shares_covered(figures: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The coverage of each cell with _CELL rows, all seeds together, by its kind and name."""
    shares = {}
    for name, counts in figures.items():
        if name.startswith(f"{COVERED} rows ") and sum(counts) >= _CELL:
            cell = name.removeprefix(f"{COVERED} rows ")
            shares[cell] = sum(figures[f"{COVERED} inside {cell}"]) / sum(counts)
    return shares


def _beyond_noise(model: Evaluation, rows: np.ndarray, seed: int) -> dict[str, float]:
    """How much worse PRD, PRB and MKI are than those of noise alone, as in the ratio study."""
    kept = np.flatnonzero(rows)
    kept = kept[~outliers(model.predicted[kept] / model.actual[kept])]
    estimate, price = model.predicted[kept], model.actual[kept]
    if len(kept) < _CELL:
        return {}
    draw = np.random.default_rng(seed)
    noise = simulate(estimate, price, model.key[kept], _DRAWS, draw)
    study = point_figures(estimate, price)
    # Regressive is a PRD above, a PRB and an MKI below.
    worse = {"prd": 1.0, "prb": -1.0, "mki": -1.0}
    return {
        f"{name} beyond noise": sign * (study[name] - noise[name].mean)
        for name, sign in worse.items()
    }


def _covered(model: Evaluation, rows: np.ndarray | None = None) -> float:
    inside = (model.actual >= model.low["90"]) & (model.actual <= model.high["90"])
    return float(inside[slice(None) if rows is None else rows].mean())


def _confidence(measured: Mapping[str, Any]) -> dict[str, float]:
    """What class high is worth, and the shares within their FSD that are farthest from 68 %."""
    if not measured:
        return {"high share": math.nan, "high ppe10": math.nan}
    classes, states = measured["classes"], measured["within_fsd_by_state"]
    of_class = [of["within_fsd"] for of in classes.values() if of["within_fsd"] is not None]
    high = classes["high"]
    ppe10 = math.nan if high["ppe10"] is None else high["ppe10"]
    found = {"high share": high["share"], "high ppe10": ppe10}
    for name, shares in (("class", of_class), ("state", list(states.values()))):
        if shares:
            found[f"fsd by {name}"] = max(shares, key=lambda share: abs(share - WITHIN))
    return found


# Compared with a constant relative interval, price / k to price x k, and with the narrowest one.
_WIDTHS = {
    "width dollars": "mean in dollars, relative to a constant one",
    "width median": "median in prices, relative to a constant one",
    "width mean": "mean in prices, relative to a constant one",
    "width narrowest": "mean in dollars, relative to the narrowest constant one",
}


def _widths(model: Evaluation) -> dict[str, float]:
    """Interval widths relative to two constant relative intervals of the same coverage.

    One uses the same factor down and up, the other is the narrowest possible (in hindsight).
    """
    width = model.high["90"] - model.low["90"]
    ratio = np.sort(model.actual / model.predicted)
    covered = _covered(model)
    factor = float(np.exp(np.quantile(np.abs(np.log(ratio)), covered)))
    within = math.ceil(covered * len(ratio)) - 1
    even = factor - 1 / factor
    narrowest = float(np.min(ratio[within:] - ratio[: len(ratio) - within]))
    in_dollars = float(width.sum() / model.predicted.sum())
    return {
        "width dollars": in_dollars / even,
        "width median": float(np.median(width / model.predicted)) / even,
        "width mean": float(np.mean(width / model.predicted)) / even,
        "width narrowest": in_dollars / narrowest,
    }


def _explain_p99(bundle: Bundle, frame: pd.DataFrame) -> float:
    """Processor milliseconds of one exact explanation on one thread, 99th percentile."""
    columns = columns_of(frame)
    took = []
    for row in range(min(_EXPLAINED, len(frame))):
        listing = listing_at(columns, row)
        began = time.thread_time()
        explain(bundle, listing)
        took.append(1000 * (time.thread_time() - began))
    return float(np.quantile(took, 0.99))


def states(
    frame: pd.DataFrame, seeds: Sequence[int], trials: int, scratch: Path, log: Log
) -> Figures:
    """Leave out whole states: four rotations of a quarter of the states each."""
    del scratch
    figures: Figures = {}
    for seed in seeds:
        known = parameters(frame, trials, seed).params
        left_out = leave_states_out(frame.assign(holdout=False), known, needing=ROOMS, seed=seed)
        legacy_r2, legacy_error = [], []
        for rotation in left_out.rotations:
            away = frame["state"].isin(rotation.states)
            legacy_rows = legacy_model.complete(frame[away])
            price = legacy_model.fit(frame[~away], seed).predict(legacy_rows)
            legacy_r2.append(r2(legacy_rows["price"].to_numpy(), price))
            legacy_error.append(median_error(legacy_rows["price"].to_numpy(), price))
        measured = {
            "states r2": left_out.mean["r2"],
            "states error": left_out.mean["median_error"],
            "states covered": left_out.mean["coverage_90"],
            "states ratio": left_out.mean.get("median_ratio", math.nan),
            "states legacy r2": float(np.mean(legacy_r2)),
            "states legacy error": float(np.mean(legacy_error)),
        }
        for name, value in measured.items():
            figures.setdefault(name, []).append(value)
        log(f"states, seed {seed}: " + ", ".join(f"{k} {v:.4g}" for k, v in measured.items()))
    return figures


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
                mean[cell] = shares[cell]
                met = abs(mean[cell] - 0.9) <= 0.025
                what = f"{what} coverage of a band, a state, a status or a class: {cell}"
                row(what, cell, "none", "87.5 % to 92.5 %", met, percent)
        for name, what in _WIDTHS.items():
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


def main() -> None:
    parser = report.arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=0, help="of a search; 0: known good values")
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="keep the figures of each seed there, and continue an interrupted run of this commit",
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:4])
    options = report.parsed(parser)
    warnings.simplefilter("ignore")

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    frame, _ = read_csv(options.csv)
    frame = frame[frame["price"].between(*MARKET_PRICE)].reset_index(drop=True)
    kept = {} if options.resume is None else kept_figures(options.resume)
    measures = {
        "accuracy": (accuracy, summary),
        "states": (states, summary),
        "course": (course, summary),
        "ablation": (ablation.ablation, ablation.left_out_table),
        "tried": (ablation.tried, ablation.tried_table),
        "ceiling": (ceiling.ceiling, ceiling.ceiling_table),
    }
    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as scratch:
        for part in options.parts:
            if part == "drift":
                arguments = ["--csv", str(options.csv), "--jobs", str(os.cpu_count() or 1)]
                drift.main([*arguments, "--write"] if options.write else arguments)
                continue
            measure, table = measures[part]
            # The course's noise is measured over all seeds.
            seeds = range(options.seeds)
            runs = [list(seeds)] if part == "course" else [[seed] for seed in seeds]
            figures: Figures = {}
            for run in runs:
                key = f"{report.machine()}, {options.csv}, {options.trials} trials, {part} {run}"
                found = kept.get(key)
                if found is None:
                    found = measure(frame, run, options.trials, Path(scratch), log)
                    keep(options.resume, kept, key, found)
                for name, values in found.items():
                    figures.setdefault(name, []).extend(values)
            sample = (
                f"{options.seeds} seed{'s' if options.seeds > 1 else ''}, {len(frame):,} listings"
            )
            text = f"{sample}.\n\n{table(figures)}"
            print(text, flush=True)
            if options.write:
                report.write_section(f"model {part}", f"{report.machine()}, {text}")


if __name__ == "__main__":
    main()
