"""The cases of the drift benchmark: batches unchanged, or changed in a known way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasador.drift.baseline import learn_baseline
from tasador.drift.judge import Judge
from tasador.drift.reference import make_reference
from tasador.drift.report import DriftReport
from tasador.model.bundle import Bundle

SIZES = (3_000, 10_000, 30_000)
N = 3_000
LEGACY_COLUMNS = ("price", "bed", "bath", "acre_lot", "house_size")
LOST_FIELDS = (
    *("house_size", "bed", "bath", "acre_lot", "zip_code", "state", "status", "brokered_by"),
    "prev_sold_date",
)
SQUARE_METRE = 10.7639  # square feet


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


def broken_feed(column: str) -> Callable[[DriftReport], bool]:
    """Whether the verdict is a broken feed, and this field is named alone."""

    def is_right(report: DriftReport) -> bool:
        fields = report.scores.get("broken_fields")
        return report.verdict == "broken_feed" and fields == [column]

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
    for column in LOST_FIELDS:
        is_right = broken_feed(column)
        batch = one.batch().assign(**{column: None})
        outcomes.append(one.judge_case(f"broken feed: {column} is gone", batch, is_right))
    sold = one.rest[one.rest["status"] == "sold"]
    outcomes.append(
        one.judge_case("sold rows only", _mixed(one, sold, N, sold), named("mix", "status"))
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
