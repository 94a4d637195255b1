"""The verdict on one batch: what moved, whether it hurts the champion, and why, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tasador.drift import checks
from tasador.drift.checks import Checked, Finding
from tasador.drift.measures import (
    AMOUNTS,
    ANSWER,
    CATEGORIES,
    FIELDS,
    PREDICTED,
    RATIO,
    DriftError,
    measures_of,
    require_columns,
)
from tasador.drift.thresholds import Thresholds
from tasador.features import Columns
from tasador.records import Verdict
from tasador.table import columns_of

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE_SEED = 0
# A broken unit or a new state explains a wrong price level, not the other way round.
_CAUSES_FIRST = (
    "unit",
    "unseen",
    "missing",
    "outside_market",
    "price_level",
    "realised_error",
    "estimated_error",
    "distribution",
    "mix",
    "answers",
    "structure",
)


class Priced(Protocol):
    @property
    def price(self) -> np.ndarray[Any, Any]: ...


class Champion(Protocol):
    """What is asked of the model in service; ``tasador.bundle.Bundle`` is one."""

    def predict(self, columns: Columns) -> Priced: ...


@dataclass(slots=True)
class DriftReport:
    """The verdict with its reasons (the gravest first), and what led to it.

    ``scores`` are JSON values by detector; ``results`` are NannyML's own result objects, for its
    plots, by name and column of the finding.
    """

    verdict: Verdict
    reasons: list[str]
    scores: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    results: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def moved(self) -> bool:
        """Whether the listings differ from what the champion knows."""
        return any(f.exceeded and f.effect == "moved" for f in self.findings)

    @property
    def hurts(self) -> bool:
        """Whether the champion is, or is estimated to be, worse on them."""
        return any(f.exceeded and f.effect == "hurts" for f in self.findings)


def judge_batch(
    batch: pd.DataFrame,
    reference: pd.DataFrame | None,
    champion: Champion | None,
    *,
    thresholds: Thresholds | None = None,
    progress: Callable[[str], None] | None = None,
) -> DriftReport:
    """Judge a batch of listings against the champion and the reference made at its training.

    ``batch`` has the columns of a listing with prices (dollars); ``reference`` is
    ``make_reference``'s. The verdict is "train" where there is no champion, "drift" where any
    limit is exceeded, else "no_drift"; the same input gives the same report. A batch of fewer than
    ``thresholds.fewest_rows`` rows is too small to tell anything from chance and is "no_drift".

    Raises DriftError for frames that are none of these and when a detector fails: an error is
    never a verdict.
    """
    limits = thresholds or Thresholds()
    say = progress or (lambda _: None)
    require_columns(batch, "batch")
    scores: dict[str, Any] = {"rows": {"batch": len(batch)}, "thresholds": asdict(limits)}
    if batch.empty:
        return DriftReport("no_drift", ["the batch holds no listing that could be judged"], scores)
    if champion is None:
        return DriftReport("train", ["there is no champion yet: one has to be trained"], scores)
    if reference is None:
        raise DriftError("the champion's reference is missing")
    small = _too_few(batch, reference, limits, scores)
    if small is not None:
        return small
    batch, reference = _prepared(batch, reference, limits, scores)

    say(f"pricing {len(batch):,} listings with the champion")
    here = measures_of(batch, _predict(champion, batch))
    there = measures_of(reference, reference[PREDICTED].to_numpy(dtype=np.float64))
    found: dict[str, Checked] = {}
    say("the champion's error on the batch, realised and estimated (DLE)")
    found["performance"] = checks.performance(there, here, limits)
    found["outside_market"] = checks.outside(reference, batch, limits)
    _ask_inputs(found, reference, batch, there, here, limits, say)
    return _reported(found, scores)


def judge_requests(
    requests: pd.DataFrame,
    reference: pd.DataFrame,
    predicted: np.ndarray[Any, Any],
    *,
    thresholds: Thresholds | None = None,
    progress: Callable[[str], None] | None = None,
) -> DriftReport:
    """Judge what the champion was asked, whose prices nobody knows, as a batch is judged.

    ``requests`` has the eleven inputs of a listing (as read by ``listing.read_listing``; a price,
    if there is one, is not looked at), ``predicted`` [n] the dollars that the champion answered.
    Everything but the labels is judged: missing fields, new categories, distributions and mix of
    the inputs and of the answers, and the champion's error as DLE estimates it. ``hurts`` is that
    estimate alone. Too few requests are "no_drift", as in ``judge_batch``.

    Raises DriftError for frames that are none of these, for an answer that is no price, and when a
    detector fails.
    """
    limits = thresholds or Thresholds()
    say = progress or (lambda _: None)
    require_columns(requests, "requests", FIELDS)
    predicted = np.asarray(predicted, dtype=np.float64)
    if predicted.shape != (len(requests),) or not (np.isfinite(predicted) & (predicted > 0)).all():
        raise DriftError(f"{len(requests)} requests need as many predicted prices above zero")
    scores: dict[str, Any] = {"rows": {"batch": len(requests)}, "thresholds": asdict(limits)}
    small = _too_few(requests, reference, limits, scores)
    if small is not None:
        return small
    asked = requests.loc[:, list(FIELDS)].assign(**{PREDICTED: predicted})
    asked, reference = _prepared(asked, reference, limits, scores)
    here = measures_of(asked, asked[PREDICTED].to_numpy(dtype=np.float64))
    there = measures_of(reference, reference[PREDICTED].to_numpy(dtype=np.float64))
    found: dict[str, Checked] = {}
    say("the champion's error on the requests, estimated (DLE)")
    found["performance"] = checks.estimated_performance(there, here, limits)
    inputs = tuple(name for name in AMOUNTS if name != "price")
    columns = (*inputs, ANSWER, *CATEGORIES)
    _ask_inputs(found, reference, asked, there, here, limits, say, columns)
    return _reported(found, scores)


def _too_few(
    batch: pd.DataFrame, reference: pd.DataFrame, limits: Thresholds, scores: dict[str, Any]
) -> DriftReport | None:
    if PREDICTED not in reference:
        raise DriftError("the champion's reference has no column predicted")
    require_columns(reference, "reference")
    if len(batch) >= limits.fewest_rows:
        return None
    reason = (
        f"only {len(batch)} rows: too few to tell a change from chance "
        f"(fewer than {limits.fewest_rows})"
    )
    return DriftReport("no_drift", [reason], scores)


def _prepared(
    batch: pd.DataFrame, reference: pd.DataFrame, limits: Thresholds, scores: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    if len(batch) > limits.most_rows:
        batch = batch.sample(limits.most_rows, random_state=_SAMPLE_SEED)
    scores["rows"] |= {"judged": len(batch), "reference": len(reference)}
    return batch.reset_index(drop=True), reference.reset_index(drop=True)


def _ask_inputs(
    found: dict[str, Checked],
    reference: pd.DataFrame,
    batch: pd.DataFrame,
    there: pd.DataFrame,
    here: pd.DataFrame,
    limits: Thresholds,
    say: Callable[[str], None],
    columns: tuple[str, ...] = (*AMOUNTS, RATIO, *CATEGORIES),
) -> None:
    say("missing values and new categories")
    found["missing"] = checks.missing(reference, batch, limits)
    found["unseen"] = checks.unseen(there, here, limits)
    say("distributions, column by column")
    found["univariate"] = checks.distributions(there, here, limits, columns)
    say("how the fields go together")
    found["multivariate"] = checks.structure(there, here, limits, columns)


def _reported(found: dict[str, Checked], scores: dict[str, Any]) -> DriftReport:
    quality = ("missing", "unseen", "outside_market")
    scores |= {name: found[name].scores for name in ("univariate", "multivariate", "performance")}
    scores["quality"] = {name: found[name].scores for name in quality if name in found}
    findings = [finding for checked in found.values() for finding in checked.findings]
    report = DriftReport(
        verdict="drift" if any(f.exceeded for f in findings) else "no_drift",
        reasons=_in_words(findings),
        scores=scores,
        findings=findings,
        results={k: r for checked in found.values() for k, r in checked.results.items()},
    )
    scores["moved"], scores["hurts"] = report.moved, report.hurts
    return report


def _predict(champion: Champion, batch: pd.DataFrame) -> np.ndarray[Any, Any]:
    price = np.asarray(champion.predict(columns_of(batch)).price, dtype=np.float64)
    if price.shape != (len(batch),) or not (np.isfinite(price) & (price > 0)).all():
        raise DriftError("the champion gave no price for some of the listings")
    return price


def _in_words(findings: list[Finding]) -> list[str]:
    """What was exceeded, the likely causes first; of a quiet batch, how near it came."""
    exceeded = [f for f in findings if f.exceeded]
    if exceeded:
        exceeded.sort(key=lambda f: _CAUSES_FIRST.index(f.name))
        return [f.says for f in exceeded]
    nearest = max((f for f in findings if f.effect == "moved"), key=lambda f: f.value / f.limit)
    about = f"{nearest.name} of {nearest.column}" if nearest.column else nearest.name
    quiet = (
        f"nothing moved beyond its limit; the nearest is the {about.replace('_', ' ')} with "
        f"{nearest.value:.2f} of {nearest.limit:.2f}"
    )
    return [quiet, *(f.says for f in findings if f.effect == "hurts")]
