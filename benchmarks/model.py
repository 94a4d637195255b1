"""The price model beside the old way, on real listings: accuracy, new states, intervals, the loop.

    python benchmarks/model.py [--csv FILE] [--seeds N] [--parts PART...] [--write]

Every split is by property, drawn by the seed; both models train on the same rows and are judged on
the same others, priced 10,000 to 5,000,000 dollars. Figures are means over the seeds.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import ablation, drift, old_way, report
from benchmarks.judged import Figures, Tell, held_out, median_error
from tasador.gate.checks import judge
from tasador.gate.measures import Evaluation, r2
from tasador.listings.listing import COLUMNS, INPUTS, MARKET_PRICE
from tasador.listings.table import columns_of, listing_at, read_csv
from tasador.model.bundle import Bundle
from tasador.model.contributions import explain
from tasador.source.course import course_batch
from tasador.training import fitting, splits, study
from tasador.training.evaluation import evaluate
from tasador.training.leave_out import leave_states_out

PARTS = ("accuracy", "states", "course", "drift", "ablation", "tried")
ROOMS = ["bed", "bath", "house_size"]
_EXPLAINED = 300


def found(frame: pd.DataFrame, trials: int, seed: int) -> study.SearchResult:
    """Parameters: known good ones, or what a search of so many trials finds."""
    if trials == 0:
        return study.SearchResult(dict(study.KNOWN_GOOD), 0.0, [])
    return fitting.search(splits.prepare(frame), study.SearchOptions(trials=trials, seed=seed))


def trained(frame: pd.DataFrame, folder: Path, *, trials: int = 0, seed: int = 0) -> Bundle:
    """A bundle trained on the frame's rows outside its holdout."""
    model = fitting.fit(splits.prepare(frame), found(frame, trials, seed), seed=seed)
    fitting.write(model, folder)
    return Bundle.load(folder)


def accuracy(frame: pd.DataFrame, seeds: int, trials: int, scratch: Path, tell: Tell) -> Figures:
    """Accuracy, intervals and the cost of an explanation, on properties that no model has seen."""
    figures: Figures = {}
    for seed in range(seeds):
        rows = frame.assign(holdout=held_out(frame, seed))
        began = time.perf_counter()
        bundle = trained(rows, scratch / f"accuracy-{seed}", trials=trials, seed=seed)
        took = time.perf_counter() - began
        judged = rows[rows["holdout"]]
        model = evaluate(bundle, judged)
        rooms = judged[ROOMS].notna().all(axis=1).to_numpy()
        whole = judged[list(INPUTS)].notna().all(axis=1).to_numpy()
        old = old_way.fit(rows[~rows["holdout"]], seed)
        old_rows = old_way.complete(judged)
        old_price = old.predict(old_rows)
        seen = {
            "seconds": took,
            "rooms r2": r2(model.actual[rooms], model.predicted[rooms]),
            "rooms error": median_error(model.actual[rooms], model.predicted[rooms]),
            "all r2": r2(model.actual, model.predicted),
            "all error": median_error(model.actual, model.predicted),
            "old r2": r2(old_rows["price"].to_numpy(), old_price),
            "old error": median_error(old_rows["price"].to_numpy(), old_price),
            "covered": _covered(model),
            "covered whole": _covered(model, whole),
            "covered partial": _covered(model, ~whole),
            **_widths(model),
            "explain p99": _explain_p99(bundle, judged),
        }
        for name, value in seen.items():
            figures.setdefault(name, []).append(value)
        tell(f"accuracy, seed {seed}: " + ", ".join(f"{k} {v:.4g}" for k, v in seen.items()))
    return figures


def _covered(model: Evaluation, rows: np.ndarray | None = None) -> float:
    inside = (model.actual >= model.low["90"]) & (model.actual <= model.high["90"])
    return float(inside[slice(None) if rows is None else rows].mean())


# Beside a constant relative interval, price / k to price x k; and beside the narrowest of all.
_WIDTHS = {
    "width dollars": "mean in dollars, of a constant relative one's",
    "width median": "median in prices, of a constant relative one's",
    "width mean": "mean in prices, of a constant relative one's",
    "width narrowest": "mean in dollars, of the narrowest constant one's",
}


def _widths(model: Evaluation) -> dict[str, float]:
    """Ours against two constant relative intervals that cover as many: one factor down and up, and
    the narrowest there is (known only afterwards)."""
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
    """Milliseconds of one exact explanation, one thread, processor time."""
    columns = columns_of(frame)
    took = []
    for row in range(min(_EXPLAINED, len(frame))):
        listing = listing_at(columns, row)
        began = time.thread_time()
        explain(bundle, listing)
        took.append(1000 * (time.thread_time() - began))
    return float(np.quantile(took, 0.99))


def states(frame: pd.DataFrame, seeds: int, trials: int, scratch: Path, tell: Tell) -> Figures:
    """Whole states left out, four rotations of a quarter of the states each."""
    del scratch
    figures: Figures = {}
    for seed in range(seeds):
        known = found(frame, trials, seed).params
        ours = leave_states_out(frame.assign(holdout=False), known, needing=ROOMS, seed=seed)
        old_r2, old_error = [], []
        for turn in ours.rotations:
            away = frame["state"].isin(turn.states)
            old_rows = old_way.complete(frame[away])
            price = old_way.fit(frame[~away], seed).predict(old_rows)
            old_r2.append(r2(old_rows["price"].to_numpy(), price))
            old_error.append(median_error(old_rows["price"].to_numpy(), price))
        seen = {
            "states r2": ours.mean["r2"],
            "states error": ours.mean["median_error"],
            "states covered": ours.mean["coverage_90"],
            "states old r2": float(np.mean(old_r2)),
            "states old error": float(np.mean(old_error)),
        }
        for name, value in seen.items():
            figures.setdefault(name, []).append(value)
        tell(f"states, seed {seed}: " + ", ".join(f"{k} {v:.4g}" for k, v in seen.items()))
    return figures


def course(frame: pd.DataFrame, seeds: int, trials: int, scratch: Path, tell: Tell) -> Figures:
    """The six batches by the course's rule: R² on a national holdout of what serves after each.

    ``fall`` is the largest mean fall from one batch to the next beyond the noise of one such run:
    twice the standard deviation that it has by the seeds (other properties trained on and judged)
    and by a bootstrap of the judged properties.
    """
    texts = frame[list(COLUMNS)].astype(object).where(frame.notna(), "").astype(str)
    numbers = [
        None if "" in row else course_batch(list(row)) for row in texts.itertuples(index=False)
    ]
    batch = np.array([-1 if n is None else n for n in numbers])
    found = [
        _course_of(frame.assign(holdout=held_out(frame, seed)), batch, seed, trials, scratch, tell)
        for seed in range(seeds)
    ]
    figures: Figures = {f"course {number}": [] for number in range(6)}
    for served in found:
        for number, model in enumerate(served):
            value = math.nan if model is None else r2(model.actual, model.predicted)
            figures[f"course {number}"].append(value)
    beyond = [
        _beyond_noise([(served[step], served[step + 1]) for served in found]) for step in range(5)
    ]
    return {**figures, "course fall": [max(beyond)]}


def _course_of(
    frame: pd.DataFrame,
    batch: np.ndarray,
    seed: int,
    trials: int,
    scratch: Path,
    tell: Tell,
) -> list[Evaluation | None]:
    """What serves after each batch, on the whole country's holdout; None while nothing does."""
    national = frame[frame["holdout"]]
    champion: Bundle | None = None
    served: list[Evaluation | None] = []
    for last in range(6):
        rows = frame[(batch >= 0) & (batch <= last)]
        challenger = trained(rows, scratch / f"course-{seed}-{last}", trials=trials, seed=seed)
        known = None if champion is None else evaluate(champion, rows)
        if judge(evaluate(challenger, rows), known).promote:
            champion = challenger
        served.append(None if champion is None else evaluate(champion, national))
    values = [math.nan if model is None else r2(model.actual, model.predicted) for model in served]
    tell(f"course, seed {seed}: " + " ".join(f"{value:.3f}" for value in values))
    return served


def _beyond_noise(steps: list[tuple[Evaluation | None, Evaluation | None]]) -> float:
    """By how much R² fell on average from the first to the second, beyond noise."""
    falls = [_falls(old, new) for old, new in steps if old is not None and new is not None]
    if not falls:
        return 0.0
    fall = np.array([mean for mean, _ in falls])
    by_seeds = fall.var(ddof=1) if len(fall) > 1 else 0.0
    by_rows = np.mean([resamples.var() for _, resamples in falls])
    return max(0.0, float(fall.mean() - 2 * np.sqrt(by_seeds + by_rows)))


def _falls(old: Evaluation, new: Evaluation) -> tuple[float, np.ndarray]:
    """The fall of R², and that of 200 resamples of the properties, the same ones each time."""
    draw = np.random.default_rng(0)
    _, owner = np.unique(old.key.astype(str), return_inverse=True)
    worse = (new.predicted - new.actual) ** 2 - (old.predicted - old.actual) ** 2

    def fall(weight: np.ndarray) -> float:
        mean = np.average(old.actual, weights=weight)
        return float(np.sum(weight * worse) / np.sum(weight * (old.actual - mean) ** 2))

    resamples = [fall(draw.poisson(1.0, owner.max() + 1)[owner].astype(float)) for _ in range(200)]
    return fall(np.ones(len(worse))), np.array(resamples)


def summary(figures: Figures) -> str:
    """The tables, of what was measured."""
    # After the first batches there may be no model yet, by some seeds.
    mean = {
        name: float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
        for name, values in figures.items()
    }
    targets = []

    def row(what: str, name: str, old: str, wanted: str, met: bool, form: str = "{:.3f}") -> None:
        old_way_says = old if old == "none" else form.format(mean[old])
        said = "met" if met else "MISSED"
        targets.append((what, form.format(mean[name]), old_way_says, wanted, said))

    if "all r2" in mean:
        rooms, every = "rows with bed, bath, size", "all rows, any field missing"
        percent = "{:.1%}"
        row(f"{rooms}: R²", "rooms r2", "old r2", "≥ 0.745", mean["rooms r2"] >= 0.745)
        error = mean["rooms error"]
        row(
            f"{rooms}: median error",
            "rooms error",
            "old error",
            "≤ 15.4 %",
            error <= 0.154,
            percent,
        )
        row(f"{every}: R²", "all r2", "none", "≥ 0.70", mean["all r2"] >= 0.70)
        error = mean["all error"]
        row(f"{every}: median error", "all error", "none", "≤ 18.7 %", error <= 0.187, percent)
        for name, slack in (("covered", 0.02), ("covered whole", 0.04), ("covered partial", 0.04)):
            what = {"covered": "all", "covered whole": "nothing missing"}.get(name, "something is")
            met = abs(mean[name] - 0.9) <= slack
            row(f"90 % interval holds, {what}", name, "none", f"90 % ± {slack:.0%}", met, percent)
        for name, what in _WIDTHS.items():
            row(f"its width, {what}", name, "none", "≤ 0.75", mean[name] <= 0.75)
        met = mean["explain p99"] <= 25
        row("exact explanation: p99, ms", "explain p99", "none", "≤ 25", met, "{:.1f}")
    if "states r2" in mean:
        what = "states left out"
        row(f"{what}: R²", "states r2", "states old r2", "≥ 0.33", mean["states r2"] >= 0.33)
        met = mean["states error"] <= 0.29
        row(f"{what}: median error", "states error", "states old error", "≤ 29 %", met, "{:.1%}")
        met = abs(mean["states covered"] - 0.9) <= 0.04
        row(f"90 % interval holds, {what}", "states covered", "none", "90 % ± 4%", met, "{:.1%}")
    if "course fall" in mean:
        what = "course batches: largest fall of R² beyond noise"
        row(what, "course fall", "none", "0", max(figures["course fall"]) == 0.0)
    parts = [report.table(("what", "tasador", "old way", "wanted", ""), targets)] if targets else []
    if "course 0" in mean:
        served = ["none" if np.isnan(r := mean[f"course {n}"]) else f"{r:.3f}" for n in range(6)]
        header = ("national R² after batch", *map(str, range(6)))
        parts.append(report.table(header, [("what serves", *served)]))
    if "seconds" in mean:
        parts.append(f"One training: {mean['seconds']:.0f} s.")
    return "\n\n".join(parts)


def main() -> None:
    parser = report.arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=0, help="of a search; 0: known good values")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:4])
    given = report.parsed(parser)
    warnings.simplefilter("ignore")

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    frame, _ = read_csv(given.csv)
    frame = frame[frame["price"].between(*MARKET_PRICE)].reset_index(drop=True)
    measures = {
        "accuracy": (accuracy, summary),
        "states": (states, summary),
        "course": (course, summary),
        "ablation": (ablation.ablation, ablation.left_out_table),
        "tried": (ablation.tried, ablation.tried_table),
    }
    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as scratch:
        for part in given.parts:
            if part == "drift":
                asked = ["--csv", str(given.csv), "--jobs", str(os.cpu_count() or 1)]
                drift.main([*asked, "--write"] if given.write else asked)
                continue
            measure, table = measures[part]
            figures = measure(frame, given.seeds, given.trials, Path(scratch), tell)
            drawn = f"{given.seeds} seed{'s' if given.seeds > 1 else ''}, {len(frame):,} listings"
            text = f"{drawn}.\n\n{table(figures)}"
            print(text, flush=True)
            if given.write:
                report.write_section(f"model {part}", f"{report.machine()}, {text}")


if __name__ == "__main__":
    main()
