"""A search by one task compared with several: seconds, processor seconds, and the error found.

In turns, with the same rows, seed and number of trials. Tasks are processes of this machine that
share a study in SQLite; the train flow shares one in Postgres. A trial of several tasks knows fewer
outcomes than one of a single task, so the trials differ, and chance decides which take longer. So
the trials of several tasks are run by one process too: that tells what sharing them saves. On a
busy machine read the processor time of the busiest process: what a search takes where each has a
core. Each process imports Optuna and XGBoost and bins the rows, so what several save grows with the
trials. Processes share the machine's cache and memory too, so the same trees are also fitted by one
process alone and by all at once: no search by processes can save more than that. Which search finds
the better model is chance, so the difference of their errors is given with its interval over seeds.

    python benchmarks/search.py [--csv FILE] [--tasks N] [--trials N ...] [--rows N] [--pairs N]
        [--write]
"""

from __future__ import annotations

import fcntl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

# Allows the script to run from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import report
from tasador.arrays import Array
from tasador.listings.table import read_csv
from tasador.training import fitting, splits
from tasador.training.boosting import boost
from tasador.training.search import KNOWN_GOOD, MOST_ROUNDS, Views, run_search
from tasador.training.search_options import SearchOptions

# How often a fit is run alone and at once with others.
_TURNS = 20


class Outcome(NamedTuple):
    """One task's: trials finished in all, their best error, processor seconds, and seconds."""

    trials: int
    error: float
    processor: float
    seconds: float


class Cost(NamedTuple):
    """Of a search: the best error, seconds, processor seconds of all tasks and of the busiest."""

    error: float
    seconds: float
    processor: float
    busiest: float


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that file across processes."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_task(views: tuple[Views, Views], folder: Path, options: SearchOptions) -> Outcome:
    """Run one task of a search, in a separate process."""
    options = replace(
        options,
        storage=f"sqlite:///{folder / 'study.db'}",
        study_name="search",
        lock=partial(locked, folder / "lock"),
    )
    began, before = time.perf_counter(), time.process_time()
    result = run_search(*views, options)
    seconds, processor = time.perf_counter() - began, time.process_time() - before
    return Outcome(len(result.trials), result.value, processor, seconds)


def measure(views: tuple[Views, Views], tasks: int, processes: int, trials: int, seed: int) -> Cost:
    """Run the trials of a search of ``tasks`` tasks once, in so many processes."""
    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as folder:
        work = [
            (views, Path(folder), SearchOptions(trials=trials, seed=seed, tasks=tasks, task=task))
            for task in range(processes)
        ]
        with get_context("spawn").Pool(processes) as pool:
            outcomes = pool.starmap(run_task, work, chunksize=1)
    last = max(outcomes, key=lambda outcome: outcome.trials)
    return Cost(
        error=last.error,
        seconds=max(outcome.seconds for outcome in outcomes),
        processor=sum(outcome.processor for outcome in outcomes),
        busiest=max(outcome.processor for outcome in outcomes),
    )


# The matrices of this process, to train and to judge on; see ``slowdowns``.
binned: list[Any] = []


def bin_rows(views: tuple[Views, Views]) -> None:
    """Prepare a process of ``slowdowns``."""
    training, judged = views
    matrix = training.matrix()
    binned.extend((matrix, judged.matrix(like=matrix)))


def fit_trees(_: int) -> float:
    """Fit the trees of the first trial; returns the seconds."""
    training, judged = binned
    began = time.perf_counter()
    boost(KNOWN_GOOD, training, rounds=MOST_ROUNDS, seed=0, judged=judged)
    return time.perf_counter() - began


def slowdowns(views: tuple[Views, Views], processes: int) -> list[float]:
    """How many times as long a fit takes while others run the same, in turns."""
    with get_context("spawn").Pool(processes, bin_rows, (views,)) as pool:
        pool.map(fit_trees, range(processes), chunksize=1)
        found = []
        for _ in range(_TURNS):
            alone = pool.apply(fit_trees, (0,))
            together = pool.map(fit_trees, range(processes), chunksize=1)
            found.append(sum(together) / processes / alone)
        return found


class Part(NamedTuple):
    """A number of trials: the rows of the table, and sentences on how the searches differ."""

    rows: list[tuple[str, ...]]
    text: str


def compared(views: tuple[Views, Views], tasks: int, trials: int, pairs: int) -> Part:
    """Search ``pairs`` times in each way, in turns, each time with another seed."""
    # Tasks and processes.
    ways = ((1, 1), (tasks, 1), (tasks, tasks))
    costs: dict[tuple[int, int], list[Cost]] = {way: [] for way in ways}
    for seed in range(pairs):
        for way, found in costs.items():
            found.append(measure(views, *way, trials, seed))
            print(trials, seed, *way, *(f"{figure:.4f}" for figure in found[-1]), flush=True)
    rows = []
    for way, found in costs.items():
        error, *figures = [median(values) for values in zip(*found, strict=True)]
        rows.append((str(trials), *map(str, way), f"{error:.4f}", *(f"{f:.1f}" for f in figures)))
    single, alone, shared = costs.values()
    seconds = np.array([b.seconds / a.seconds for a, b in zip(alone, shared, strict=True)])
    busiest = median(b.busiest / a.busiest for a, b in zip(alone, shared, strict=True))
    errors = np.array([b.error / a.error - 1 for a, b in zip(single, shared, strict=True)])
    (mean, half), (error, error_half) = interval(seconds), interval(errors)
    return Part(
        rows,
        f"{tasks} processes take {mean:.2f} ± {half:.2f} of the seconds that one takes for the "
        f"same {trials} trials, and the busiest {busiest:.2f} of its processor time. The best "
        f"error of {tasks} tasks differs from that of one by {error:+.2%} ± {error_half:.2%}.",
    )


def interval(values: Array) -> tuple[float, float]:
    """The mean of a few values, and half of its 95 % interval (Student's t)."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean()), float(half)


def main() -> None:
    parser = report.arguments(__doc__)
    parser.add_argument("--tasks", type=int, default=2)
    parser.add_argument("--trials", type=int, nargs="+", default=[12, 48], help="of a search")
    parser.add_argument("--rows", type=int, default=25_000, help="that the search reads")
    parser.add_argument("--pairs", type=int, default=8, help="searches of each kind, in turns")
    options = report.parsed(parser)
    frame, _ = read_csv(options.csv)
    training, judged = fitting.search_views(splits.prepare(frame), seed=0)
    share = min(1.0, options.rows / (len(training.log_price) + len(judged.log_price)))
    views = tuple(v.take(np.arange(int(share * len(v.log_price)))) for v in (training, judged))
    read = (views[0], views[1])
    slower = np.array(slowdowns(read, options.tasks))
    least, half = interval(slower / options.tasks)
    print(f"at once {slower.mean():.3f}", flush=True)
    parts = [compared(read, options.tasks, trials, options.pairs) for trials in options.trials]
    header = ("trials", "tasks", "processes", "best error", "seconds", "processor s", "of busiest")
    table = report.table(header, [row for part in parts for row in part.rows])
    text = (
        f"{sum(len(v.log_price) for v in views):,} listings, medians of {options.pairs} seeds.\n\n"
        f"{table}\n\n" + " ".join(part.text for part in parts) + f" Of {options.tasks} processes "
        f"that fit the same trees at once, each takes {slower.mean():.2f} times the seconds of one "
        f"alone. So at least {least:.2f} ± {half:.2f} of the seconds of one are needed here. "
        "(Means and their 95 % intervals over the seeds or turns.)"
    )
    print(text)
    if options.write:
        report.write_section("search", f"{report.machine()}. {text}")


if __name__ == "__main__":
    main()
