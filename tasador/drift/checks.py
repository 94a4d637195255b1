"""The checks on a batch's rows: each one measures, compares with its limit and explains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tasador.drift.baseline import Baseline
from tasador.drift.detectors import (
    Detectors,
    batch_value,
    reference_mean,
    reference_std,
    with_limits,
)
from tasador.drift.measures import (
    AMOUNTS,
    ANSWER,
    BROKER,
    CATEGORIES,
    MOVED_BROKERS,
    RATIO,
    expected_missing,
    in_market,
)
from tasador.drift.reasons import describe_brokers, describe_mix, describe_shift
from tasador.drift.thresholds import Thresholds
from tasador.drift.units import find_unit
from tasador.listings.listing import INPUTS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check: a measured value and the limit it is compared with.

    ``effect`` says what an exceeded limit means: the data "moved", the champion's error rose
    ("hurts"), "both", or the source's feed is "broken". ``message`` is for people and gives the
    numbers, whether or not the limit is exceeded.
    """

    name: str
    column: str
    value: float
    limit: float
    effect: Literal["moved", "hurts", "both", "broken"]
    message: str

    @property
    def exceeded(self) -> bool:
        return self.value > self.limit

    @property
    def scored(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {"value": self.value, "limit": self.limit, "exceeded": self.exceeded}


@dataclass(slots=True)
class CheckResult:
    """The findings of one detector, its scores as JSON values, and NannyML's results.

    ``results`` maps (name, column) of a finding to the NannyML result behind it; one result may
    cover several columns.
    """

    findings: list[Finding] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)
    results: dict[tuple[str, str], Any] = field(default_factory=dict)

    def add(self, finding: Finding, result: Any = None) -> None:
        """Add a finding, with the NannyML result behind it if there is one."""
        self.findings.append(finding)
        if result is not None:
            self.results[finding.name, finding.column] = result


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceProfile:
    """What a batch is compared with: the reference's detectors and baseline, and thresholds."""

    detectors: Detectors
    baseline: Baseline
    thresholds: Thresholds

    @property
    def rows(self) -> int:
        """The number of rows of the reference."""
        return len(self.detectors.raw)


def distributions(
    profile: ReferenceProfile, batch: pd.DataFrame, columns: tuple[str, ...]
) -> CheckResult:
    """Compare the distribution of each measured column with the reference's."""
    checked = CheckResult()
    result = profile.detectors.distances(batch)
    for column in columns:
        reference, current = profile.detectors.measured[column].dropna(), batch[column].dropna()
        if current.empty or reference.empty:
            empty = "batch" if current.empty else "champion's data"
            checked.scores[column] = {"value": None, "says": f"no values in the {empty}"}
        elif column in CATEGORIES:
            _compare_mix(checked, profile, result, reference, current)
        else:
            _compare_numbers(checked, profile, result, reference, current)
    return checked


def _compare_mix(
    checked: CheckResult,
    profile: ReferenceProfile,
    result: Any,
    reference: pd.Series,
    current: pd.Series,
) -> None:
    column = str(reference.name)
    # For equal shares scipy may take the square root of -1e-17.
    value = 0.0 if _equal(reference, current) else batch_value(result, column, "jensen_shannon")
    categories = np.union1d(reference.unique().astype(str), current.unique().astype(str))
    limit = profile.thresholds.jensen_shannon(
        len(current), len(reference), len(categories), profile.baseline.of("mix", column)
    )
    finding = Finding(
        name="mix",
        column=column,
        value=value,
        limit=limit,
        effect="moved",
        message=describe_mix(reference, current, value, limit),
    )
    checked.add(finding, with_limits(result, (column, "jensen_shannon"), None, limit))
    checked.scores[column] = {"method": "jensen_shannon", **finding.scored}


def _compare_numbers(
    checked: CheckResult,
    profile: ReferenceProfile,
    result: Any,
    reference: pd.Series,
    current: pd.Series,
) -> None:
    column = str(reference.name)
    value = batch_value(result, column, "kolmogorov_smirnov")
    limit = profile.thresholds.kolmogorov_smirnov(
        len(current), len(reference), profile.baseline.of("distribution", column)
    )
    name = "answers" if column == ANSWER else "distribution"
    unit = find_unit(reference, current) if value > limit else None
    if unit is not None:
        name = "unit"
    finding = Finding(
        name=name,
        column=column,
        value=value,
        limit=limit,
        # Half of the values in another unit: the source changed, not the market.
        effect="broken" if unit and unit.share >= profile.thresholds.broken else "moved",
        message=describe_shift(reference, current, value, limit, unit),
    )
    with_limits(result, (column, "kolmogorov_smirnov"), None, limit)
    checked.scores[column] = {"method": "kolmogorov_smirnov", **finding.scored}
    if column == RATIO and current.abs().mean() < reference.abs().mean():
        # The champion was trained on this batch: a smaller error than usual is not drift.
        checked.scores[column] |= {"exceeded": False, "says": "closer than usual"}
        checked.results[name, column] = result
    else:
        checked.add(finding, result)


def missing(profile: ReferenceProfile, batch: pd.DataFrame) -> CheckResult:
    """Compare how often each input is missing, beyond a change of the status mix; raw rows."""
    checked = CheckResult()
    result = profile.detectors.missing(batch)
    expected = expected_missing(profile.detectors.raw, batch)
    for column in INPUTS:
        usual = expected[column]
        limit = profile.thresholds.share(
            profile.thresholds.missing,
            usual,
            len(batch),
            profile.rows,
            profile.baseline.of("missing", column),
        )
        rate = batch_value(result, column)
        finding = Finding(
            name="missing",
            column=column,
            value=abs(rate - usual),
            limit=limit,
            effect="moved",
            message=f"{column} is missing in {rate:.0%} of the listings, compared with "
            f"{usual:.0%} in the champion's data",
        )
        # No share is negative.
        low = usual - limit if usual > limit else None
        checked.add(finding, with_limits(result, (column,), low, usual + limit))
        checked.scores[column] = {"rate": rate, "reference": usual, **finding.scored}
    return checked


def unseen(profile: ReferenceProfile, batch: pd.DataFrame) -> CheckResult:
    """Measure how many listings have a state, zip area or status that the reference lacks."""
    checked = CheckResult()
    result = profile.detectors.unseen(batch)
    measured = profile.detectors.measured
    for column in (c for c in CATEGORIES if measured[c].notna().any()):
        counts = measured[column].value_counts()
        once = float((counts == 1).sum() / counts.sum())
        usual = max(once, profile.baseline.usually_new.get(column, 0.0))
        limit = profile.thresholds.new_share(usual, len(batch), len(measured))
        rate = batch_value(result, column)
        new = batch.loc[~batch[column].isin(counts.index), column].dropna().value_counts()
        shown = ", ".join(str(v) for v in new.index[:5]) + (", …" if len(new) > 5 else "")
        where = {
            "state": "are in states",
            "zip_area": "are in zip areas",
            "status": "have a status",
        }[column]
        finding = Finding(
            name="unseen",
            column=column,
            value=rate,
            limit=limit,
            effect="moved",
            message=f"{rate:.0%} of the listings {where} that the champion's data does not "
            f"contain{f' ({shown})' if shown else ''}",
        )
        checked.add(finding, with_limits(result, (column,), None, limit))
        checked.scores[column] = {"new": [str(v) for v in new.index[:50]], **finding.scored}
    return checked


def brokers(profile: ReferenceProfile, batch: pd.DataFrame) -> CheckResult:
    """Measure whether a few brokers now account for many of the listings; raw rows.

    Brokers come and go, and each one lists in its own region, so a change of the whole mix means
    little. The value is the share gained by the MOVED_BROKERS brokers that gained most.
    """
    reference, current = profile.detectors.raw[BROKER].dropna(), batch[BROKER].dropna()
    if reference.empty or current.empty:
        return CheckResult(scores={"value": None, "says": "no brokers to compare"})
    shares = current.value_counts(normalize=True)
    usual = reference.value_counts(normalize=True).reindex(shares.index, fill_value=0.0)
    gained = (shares - usual).clip(lower=0).nlargest(MOVED_BROKERS)
    # The gains in the reference's own batches include chance, but that of one sample only.
    limit = max(profile.thresholds.brokers, profile.baseline.brokers_gain(len(current)))
    value = float(gained.sum())
    finding = Finding(
        name="brokers",
        column=BROKER,
        value=value,
        limit=limit,
        effect="moved",
        message=describe_brokers(shares[gained.index], usual[gained.index], exceeded=value > limit),
    )
    most = {str(name): float(shares[name]) for name in gained.index}
    return CheckResult([finding], {"most": most, **finding.scored})


def outside_market(profile: ReferenceProfile, batch: pd.DataFrame) -> CheckResult:
    """Measure how many prices lie outside the range that the champion predicts."""
    both = (batch, profile.detectors.raw)
    rate, usual = (1 - float(in_market(rows["price"].to_numpy()).mean()) for rows in both)
    finding = Finding(
        name="outside_market",
        column="price",
        value=rate - usual,
        limit=profile.thresholds.share(profile.thresholds.outside, usual, len(batch), profile.rows),
        # Half of the listings: rents, or another column, and no model is trained on them anyway.
        effect="broken" if rate - usual > profile.thresholds.broken else "moved",
        message=f"{rate:.0%} of the prices lie outside the range that models are trained on, "
        f"compared with {usual:.0%} in the champion's data",
    )
    return CheckResult([finding], {"rate": rate, "reference": usual, **finding.scored})


def structure(
    profile: ReferenceProfile, batch: pd.DataFrame, columns: tuple[str, ...]
) -> CheckResult:
    """Check whether the fields are still related in the same way (PCA reconstruction).

    Uses the amounts among ``columns``, with status and state.
    """
    columns = (*(c for c in columns if c in AMOUNTS), "status", "state")
    result = profile.detectors.reconstruction(batch, columns)
    key = "reconstruction_error"
    current, usual = batch_value(result, key), reference_mean(result, key)
    spread = reference_std(result, key)
    limit = profile.thresholds.shift(
        profile.thresholds.reconstruction,
        1.0,
        len(batch),
        profile.rows,
        profile.baseline.of("structure", ""),
    )
    finding = Finding(
        name="structure",
        column="",
        # A reference of identical rows has no spread.
        value=abs(current - usual) / spread if spread > 0 else 0.0,
        limit=limit,
        effect="moved",
        message="the relations between the fields differ from the champion's data: "
        f"reconstruction error {current:.2f}, compared with {usual:.2f}",
    )
    scores = {key: current, "reference": usual, "spread": spread}
    checked = CheckResult(scores=scores | finding.scored)
    margin = limit * spread
    checked.add(finding, with_limits(result, (key,), usual - margin, usual + margin))
    return checked


def _equal(reference: pd.Series, current: pd.Series) -> bool:
    shares = [s.value_counts(normalize=True) for s in (current, reference)]
    return bool(np.allclose(shares[0].sub(shares[1], fill_value=0), 0, atol=1e-12))
