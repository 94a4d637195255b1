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

SIZES = (3_000, 10_000, 30_000)
N = 3_000
LEGACY_COLUMNS = ("price", "bed", "bath", "acre_lot", "house_size")
LOST_FIELDS = (
    *("house_size", "bed", "bath", "acre_lot", "zip_code", "state", "status", "brokered_by"),
    "prev_sold_date",
)
SQUARE_METRE = 10.7639  # square feet

_MOST_ROWS = 90_000  # of the file; more rows are slower and do not change the result
_OWN_SHARE, _NEW_SHARE = 0.14, 0.09  # for the champion; in states that it is not trained on


@dataclass(frozen=True)
class World:
    """A champion, and listings that it has not seen, with its price of each in ``predicted``.

    ``population`` is one market; ``newcomers`` lie in states that the champion does not know.
    """

    bundle: Bundle
    population: pd.DataFrame
    newcomers: pd.DataFrame


@dataclass(frozen=True)
class Outcome:
    """One judged batch: whether the judge was right, and whether the legacy rule alarmed."""

    case: str
    ok: bool
    legacy_alarm: bool
    seconds: float
    first_reason: str


def prepare(csv: Path, folder: Path, *, trials: int = 2, seed: int = 0) -> None:
    """Train the champion on ``csv``; write it and the listings it has not seen to ``folder``."""
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


def legacy_rule(reference: pd.DataFrame, batch: pd.DataFrame) -> bool:
    """Kolmogorov-Smirnov with p < 0.05 on any of the five columns; missing values are ignored."""
    from scipy.stats import ks_2samp

    def differs(column: str) -> bool:
        known, current = reference[column].dropna(), batch[column].dropna()
        return len(current) == 0 or bool(ks_2samp(known, current, method="asymp").pvalue < 0.05)

    return any(differs(column) for column in LEGACY_COLUMNS)


class Try:
    """One split of the population: a judge fitted on one half, batches from the other."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, np.random.default_rng(seed)
        keys = world.population["property_key"]
        names = keys.unique()
        in_reference = keys.isin(self.rng.permutation(names)[: len(names) // 2]).to_numpy()
        known = world.population[in_reference]
        self.rest = world.population[~in_reference].reset_index(drop=True)
        self.reference = make_reference(known, known["predicted"].to_numpy(), seed=seed)
        self.judge = Judge(self.reference, learn_baseline(self.reference, seed=seed))

    def batch(self, rows: int = N) -> pd.DataFrame:
        """Unchanged listings of the other half."""
        rows = min(rows, len(self.rest))
        return self.rest.iloc[self.rng.permutation(len(self.rest))[:rows]].reset_index(drop=True)

    def judge_case(
        self, case: str, batch: pd.DataFrame, is_right: Callable[[DriftReport], bool]
    ) -> Outcome:
        """Judge a batch with both rules; ``is_right`` checks the report."""
        started = time.process_time()
        drift_report = self.judge.batch(batch, self.world.bundle)
        seconds = time.process_time() - started
        legacy_alarm = legacy_rule(self.reference, batch)
        return Outcome(case, is_right(drift_report), legacy_alarm, seconds, drift_report.reasons[0])


def quiet(report: DriftReport) -> bool:
    return report.verdict == "no_drift"


def named(name: str, column: str, word: str = "") -> Callable[[DriftReport], bool]:
    """Whether drift was detected and the first reason is this one and contains ``word``."""

    def is_right(report: DriftReport) -> bool:
        first = report.exceeded[0] if report.exceeded else None
        return (
            first is not None
            and (first.name, first.column) == (name, column)
            and word in first.message
        )

    return is_right


def false_alarms(world: World, seed: int) -> list[Outcome]:
    """One pair of random halves, batches of each size."""
    one = Try(world, seed)
    return [one.judge_case(f"random halves, n = {n:,}", one.batch(n), quiet) for n in SIZES]


def detections(world: World, seed: int) -> list[Outcome]:
    """One pair of halves: a batch of each kind of drift, and clustered batches without drift."""
    one = Try(world, 10_000 + seed)
    outcomes = [
        one.judge_case("whole brokers, sampled at random", whole_brokers(one), quiet),
        one.judge_case("all sales of one month", one_month(one), quiet),
        one.judge_case("new states: 3 in 10 listings", new_states(one), named("unseen", "state")),
        one.judge_case(
            "broker mix: half from ten brokers", few_brokers(one), named("brokers", "brokered_by")
        ),
        one.judge_case(
            "house_size in square metres", in_metres(one), named("unit", "house_size", "metres")
        ),
        one.judge_case(
            "house_size in square metres in a third",
            in_metres(one, 1 / 3),
            named("unit", "house_size", "metres in "),
        ),
    ]
    for factor, side in ((1.1, "above"), (0.9, "below")):
        batch = one.batch().assign(price=lambda rows, by=factor: rows["price"] * by)
        is_right = named("price_level", "price", side)
        outcomes.append(one.judge_case(f"prices {factor - 1:+.0%}", batch, is_right))
    for column in LOST_FIELDS:
        batch = one.batch()
        batch[column] = batch[column].where(one.rng.random(len(batch)) >= 0.2)
        outcomes.append(
            one.judge_case(f"a fifth of {column} missing", batch, named("missing", column))
        )
    harmless = one.judge_case(
        "more of the cheap houses: moved, not hurts",
        cheap_houses(one),
        lambda report: report.moved and not report.hurts,
    )
    return [*outcomes, harmless]


def whole_brokers(one: Try) -> pd.DataFrame:
    """Random brokers with all their listings, up to N listings."""
    order = one.rng.permutation(one.rest["brokered_by"].dropna().unique())
    rank = one.rest["brokered_by"].map({name: place for place, name in enumerate(order)})
    return one.rest.iloc[np.argsort(rank.to_numpy(na_value=np.inf), kind="stable")[:N]]


def one_month(one: Try) -> pd.DataFrame:
    """The usual share of sales, all from one month that has enough of them."""
    sold = one.rest["status"] == "sold"
    sales = round(N * float(sold.mean()))
    month = one.rest["prev_sold_date"].astype("str").str[:7].where(sold)
    counts = month.value_counts()
    chosen = one.rng.choice(counts[counts >= sales].index.to_numpy(dtype=object))
    return _mixed(one, one.rest[month == chosen], sales, one.rest[~sold])


def new_states(one: Try) -> pd.DataFrame:
    return _mixed(one, one.world.newcomers, round(0.3 * N), one.rest)


def few_brokers(one: Try) -> pd.DataFrame:
    """Half of the batch comes from the ten brokers with the most listings."""
    largest = one.rest["brokered_by"].value_counts().index[:10]
    of_largest = one.rest["brokered_by"].isin(largest)
    return _mixed(one, one.rest[of_largest], N // 2, one.rest[~of_largest])


def in_metres(one: Try, share: float = 1.0) -> pd.DataFrame:
    batch = one.batch()
    broken = one.rng.random(len(batch)) < share
    metres = (batch["house_size"] / SQUARE_METRE).round(1)
    return batch.assign(house_size=batch["house_size"].where(~broken, metres))


def cheap_houses(one: Try) -> pd.DataFrame:
    """Two thirds are houses with bed, bath and size that the champion prices low.

    Low means from the 10th to the 45th percentile of its predictions. Selecting by the label would
    select houses that are cheaper than predicted.
    """
    low, high = one.rest["predicted"].quantile([0.10, 0.45])
    rows = one.rest[one.rest["predicted"].between(low, high)].dropna(
        subset=["bed", "bath", "house_size"]
    )
    return _mixed(one, rows, 2 * N // 3, one.rest)


def _mixed(one: Try, special: pd.DataFrame, rows: int, others: pd.DataFrame) -> pd.DataFrame:
    """Up to ``rows`` of the special listings, filled up with others to N."""
    rows = min(rows, len(special))
    picked = [
        frame.iloc[one.rng.permutation(len(frame))[:count]]
        for frame, count in ((special, rows), (others, N - rows))
    ]
    return pd.concat(picked, ignore_index=True)


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
