"""A search by one task compared with several: seconds, processor seconds, memory and error found.

In turns, with the same rows, seed and number of trials. Several tasks are threads of one process,
as on one machine, or processes, as on a cluster; they share a study in SQLite, those of the train
flow share one in Postgres. A trial of several tasks knows fewer outcomes than one of a single task,
so the trials differ, and chance decides which take longer. So the trials of several tasks are run
by one thread too: that tells what sharing them saves. On a busy machine read the processor time of
the busiest process: what a search by processes takes where each has a core.

Not all of a search can be shared: the imports before the first trial, and the last trial, which
runs alone. Tasks also share the machine's cache and memory, so the same trees are fitted by one
alone and by all at once. Which search finds the better model is chance, so the difference of their
errors is given with its interval over seeds.

    python benchmarks/search.py [--csv FILE] [--tasks N] [--trials N ...] [--rows N] [--pairs N]
        [--write]
"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
from benchmarks.processes import memory_of
from tasador.arrays import Array
from tasador.listings.table import read_csv
from tasador.training import fitting, splits
from tasador.training.boosting import boost
from tasador.training.search import KNOWN_GOOD, MOST_ROUNDS, run_search
from tasador.training.search_options import SearchOptions
from tasador.training.views import Views

# How often a fit is run alone and at once with others.
_TURNS = 20


class Outcome(NamedTuple):
    """What a process ends with: the trials that all have finished, their best error, and its own
    processor seconds, seconds and largest MB."""

    trials: int
    error: float
    processor: float
    seconds: float
    memory: float


class Cost(NamedTuple):
    """Of a search: the best error, seconds, processor seconds of all processes and of the busiest,
    and MB of all."""

    error: float
    seconds: float
    processor: float
    busiest: float
    memory: float


class Way(NamedTuple):
    """How a search is run: how many tasks it has, and the numbers of those in each process."""

    name: str
    tasks: int
    processes: tuple[tuple[int, ...], ...]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that file across processes."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def storage_in(folder: Path) -> str:
    """The URL of the database for the study."""
    return f"sqlite:///{folder / 'study.db'}"


def run_tasks(views: tuple[Views, Views], folder: Path, options: SearchOptions) -> Outcome:
    """Run the tasks of one process of a search."""
    # A step of the train flow has imported it by then.
    import sqlalchemy.orm  # noqa: F401

    options = replace(
        options,
        storage=storage_in(folder),
        study_name="search",
        lock=partial(locked, folder / "lock"),
    )
    began, before = time.perf_counter(), time.process_time()
    result = run_search(*views, options)
    seconds, processor = time.perf_counter() - began, time.process_time() - before
    memory = memory_of(os.getpid(), "VmHWM")
    return Outcome(len(result.trials), result.value, processor, seconds, memory)


def measure(views: tuple[Views, Views], way: Way, trials: int, seed: int) -> Cost:
    """Search once in that way."""
    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as folder:
        # Imported here, since the processes that are timed import this module.
        from optuna.storages import RDBStorage

        # The tables: Postgres has them, except in the first training.
        RDBStorage(storage_in(Path(folder)))
        work = [
            (views, Path(folder), SearchOptions(trials=trials, seed=seed, tasks=way.tasks, own=own))
            for own in way.processes
        ]
        with get_context("spawn").Pool(len(work)) as pool:
            outcomes = pool.starmap(run_tasks, work, chunksize=1)
    last = max(outcomes, key=lambda outcome: outcome.trials)
    return Cost(
        error=last.error,
        seconds=max(outcome.seconds for outcome in outcomes),
        processor=sum(outcome.processor for outcome in outcomes),
        busiest=max(outcome.processor for outcome in outcomes),
        memory=sum(outcome.memory for outcome in outcomes),
    )


# The matrices of this process, to train and to judge on; see ``slowdowns``.
binned: list[Any] = []


def bin_rows(views: tuple[Views, Views]) -> None:
    """Prepare a process of ``slowdowns``."""
    training, judged = views
    matrix = training.matrix()
    binned.extend((matrix, judged.matrix(like=matrix)))


def fit_trees(_: int = 0) -> float:
    """Fit the trees of the first trial; returns the seconds."""
    training, judged = binned
    began = time.perf_counter()
    boost(KNOWN_GOOD, training, rounds=MOST_ROUNDS, seed=0, judged=judged)
    return time.perf_counter() - began


def fit_in_threads(threads: int) -> list[float]:
    """Fit the same trees in so many threads at once; returns the seconds of each."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(fit_trees, range(threads)))


def slowdowns(views: tuple[Views, Views], tasks: int) -> tuple[list[float], list[float]]:
    """How many times as long a fit takes while others run the same, in threads of one process and
    in processes."""
    in_threads, in_processes = [], []
    with get_context("spawn").Pool(tasks, bin_rows, (views,)) as pool:
        pool.map(fit_trees, range(tasks), chunksize=1)
        for _ in range(_TURNS):
            alone = tasks * pool.apply(fit_trees)
            in_threads.append(sum(pool.apply(fit_in_threads, (tasks,))) / alone)
            in_processes.append(sum(pool.map(fit_trees, range(tasks), chunksize=1)) / alone)
    return in_threads, in_processes


class Part(NamedTuple):
    """A number of trials: the rows of the table, and sentences on how the searches differ."""

    rows: list[tuple[str, ...]]
    text: str


def compared(views: tuple[Views, Views], tasks: int, trials: int, pairs: int) -> Part:
    """Search ``pairs`` times in each way, in turns, each time with another seed."""
    numbers = tuple(range(tasks))
    ways = (
        Way("one task", 1, ((0,),)),
        Way(f"{tasks} tasks' trials, by one", tasks, ((0,),)),
        Way(f"{tasks} tasks, threads", tasks, (numbers,)),
        Way(f"{tasks} tasks, processes", tasks, tuple((number,) for number in numbers)),
    )
    costs: dict[Way, list[Cost]] = {way: [] for way in ways}
    for seed in range(pairs):
        for way, found in costs.items():
            found.append(measure(views, way, trials, seed))
            print(trials, seed, way.name, *(f"{f:.4f}" for f in found[-1]), flush=True)
    rows = []
    for way, found in costs.items():
        error, *figures = [median(values) for values in zip(*found, strict=True)]
        seconds, processor, busiest, memory = figures
        timed = (f"{figure:.1f}" for figure in (seconds, processor, busiest))
        rows.append((str(trials), way.name, f"{error:.4f}", *timed, f"{memory:.0f}"))
    single, alone, threads, processes = costs.values()
    errors = np.array([b.error / a.error - 1 for a, b in zip(single, threads, strict=True)])
    error, error_half = interval(errors)
    return Part(
        rows,
        f"For the same {trials} trials, {tasks} threads take {relative(threads, alone)} of the "
        f"seconds of one, and {tasks} processes {relative(processes, alone)}. The best error of "
        f"{tasks} tasks differs from that of one task by {error:+.2%} ± {error_half:.2%}.",
    )


def relative(some: list[Cost], others: list[Cost]) -> str:
    """The seconds of some searches by those of others, with the interval."""
    found = np.array([a.seconds / b.seconds for a, b in zip(some, others, strict=True)])
    return "{:.2f} ± {:.2f}".format(*interval(found))


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
    in_threads, in_processes = map(np.array, slowdowns(read, options.tasks))
    slower = (
        "{:.3f} ± {:.3f} times as long as one alone in threads, and {:.3f} ± {:.3f} times in "
        "processes"
    ).format(*interval(in_threads), *interval(in_processes))
    print(slower, flush=True)
    parts = [compared(read, options.tasks, trials, options.pairs) for trials in options.trials]
    header = ("trials", "search by", "best error", "seconds", "processor s", "of busiest", "MB")
    table = report.table(header, [row for part in parts for row in part.rows])
    text = (
        f"{sum(len(v.log_price) for v in views):,} listings, medians of {options.pairs} seeds.\n\n"
        f"{table}\n\n" + " ".join(part.text for part in parts) + f" If {options.tasks} fit the "
        f"same trees at once, each takes {slower}. "
        "(Means and their 95 % intervals over the seeds or turns.)"
    )
    print(text)
    if options.write:
        report.write_section("search", f"{report.machine()}. {text}")


if __name__ == "__main__":
    main()
