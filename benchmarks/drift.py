"""The drift judge beside the old rule, on real listings: false alarms, what is found and named.

    python benchmarks/drift.py [--csv FILE] [--quick] [--halves N] [--tries N] [--jobs N] [--write]

One champion is trained on a fifth of the properties; it has seen none of what follows. Each try
splits the rest into random halves by property: one makes the reference (and what is learnt from
it), the other the batches, untouched or broken in a known way. The old rule: the two-sample
Kolmogorov-Smirnov test at p < 0.05 on any of five numeric columns means drift.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import report
from tasador.drift.baseline import learn_baseline
from tasador.drift.judge import DriftReport, Judge
from tasador.drift.reference import make_reference
from tasador.listings.table import columns_of, read_csv
from tasador.model.bundle import Bundle
from tasador.training import fitting
from tasador.training.study import SearchOptions

Batch = pd.DataFrame
Rng = np.random.Generator

SIZES = (3_000, 10_000, 30_000)
N = 3_000
OLD_COLUMNS = ("price", "bed", "bath", "acre_lot", "house_size")
LOST_FIELDS = (
    *("house_size", "bed", "bath", "acre_lot", "zip_code", "state", "status", "brokered_by"),
    "prev_sold_date",
)
SQUARE_METRE = 10.7639  # square feet

_MOST_ROWS = 90_000  # of the file: more would say the same, slower
_OWN_SHARE, _NEW_SHARE = 0.14, 0.09  # for the champion; in the states that it never meets


@dataclass(frozen=True)
class World:
    """A champion, and listings that it has not seen, with its price of each in ``predicted``.

    ``population`` is one market; ``newcomers`` lie in states that it lacks.
    """

    bundle: Bundle
    population: pd.DataFrame
    newcomers: pd.DataFrame


@dataclass(frozen=True)
class Outcome:
    """One batch judged: ``ok`` as it should be by our judge, and whether the old rule alarmed."""

    question: str
    ok: bool
    old_alarm: bool
    seconds: float
    told: str


def prepare(csv: Path, folder: Path, *, trials: int = 2, seed: int = 0) -> None:
    """Train the champion on ``csv``; put it and the listings it has not seen into ``folder``."""
    frame, _ = read_csv(csv)
    keys = frame["property_key"].to_numpy(dtype=object)
    place = pd.util.hash_array(keys, hash_key=f"benchmark {seed:06d}", categorize=False) / 2.0**64
    frame = frame[place < _MOST_ROWS / max(len(frame), _MOST_ROWS)].reset_index(drop=True)
    place = place[place < _MOST_ROWS / max(len(place), _MOST_ROWS)]
    new = frame["state"].isin(_new_states(frame, seed)).to_numpy()
    own = ~new & (place / place.max() < _OWN_SHARE)
    fitting.write(
        fitting.train(frame[own], SearchOptions(trials=trials, seed=seed)), folder / "bundle"
    )
    bundle = Bundle.load(folder / "bundle")
    for name, rows in (("population", frame[~new & ~own]), ("newcomers", frame[new])):
        priced = rows.assign(predicted=bundle.predict(columns_of(rows)).price)
        priced.to_parquet(folder / f"{name}.parquet")


def load(folder: Path) -> World:
    """What ``prepare`` made."""
    frames = [pd.read_parquet(folder / f"{n}.parquet") for n in ("population", "newcomers")]
    return World(Bundle.load(folder / "bundle"), *frames)


def _new_states(frame: pd.DataFrame, seed: int) -> list[str]:
    """Small states at random, until together they have _NEW_SHARE of the listings."""
    shares = frame["state"].value_counts(normalize=True)
    small = shares[shares < _NEW_SHARE / 2]
    chosen: list[str] = []
    for state in np.random.default_rng(seed).permutation(small.index):
        if small[chosen].sum() < _NEW_SHARE:
            chosen.append(str(state))
    return chosen


def old_rule(reference: Batch, batch: Batch) -> bool:
    """Kolmogorov-Smirnov, p < 0.05, on any of the five columns; missing values left out."""
    from scipy.stats import ks_2samp

    def differs(column: str) -> bool:
        there, here = reference[column].dropna(), batch[column].dropna()
        return len(here) == 0 or bool(ks_2samp(there, here, method="asymp").pvalue < 0.05)

    return any(differs(column) for column in OLD_COLUMNS)


class Try:
    """One split of the population: a judge fitted on one half, batches from the other."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, np.random.default_rng(seed)
        keys = world.population["property_key"]
        names = keys.unique()
        here = keys.isin(self.rng.permutation(names)[: len(names) // 2]).to_numpy()
        known = world.population[here]
        self.rest = world.population[~here].reset_index(drop=True)
        self.reference = make_reference(known, known["predicted"].to_numpy(), seed=seed)
        started = time.process_time()
        self.judge = Judge(self.reference, learn_baseline(self.reference, seed=seed))
        self.learning = time.process_time() - started

    def batch(self, rows: int = N) -> Batch:
        """Untouched listings of the other half."""
        rows = min(rows, len(self.rest))
        return self.rest.iloc[self.rng.permutation(len(self.rest))[:rows]].reset_index(drop=True)

    def ask(self, question: str, batch: Batch, right: Callable[[DriftReport], bool]) -> Outcome:
        """Judge by both; ``right`` says whether the report is as it should be."""
        started = time.process_time()
        found = self.judge.batch(batch, self.world.bundle)
        seconds = time.process_time() - started
        old = old_rule(self.reference, batch)
        return Outcome(question, right(found), old, seconds, found.reasons[0])


def quiet(found: DriftReport) -> bool:
    return found.verdict == "no_drift"


def named(name: str, column: str, word: str = "") -> Callable[[DriftReport], bool]:
    """Whether drift was found and the first reason is this one (and says the word)."""

    def right(found: DriftReport) -> bool:
        first = found.exceeded[0] if found.exceeded else None
        return (
            first is not None
            and (first.name, first.column) == (name, column)
            and word in first.message
        )

    return right


def false_alarms(world: World, seed: int) -> list[Outcome]:
    """One pair of random halves, batches of each size."""
    one = Try(world, seed)
    return [one.ask(f"random halves, n = {n:,}", one.batch(n), quiet) for n in SIZES]


def found(world: World, seed: int) -> list[Outcome]:
    """One pair of halves, a batch of each kind of drift, and the clustered ones that are none."""
    one = Try(world, 10_000 + seed)
    asked = [
        one.ask("whole brokers, drawn at random", whole_brokers(one), quiet),
        one.ask("all sales of one month", one_month(one), quiet),
        one.ask("new states: 3 in 10 listings", new_states(one), named("unseen", "state")),
        one.ask(
            "broker mix: half from ten brokers", few_brokers(one), named("brokers", "brokered_by")
        ),
        one.ask(
            "house_size in square metres", in_metres(one), named("unit", "house_size", "metres")
        ),
        one.ask(
            "house_size in square metres in a third",
            in_metres(one, 1 / 3),
            named("unit", "house_size", "metres in "),
        ),
    ]
    for factor, side in ((1.1, "above"), (0.9, "below")):
        batch = one.batch().assign(price=lambda rows, by=factor: rows["price"] * by)
        right = named("price_level", "price", side)
        asked.append(one.ask(f"prices {factor - 1:+.0%}", batch, right))
    for column in LOST_FIELDS:
        batch = one.batch()
        batch[column] = batch[column].where(one.rng.random(len(batch)) >= 0.2)
        asked.append(one.ask(f"a fifth of {column} gone", batch, named("missing", column)))
    harmless = one.ask(
        "more of the cheap houses: moved, not hurts",
        cheap_houses(one),
        lambda report: report.moved and not report.hurts,
    )
    return [*asked, harmless]


def whole_brokers(one: Try) -> Batch:
    """Brokers at random with all their listings, until there are N."""
    order = one.rng.permutation(one.rest["brokered_by"].dropna().unique())
    rank = one.rest["brokered_by"].map({name: place for place, name in enumerate(order)})
    return one.rest.iloc[np.argsort(rank.to_numpy(na_value=np.inf), kind="stable")[:N]]


def one_month(one: Try) -> Batch:
    """As many sales as usual, all of one of the months with enough of them."""
    sold = one.rest["status"] == "sold"
    sales = round(N * float(sold.mean()))
    month = one.rest["prev_sold_date"].astype("str").str[:7].where(sold)
    counts = month.value_counts()
    chosen = one.rng.choice(counts[counts >= sales].index.to_numpy(dtype=object))
    return _mixed(one, one.rest[month == chosen], sales, one.rest[~sold])


def new_states(one: Try) -> Batch:
    return _mixed(one, one.world.newcomers, round(0.3 * N), one.rest)


def few_brokers(one: Try) -> Batch:
    """Half of the batch from the ten brokers with most listings."""
    few = one.rest["brokered_by"].value_counts().index[:10]
    theirs = one.rest["brokered_by"].isin(few)
    return _mixed(one, one.rest[theirs], N // 2, one.rest[~theirs])


def in_metres(one: Try, share: float = 1.0) -> Batch:
    batch = one.batch()
    broken = one.rng.random(len(batch)) < share
    metres = (batch["house_size"] / SQUARE_METRE).round(1)
    return batch.assign(house_size=batch["house_size"].where(~broken, metres))


def cheap_houses(one: Try) -> Batch:
    """Two thirds are houses with bed, bath and size whose price by the champion is low.

    Low: from the 10th to the 45th percentile of its prices. By its own price, not by the label,
    which would pick what is cheaper than it says.
    """
    low, high = one.rest["predicted"].quantile([0.10, 0.45])
    rows = one.rest[one.rest["predicted"].between(low, high)].dropna(
        subset=["bed", "bath", "house_size"]
    )
    return _mixed(one, rows, 2 * N // 3, one.rest)


def _mixed(one: Try, special: Batch, rows: int, others: Batch) -> Batch:
    """``rows`` of the special ones, where there are as many, and of the others up to N."""
    rows = min(rows, len(special))
    picked = [
        frame.iloc[one.rng.permutation(len(frame))[:count]]
        for frame, count in ((special, rows), (others, N - rows))
    ]
    return pd.concat(picked, ignore_index=True)


_WORLD: World | None = None


def _enter(folder: Path) -> None:
    global _WORLD
    warnings.simplefilter("ignore")
    _WORLD = load(folder)


def _work(task: tuple[Callable[[World, int], list[Outcome]], int]) -> list[Outcome]:
    assert _WORLD is not None
    return task[0](_WORLD, task[1])


def measure(
    folder: Path, *, halves: int, tries: int, jobs: int = 1, minutes: float = math.inf
) -> list[Outcome]:
    """The outcomes of ``halves`` pairs for false alarms and ``tries`` for what is found.

    After ``minutes`` no more are waited for.
    """
    tasks = [(false_alarms, seed) for seed in range(halves)] + [(found, s) for s in range(tries)]
    # In turns, so that a run whose minutes are over has some of each to report.
    tasks.sort(key=lambda task: task[1] / (halves if task[0] is false_alarms else tries))
    if jobs <= 1:
        _enter(folder)
        return _collect(map(_work, tasks), len(tasks), minutes)
    with ProcessPoolExecutor(jobs, get_context("spawn"), _enter, (folder,)) as pool:
        try:
            return _collect(pool.map(_work, tasks), len(tasks), minutes)
        finally:
            pool.shutdown(cancel_futures=True)


def _collect(outcomes: Iterable[list[Outcome]], total: int, minutes: float) -> list[Outcome]:
    made: list[Outcome] = []
    started = time.monotonic()
    for done, some in enumerate(outcomes, start=1):
        made += some
        spent = time.monotonic() - started
        if done % 10 == 0 or done == total:
            print(f"  {done} of {total}, {spent:.0f} s", file=sys.stderr)
        if spent > 60 * minutes:
            break
    return made


def summary(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str, str, str]]:
    """One row a question: our judge, its limit, the old rule, tries."""
    rows = []
    for question in dict.fromkeys(outcome.question for outcome in outcomes):
        asked = [outcome for outcome in outcomes if outcome.question == question]
        share = np.mean([outcome.ok for outcome in asked])
        old = np.mean([outcome.old_alarm for outcome in asked])
        if question.startswith(("random", "whole", "all sales")):
            rows.append((f"false alarms: {question}", f"{1 - share:.1%}", "≤ 5 %", f"{old:.1%}"))
        elif "not hurts" in question:
            rows.append((question, f"{share:.1%}", "≥ 80 %", f"alarm {old:.1%}"))
        else:
            rows.append(
                (f"found, rightly named: {question}", f"{share:.1%}", "≥ 95 %", f"alarm {old:.1%}")
            )
        rows[-1] = (*rows[-1], str(len(asked)))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the table, as the command line (or ``arguments``) has it."""
    parser = report.arguments(__doc__)
    parser.add_argument("--halves", type=int, default=200, help="pairs of halves for false alarms")
    parser.add_argument("--tries", type=int, default=100, help="batches of each kind of drift")
    parser.add_argument("--quick", action="store_true", help="10 halves and 5 tries")
    parser.add_argument("--trials", type=int, default=2, help="of the champion's search")
    parser.add_argument("--seed", type=int, default=0, help="of the champion and the new states")
    parser.add_argument("--minutes", type=float, default=math.inf, help="then report what there is")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--wrong", action="store_true", help="print the first reason of each miss")
    parser.add_argument(
        "--keep", type=Path, help="folder for the champion, used again if it is there"
    )
    given = report.parsed(parser, arguments)
    halves, tries = (10, 5) if given.quick else (given.halves, given.tries)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as scratch:
        folder = given.keep or Path(scratch)
        if not (folder / "newcomers.parquet").exists():
            print("training the champion", file=sys.stderr)
            folder.mkdir(parents=True, exist_ok=True)
            prepare(Path(given.csv), folder, trials=given.trials, seed=given.seed)
        outcomes = measure(
            folder, halves=halves, tries=tries, jobs=given.jobs, minutes=given.minutes
        )
    if given.wrong:
        for outcome in outcomes:
            if not outcome.ok:
                print(f"missed: {outcome.question}: {outcome.told}", file=sys.stderr)
    header = ("question", "judge", "limit", "old rule", "tries")
    text = report.table(header, summary(outcomes))
    judged = np.median([o.seconds for o in outcomes if f"{N:,}" in o.question])
    text += f"\n\nA batch of {N:,} rows, the reference fitted: {judged:.2f} s of processor time."
    print(text)
    if given.write:
        report.write_section("drift", f"{report.machine()}\n\n{text}")


if __name__ == "__main__":
    main()
