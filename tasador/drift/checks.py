"""The questions put to a batch's rows: each measures, compares with its limit, and says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tasador.drift.baseline import Baseline
from tasador.drift.detectors import Detectors, limited, spread_of, usual_of, value_of
from tasador.drift.measures import (
    AMOUNTS,
    ANSWER,
    BROKER,
    CATEGORIES,
    MOVED_BROKERS,
    RATIO,
    in_market,
)
from tasador.drift.thresholds import Thresholds
from tasador.drift.units import unit_of
from tasador.drift.words import brokers_in_words, mix_in_words, shift_in_words
from tasador.listings.listing import INPUTS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One question's answer. It is beyond its limit, or (``exceeded`` False) it is not.

    ``effect`` tells what it shows: the data "moved", the champion errs more ("hurts"), or "both".
    ``says`` is for people and holds the numbers, whether or not the limit was exceeded.
    """

    name: str
    column: str
    value: float
    limit: float
    effect: Literal["moved", "hurts", "both"]
    says: str

    @property
    def exceeded(self) -> bool:
        return self.value > self.limit

    @property
    def scored(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {"value": self.value, "limit": self.limit, "exceeded": self.exceeded}


@dataclass(slots=True)
class Checked:
    """The findings of one detector, its scores as JSON values, and NannyML's results.

    ``results`` go by the name and column of the finding that each led to; one result may hold
    several columns.
    """

    findings: list[Finding] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)
    results: dict[tuple[str, str], Any] = field(default_factory=dict)

    def add(self, finding: Finding, result: Any = None) -> None:
        """Take a finding, and the result that it comes from, if there is one."""
        self.findings.append(finding)
        if result is not None:
            self.results[finding.name, finding.column] = result


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """What a batch is measured by: the reference's detectors, its baseline, and the thresholds."""

    known: Detectors
    baseline: Baseline
    limits: Thresholds


def distributions(by: Yardstick, batch: pd.DataFrame, columns: tuple[str, ...]) -> Checked:
    """How far the distribution of each of these measured columns lies from the reference's."""
    checked = Checked()
    result = by.known.distances(batch)
    for column in columns:
        there, here = by.known.measured[column].dropna(), batch[column].dropna()
        if here.empty or there.empty:
            empty = "batch" if here.empty else "champion's data"
            checked.scores[column] = {"value": None, "says": f"no values in the {empty}"}
        elif column in CATEGORIES:
            _compare_mix(checked, by, result, there, here)
        else:
            _compare_numbers(checked, by, result, there, here)
    return checked


def _compare_mix(
    checked: Checked, by: Yardstick, result: Any, there: pd.Series, here: pd.Series
) -> None:
    column = str(there.name)
    same = _equal(there, here)  # of which scipy may take the root of -1e-17
    value = 0.0 if same else value_of(result, column, "jensen_shannon")
    kinds = np.union1d(there.unique().astype(str), here.unique().astype(str))
    limit = by.limits.jensen_shannon(
        len(here), len(there), len(kinds), by.baseline.of("mix", column)
    )
    says = mix_in_words(there, here, value, limit)
    finding = Finding(
        name="mix", column=column, value=value, limit=limit, effect="moved", says=says
    )
    checked.add(finding, limited(result, (column, "jensen_shannon"), None, limit))
    checked.scores[column] = {"method": "jensen_shannon", **finding.scored}


def _compare_numbers(
    checked: Checked, by: Yardstick, result: Any, there: pd.Series, here: pd.Series
) -> None:
    column = str(there.name)
    value = value_of(result, column, "kolmogorov_smirnov")
    limit = by.limits.kolmogorov_smirnov(
        len(here), len(there), by.baseline.of("distribution", column)
    )
    name = "answers" if column == ANSWER else "distribution"
    unit = unit_of(there, here) if value > limit else None
    if unit is not None:
        name = "unit"
    says = shift_in_words(there, here, value, limit, unit)
    finding = Finding(name=name, column=column, value=value, limit=limit, effect="moved", says=says)
    limited(result, (column, "kolmogorov_smirnov"), None, limit)
    checked.scores[column] = {"method": "kolmogorov_smirnov", **finding.scored}
    if column == RATIO and here.abs().mean() < there.abs().mean():
        # A batch that the champion has learnt from: being nearer than usual is no drift.
        checked.scores[column] |= {"exceeded": False, "says": "nearer than usual"}
        checked.results[name, column] = result
    else:
        checked.add(finding, result)


def missing(by: Yardstick, batch: pd.DataFrame) -> Checked:
    """How much oftener (or more rarely) each input is missing; rows as they came."""
    checked = Checked()
    result = by.known.missing(batch)
    for column in INPUTS:
        usual = float(by.known.raw[column].isna().mean())
        clustering = by.baseline.of("missing", column)
        limit = by.limits.share(by.limits.missing, usual, len(batch), len(by.known.raw), clustering)
        rate = value_of(result, column)
        finding = Finding(
            name="missing",
            column=column,
            value=abs(rate - usual),
            limit=limit,
            effect="moved",
            says=f"{column} is missing in {rate:.0%} of the listings, against {usual:.0%} in the "
            "champion's data",
        )
        checked.add(finding, limited(result, (column,), usual - limit, usual + limit))
        checked.scores[column] = {"rate": rate, "reference": usual, **finding.scored}
    return checked


def unseen(by: Yardstick, batch: pd.DataFrame) -> Checked:
    """How many listings are in states, zip areas or of a status that the reference lacks."""
    checked = Checked()
    result = by.known.unseen(batch)
    for column in (c for c in CATEGORIES if by.known.measured[c].notna().any()):
        counts = by.known.measured[column].value_counts()
        once = float((counts == 1).sum() / counts.sum())
        usual = max(once, by.baseline.usually_new.get(column, 0.0))
        limit = by.limits.new_share(usual, len(batch), len(by.known.measured))
        rate = value_of(result, column)
        fresh = batch.loc[~batch[column].isin(counts.index), column].dropna().value_counts()
        shown = ", ".join(str(v) for v in fresh.index[:5]) + (", …" if len(fresh) > 5 else "")
        what = {"state": "states", "zip_area": "zip areas", "status": "a status"}[column]
        finding = Finding(
            name="unseen",
            column=column,
            value=rate,
            limit=limit,
            effect="moved",
            says=f"{rate:.0%} of the listings are in {what} that the champion's data does not "
            f"hold{f' ({shown})' if shown else ''}",
        )
        checked.add(finding, limited(result, (column,), None, limit))
        checked.scores[column] = {"new": [str(v) for v in fresh.index[:50]], **finding.scored}
    return checked


def brokers(by: Yardstick, batch: pd.DataFrame) -> Checked:
    """Whether a few brokers have come to have much of the listings.

    Brokers come and go, and each lists where it is: of their whole mix nothing follows. What is
    measured is the share that the MOVED_BROKERS which gained most gained. Raw rows.
    """
    there, here = by.known.raw[BROKER].dropna(), batch[BROKER].dropna()
    if there.empty or here.empty:
        return Checked(scores={"value": None, "says": "no brokers to compare"})
    shares = here.value_counts(normalize=True)
    usual = there.value_counts(normalize=True).reindex(shares.index, fill_value=0.0)
    gained = (shares - usual).clip(lower=0).nlargest(MOVED_BROKERS)
    # What the reference's own batches gained holds chance too, but of one sample alone.
    limit = max(by.limits.brokers, by.baseline.brokers_gain(len(here)))
    finding = Finding(
        name="brokers",
        column=BROKER,
        value=float(gained.sum()),
        limit=limit,
        effect="moved",
        says=brokers_in_words(shares[gained.index], usual[gained.index]),
    )
    most = {str(name): float(shares[name]) for name in gained.index}
    return Checked([finding], {"most": most, **finding.scored})


def outside(by: Yardstick, batch: pd.DataFrame) -> Checked:
    """How many prices lie outside the market: the champion has no answer for those."""
    both = (batch, by.known.raw)
    rate, usual = (1 - float(in_market(rows["price"].to_numpy()).mean()) for rows in both)
    finding = Finding(
        name="outside_market",
        column="price",
        value=rate - usual,
        limit=by.limits.share(by.limits.outside, usual, len(batch), len(by.known.raw)),
        effect="moved",
        says=f"{rate:.0%} of the prices lie outside the market that models are trained on, "
        f"against {usual:.0%} in the champion's data",
    )
    return Checked([finding], {"rate": rate, "reference": usual, **finding.scored})


def structure(by: Yardstick, batch: pd.DataFrame, columns: tuple[str, ...]) -> Checked:
    """Whether the fields still go together as they did (PCA reconstruction).

    Of ``columns`` the amounts are looked at, with status and state.
    """
    columns = (*(c for c in columns if c in AMOUNTS), "status", "state")
    result = by.known.reconstruction(batch, columns)
    key = "reconstruction_error"
    here, there, spread = value_of(result, key), usual_of(result, key), spread_of(result, key)
    limit = by.limits.shift(
        by.limits.reconstruction,
        1.0,
        len(batch),
        len(by.known.raw),
        by.baseline.of("structure", ""),
    )
    finding = Finding(
        name="structure",
        column="",
        # A reference of equal rows has no spread, and nothing to lose.
        value=abs(here - there) / spread if spread > 0 else 0.0,
        limit=limit,
        effect="moved",
        says="the fields go together otherwise than in the champion's data: reconstruction error "
        f"{here:.2f} against {there:.2f}",
    )
    scores = {key: here, "reference": there, "spread": spread}
    checked = Checked(scores=scores | finding.scored)
    checked.add(finding, limited(result, (key,), there - limit * spread, there + limit * spread))
    return checked


def _equal(there: pd.Series, here: pd.Series) -> bool:
    shares = [s.value_counts(normalize=True) for s in (here, there)]
    return bool(np.allclose(shares[0].sub(shares[1], fill_value=0), 0, atol=1e-12))
