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
from benchmarks.model_report import CELL, COVERED, summary
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
# The bands of the estimate, by their lower ends (dollars).
_BANDS = (0, 100_000, 200_000, 300_000, 500_000, 800_000)
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


def _beyond_noise(model: Evaluation, rows: np.ndarray, seed: int) -> dict[str, float]:
    """How much worse PRD, PRB and MKI are than those of noise alone, as in the ratio study."""
    kept = np.flatnonzero(rows)
    kept = kept[~outliers(model.predicted[kept] / model.actual[kept])]
    estimate, price = model.predicted[kept], model.actual[kept]
    if len(kept) < CELL:
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
