"""The drift judge compared with the previous platform's rule, on real listings.

    python benchmarks/drift.py [--csv FILE] [--quick] [--halves N] [--tries N] [--jobs N] [--write]

Measures false alarms, and how often known drift is detected and named correctly. One champion is
trained on a fifth of the properties and has not seen the rest. Each try splits the rest into random
halves by property: one half gives the reference and its baseline, the other the batches, unchanged
or changed in a known way. The legacy rule reports drift if the two-sample Kolmogorov-Smirnov test
gives p < 0.05 on any of five numeric columns.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import report
from benchmarks.drift_cases import N, Outcome, World, detections, false_alarms
from tasador.listings.table import columns_of, read_csv
from tasador.model.bundle import Bundle
from tasador.training import fitting, splits
from tasador.training.search_options import SearchOptions

_MOST_ROWS = 90_000  # of the file; more rows are slower and do not change the result
_OWN_SHARE, _NEW_SHARE = 0.14, 0.09  # for the champion; in states that it is not trained on


def prepare(csv: Path, folder: Path, *, trials: int = 2, seed: int = 0) -> None:
    """Train the champion on ``csv``; write it and the listings it has not seen to ``folder``."""
    frame, _ = read_csv(csv)
    keys = frame["property_key"].to_numpy(dtype=object)
    place = pd.util.hash_array(keys, hash_key=f"benchmark {seed:06d}", categorize=False) / 2.0**64
    frame = frame[place < _MOST_ROWS / max(len(frame), _MOST_ROWS)].reset_index(drop=True)
    place = place[place < _MOST_ROWS / max(len(place), _MOST_ROWS)]
    new = frame["state"].isin(_new_states(frame, seed)).to_numpy()
    own = ~new & (place / place.max() < _OWN_SHARE)
    prepared = splits.prepare(frame[own])
    fitting.write(
        fitting.train(prepared, SearchOptions(trials=trials, seed=seed)), folder / "bundle"
    )
    bundle = Bundle.load(folder / "bundle")
    for name, rows in (("population", frame[~new & ~own]), ("newcomers", frame[new])):
        priced = rows.assign(predicted=bundle.predict(columns_of(rows)).price)
        priced.to_parquet(folder / f"{name}.parquet")


def load(folder: Path) -> World:
    """Load what ``prepare`` wrote."""
    frames = [pd.read_parquet(folder / f"{n}.parquet") for n in ("population", "newcomers")]
    return World(Bundle.load(folder / "bundle"), *frames)


def _new_states(frame: pd.DataFrame, seed: int) -> list[str]:
    """Random small states that together have _NEW_SHARE of the listings."""
    shares = frame["state"].value_counts(normalize=True)
    small = shares[shares < _NEW_SHARE / 2]
    chosen: list[str] = []
    for state in np.random.default_rng(seed).permutation(small.index):
        if small[chosen].sum() < _NEW_SHARE:
            chosen.append(str(state))
    return chosen


_WORLD: World | None = None


def _load_world(folder: Path) -> None:
    global _WORLD
    warnings.simplefilter("ignore")
    _WORLD = load(folder)


def _run_task(task: tuple[Callable[[World, int], list[Outcome]], int]) -> list[Outcome]:
    assert _WORLD is not None
    return task[0](_WORLD, task[1])


def measure(
    folder: Path, *, halves: int, tries: int, jobs: int = 1, minutes: float = math.inf
) -> list[Outcome]:
    """The outcomes of ``halves`` pairs for false alarms and ``tries`` for detections.

    After ``minutes`` it stops with the outcomes so far.
    """
    tasks = [(false_alarms, seed) for seed in range(halves)] + [
        (detections, s) for s in range(tries)
    ]
    # Interleaved, so that a run stopped early has outcomes of both kinds.
    tasks.sort(key=lambda task: task[1] / (halves if task[0] is false_alarms else tries))
    if jobs <= 1:
        _load_world(folder)
        return _collect(map(_run_task, tasks), len(tasks), minutes)
    with ProcessPoolExecutor(jobs, get_context("spawn"), _load_world, (folder,)) as pool:
        try:
            return _collect(pool.map(_run_task, tasks), len(tasks), minutes)
        finally:
            pool.shutdown(cancel_futures=True)


def _collect(outcomes: Iterable[list[Outcome]], total: int, minutes: float) -> list[Outcome]:
    collected: list[Outcome] = []
    started = time.monotonic()
    for done, batch_outcomes in enumerate(outcomes, start=1):
        collected += batch_outcomes
        spent = time.monotonic() - started
        if done % 10 == 0 or done == total:
            print(f"  {done} of {total}, {spent:.0f} s", file=sys.stderr)
        if spent > 60 * minutes:
            break
    return collected


def summary(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str, str, str]]:
    """One row per case: the judge, its target, the legacy rule, and the number of tries."""
    rows: list[tuple[str, str, str, str, str]] = []
    for case in dict.fromkeys(outcome.case for outcome in outcomes):
        selected = [outcome for outcome in outcomes if outcome.case == case]
        share = np.mean([outcome.ok for outcome in selected])
        legacy = np.mean([outcome.legacy_alarm for outcome in selected])
        if case.startswith(("random", "whole", "all sales")):
            row = (f"false alarms: {case}", f"{1 - share:.1%}", "≤ 5 %", f"{legacy:.1%}")
        elif "not hurts" in case:
            row = (case, f"{share:.1%}", "≥ 80 %", f"alarm {legacy:.1%}")
        else:
            name = f"detected and named: {case}"
            row = (name, f"{share:.1%}", "≥ 95 %", f"alarm {legacy:.1%}")
        rows.append((*row, str(len(selected))))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table; ``arguments`` default to the command line."""
    parser = report.arguments(__doc__)
    parser.add_argument("--halves", type=int, default=200, help="pairs of halves for false alarms")
    parser.add_argument("--tries", type=int, default=100, help="batches of each kind of drift")
    parser.add_argument("--quick", action="store_true", help="10 halves and 5 tries")
    parser.add_argument("--trials", type=int, default=2, help="of the champion's search")
    parser.add_argument("--seed", type=int, default=0, help="of the champion and the new states")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="then report the outcomes so far"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--wrong", action="store_true", help="print the first reason of each miss")
    parser.add_argument("--keep", type=Path, help="folder for the champion; reused if it exists")
    options = report.parsed(parser, arguments)
    halves, tries = (10, 5) if options.quick else (options.halves, options.tries)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as scratch:
        folder = options.keep or Path(scratch)
        if not (folder / "newcomers.parquet").exists():
            print("training the champion", file=sys.stderr)
            folder.mkdir(parents=True, exist_ok=True)
            prepare(Path(options.csv), folder, trials=options.trials, seed=options.seed)
        outcomes = measure(
            folder, halves=halves, tries=tries, jobs=options.jobs, minutes=options.minutes
        )
    if options.wrong:
        for outcome in outcomes:
            if not outcome.ok:
                print(f"missed: {outcome.case}: {outcome.first_reason}", file=sys.stderr)
    header = ("case", "judge", "target", "legacy rule", "tries")
    text = report.table(header, summary(outcomes))
    judged = np.median([o.seconds for o in outcomes if f"{N:,}" in o.case])
    text += f"\n\nA batch of {N:,} rows, the reference fitted: {judged:.2f} s of processor time."
    print(text)
    if options.write:
        report.write_section("drift", f"{report.machine()}\n\n{text}")


if __name__ == "__main__":
    main()
