"""The questions put to a batch: each measures, compares with its limit, and says it in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tasador.drift import detectors
from tasador.drift.measures import (
    AMOUNTS,
    ANSWER,
    CATEGORIES,
    FIELDS,
    PREDICTED,
    RATIO,
    DriftError,
    in_market,
)
from tasador.drift.thresholds import Thresholds
from tasador.drift.words import mix_in_words, shift_in_words, unit_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One question's answer. It is beyond its limit, or (``exceeded`` False) it is not.

    ``effect`` tells whether the data "moved" or the champion's error shows that it "hurts".
    ``says`` is for people and holds the numbers, whether or not the limit was exceeded.
    """

    name: str
    column: str
    value: float
    limit: float
    effect: Literal["moved", "hurts"]
    says: str

    @property
    def exceeded(self) -> bool:
        return self.value > self.limit


@dataclass(slots=True)
class Checked:
    """The findings of one detector, its scores as JSON values, and NannyML's results.

    ``results`` go by the name and column of the finding that each led to.
    """

    findings: list[Finding] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)
    results: dict[tuple[str, str], Any] = field(default_factory=dict)


def distributions(
    reference: pd.DataFrame,
    batch: pd.DataFrame,
    limits: Thresholds,
    columns: tuple[str, ...] = (*AMOUNTS, RATIO, *CATEGORIES),
) -> Checked:
    """How far each measured column's distribution lies from the reference's."""
    checked = Checked()
    compared: dict[str, float] = {}
    for column in columns:
        here, there = int(batch[column].notna().sum()), int(reference[column].notna().sum())
        if not here or not there:
            empty = "batch" if not here else "champion's data"
            checked.scores[column] = {"value": None, "says": f"no values in the {empty}"}
        elif column in CATEGORIES:
            known = reference[column].dropna().unique()
            seen = np.union1d(known.astype(str), batch[column].dropna().unique().astype(str))
            compared[column] = limits.jensen_shannon(here, there, len(seen))
        else:
            compared[column] = limits.kolmogorov_smirnov(here, there)
    results = detectors.distances(reference, batch, compared)
    for column, result in results.items():
        method = "jensen_shannon" if column in CATEGORIES else "kolmogorov_smirnov"
        same = column in CATEGORIES and _equal(reference[column], batch[column])
        value = 0.0 if same else _value(result, column, method)
        kind, in_words = (
            ("mix", mix_in_words) if column in CATEGORIES else ("distribution", shift_in_words)
        )
        says = in_words(reference[column], batch[column], value, compared[column])
        if column in AMOUNTS and unit_of(reference[column], batch[column]):
            kind = "unit"
        if column == ANSWER:
            kind = "answers"
        finding = Finding(
            name=kind,
            column=column,
            value=value,
            limit=compared[column],
            effect="moved",
            says=says,
        )
        checked.results[kind, column] = result
        checked.scores[column] = {"method": method, **_scored(finding)}
        if column == RATIO and batch[RATIO].abs().mean() < reference[RATIO].abs().mean():
            # A batch that the champion has learnt from: being nearer than usual is no drift.
            checked.scores[column] |= {"exceeded": False, "says": "nearer than usual"}
        else:
            checked.findings.append(finding)
    return checked


def missing(reference: pd.DataFrame, batch: pd.DataFrame, limits: Thresholds) -> Checked:
    """How much oftener (or more rarely) each input is missing; rows as they came."""
    checked = Checked()
    usually = {name: float(reference[name].isna().mean()) for name in FIELDS}
    changes = {
        name: limits.share(limits.missing, usual, len(batch), len(reference))
        for name, usual in usually.items()
    }
    bounds = {name: (usually[name] - by, usually[name] + by) for name, by in changes.items()}
    for name, result in detectors.missing_rates(reference, batch, bounds).items():
        rate, usual = _value(result, name), usually[name]
        finding = Finding(
            name="missing",
            column=name,
            value=abs(rate - usual),
            limit=changes[name],
            effect="moved",
            says=f"{name} is missing in {rate:.0%} of the listings, against {usual:.0%} in the "
            "champion's data",
        )
        checked.findings.append(finding)
        checked.scores[name] = {"rate": rate, "reference": usual, **_scored(finding)}
        checked.results["missing", name] = result
    return checked


def unseen(reference: pd.DataFrame, batch: pd.DataFrame, limits: Thresholds) -> Checked:
    """How many listings are in states, zip areas or of a status that the reference lacks."""
    checked = Checked()
    known = {c: reference[c].value_counts() for c in CATEGORIES if reference[c].notna().any()}
    # Good and Turing: the share of values met once is what a next sample holds of new ones.
    bounds = {
        name: limits.new_share(
            float((counts == 1).sum() / counts.sum()), len(batch), len(reference)
        )
        for name, counts in known.items()
    }
    for name, result in detectors.unseen_rates(reference, batch, bounds).items():
        counts, rate = known[name], _value(result, name)
        fresh = batch.loc[~batch[name].isin(counts.index), name].dropna().value_counts()
        shown = ", ".join(str(v) for v in fresh.index[:5]) + (", …" if len(fresh) > 5 else "")
        what = {"state": "states", "zip_area": "zip areas", "status": "a status"}[name]
        finding = Finding(
            name="unseen",
            column=name,
            value=rate,
            limit=bounds[name],
            effect="moved",
            says=f"{rate:.0%} of the listings are in {what} that the champion's data does not "
            f"hold{f' ({shown})' if shown else ''}",
        )
        checked.findings.append(finding)
        checked.scores[name] = {"new": [str(v) for v in fresh.index[:50]], **_scored(finding)}
        checked.results["unseen", name] = result
    return checked


def outside(reference: pd.DataFrame, batch: pd.DataFrame, limits: Thresholds) -> Checked:
    """How many prices lie outside the market: the champion has no answer for those."""
    rate, usual = (1 - float(in_market(f["price"].to_numpy()).mean()) for f in (batch, reference))
    finding = Finding(
        name="outside_market",
        column="price",
        value=rate - usual,
        limit=limits.share(limits.outside, usual, len(batch), len(reference)),
        effect="moved",
        says=f"{rate:.0%} of the prices lie outside the market that models are trained on, "
        f"against {usual:.0%} in the champion's data",
    )
    return Checked([finding], {"rate": rate, "reference": usual, **_scored(finding)})


def structure(
    reference: pd.DataFrame,
    batch: pd.DataFrame,
    limits: Thresholds,
    columns: tuple[str, ...] = AMOUNTS,
) -> Checked:
    """Whether the fields still go together as they did (PCA reconstruction).

    Of ``columns`` the amounts are looked at, with status and state.
    """
    columns = (*(c for c in columns if c in AMOUNTS), "status", "state")
    limit = limits.shift(limits.reconstruction, 1.0, len(batch), len(reference))
    result, there, spread = detectors.reconstruction(reference, batch, limit, columns)
    here = _value(result, "reconstruction_error")
    finding = Finding(
        name="structure",
        column="",
        value=abs(here - there) / spread,
        limit=limit,
        effect="moved",
        says="the fields go together otherwise than in the champion's data: reconstruction error "
        f"{here:.2f} against {there:.2f}",
    )
    scores = {"reconstruction_error": here, "reference": there, "spread": spread}
    return Checked([finding], scores | _scored(finding), {("structure", ""): result})


def performance(reference: pd.DataFrame, batch: pd.DataFrame, limits: Thresholds) -> Checked:
    """What the champion's prices are worth on this batch: level, realised and estimated error.

    Measured rows; those without a RATIO (no prediction, or a price outside the market) are left
    out on both sides. Errors are mean absolute log errors.
    """
    known = reference[reference[RATIO].notna()]
    asked = batch[batch[RATIO].notna()]
    checked = Checked(scores={"rows": len(asked), "reference_rows": len(known)})
    if len(asked) < limits.fewest_rows:
        checked.scores["says"] = (
            f"only {len(asked)} prices in the market: too few to judge the champion by "
            f"(fewer than {limits.fewest_rows})"
        )
        return checked
    there, here = known[RATIO].to_numpy(), asked[RATIO].to_numpy()
    checked.findings.append(_price_level(there, here, limits))
    usual = float(np.abs(there).mean())
    _add_error(
        checked,
        "realised_error",
        "is",
        float(np.abs(here).mean()),
        usual,
        _rise(known, asked, limits),
    )
    _estimate(checked, known, asked, limits)
    checked.scores["checks"] = {f.name: _scored(f) for f in checked.findings}
    return checked


def estimated_performance(
    reference: pd.DataFrame, requests: pd.DataFrame, limits: Thresholds
) -> Checked:
    """What the champion's prices are estimated to be worth on requests whose price is not known."""
    known = reference[reference[RATIO].notna()]
    asked = requests[requests[PREDICTED].notna()]
    checked = Checked(scores={"rows": len(asked), "reference_rows": len(known)})
    _estimate(checked, known, asked, limits)
    checked.scores["checks"] = {f.name: _scored(f) for f in checked.findings}
    return checked


def _estimate(
    checked: Checked, known: pd.DataFrame, asked: pd.DataFrame, limits: Thresholds
) -> None:
    usual, rise = float(known[RATIO].abs().mean()), _rise(known, asked, limits)
    result = detectors.estimated_error(known, asked, usual * (1 + rise))
    checked.results["estimated_error", ""] = result
    verb = "is estimated (DLE, without the prices) to be"
    estimated, expected = _value(result, "mae"), _reference_mean(result, "mae")
    _add_error(checked, "estimated_error", verb, estimated, expected, rise)


def _rise(known: pd.DataFrame, asked: pd.DataFrame, limits: Thresholds) -> float:
    """The limit for the relative rise of the champion's mean absolute log error."""
    errors = known[RATIO].abs()
    spread = float(errors.std(ddof=0) / errors.mean())
    return limits.shift(limits.error_rise, spread, len(asked), len(known))


def _add_error(
    checked: Checked, name: str, verb: str, error: float, usual: float, rise: float
) -> None:
    checked.findings.append(
        Finding(
            name=name,
            column="",
            value=error / usual - 1,
            limit=rise,
            effect="hurts",
            says=f"the champion's error on these listings {verb} {math.expm1(error):.0%}, against "
            f"{math.expm1(usual):.0%} on rows that it had not seen in training "
            f"({error / usual - 1:+.0%})",
        )
    )
    checked.scores |= {name: error, f"{name}_reference": usual}


def _equal(there: pd.Series, here: pd.Series) -> bool:
    shares = [s.value_counts(normalize=True) for s in (here, there)]
    return bool(np.allclose(shares[0].sub(shares[1], fill_value=0), 0, atol=1e-12))


def _price_level(there: np.ndarray, here: np.ndarray, limits: Thresholds) -> Finding:
    usual, now = float(np.median(there)), float(np.median(here))
    low, high = np.quantile(there, [0.25, 0.75])
    # Of a normal distribution with these quartiles: its standard deviation, then its median's.
    spread = (high - low) / 1.349 * 1.2533
    shift = now - usual
    side = "above" if shift > 0 else "below"
    return Finding(
        name="price_level",
        column="price",
        value=abs(shift),
        limit=limits.shift(limits.price_level, float(spread), len(here), len(there)),
        effect="hurts",
        says=f"prices are {abs(math.expm1(shift)):.0%} {side} what the champion expects: median "
        f"log ratio of price to prediction {now:+.3f}, against {usual:+.3f} in its own data",
    )


def _scored(finding: Finding) -> dict[str, Any]:
    return {"value": finding.value, "limit": finding.limit, "exceeded": finding.exceeded}


def _value(result: Any, *key: str) -> float:
    """NannyML's value for the batch, which is one chunk; never NaN."""
    data = result.filter(period="analysis").data
    value = float(data[(*key, "value")].iloc[0])
    if len(data) != 1 or not math.isfinite(value):
        raise DriftError(f"NannyML has no value for {' '.join(key)} of the batch")
    return value


def _reference_mean(result: Any, name: str) -> float:
    """The mean over the reference's rows of a value that NannyML gives by chunk."""
    data = result.filter(period="reference").data
    rows = data[("chunk", "end_index")] - data[("chunk", "start_index")] + 1
    return float(np.average(data[(name, "value")], weights=rows))
