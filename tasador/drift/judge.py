"""The verdict on one batch: what moved, whether it hurts the champion, and why, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tasador.drift import checks, performance
from tasador.drift.baseline import Baseline, learn
from tasador.drift.checks import Checked, Finding, Yardstick
from tasador.drift.detectors import Detectors
from tasador.drift.measures import (
    AMOUNTS,
    ANSWER,
    CATEGORIES,
    PREDICTED,
    RATIO,
    DriftError,
    measures_of,
    require_columns,
)
from tasador.drift.thresholds import Thresholds
from tasador.listings.arrays import Columns
from tasador.listings.listing import INPUTS
from tasador.listings.table import columns_of
from tasador.records import Verdict

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE_SEED = 0
# A broken unit or a new state explains a wrong price level, not the other way round.
_CAUSES_FIRST = (
    "unit",
    "unseen",
    "brokers",
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
    """What is asked of the model in service; ``tasador.model.bundle.Bundle`` is one."""

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
    def exceeded(self) -> list[Finding]:
        """What is beyond its limit, in the order of the reasons."""
        return _causes_first(self.findings)

    @property
    def moved(self) -> bool:
        """Whether the listings differ from what the champion knows."""
        return any(f.exceeded and f.effect != "hurts" for f in self.findings)

    @property
    def hurts(self) -> bool:
        """Whether the champion is, or is estimated to be, worse on them."""
        return any(f.exceeded and f.effect != "moved" for f in self.findings)


class Judge:
    """Judges many batches by one reference; what is fitted on the reference is fitted once.

    ``reference`` is ``make_reference``'s, ``baseline`` what ``learn`` made of it (learnt here where
    it is not given, which takes seconds). Raises DriftError for a frame that is no reference.
    """

    def __init__(
        self,
        reference: pd.DataFrame,
        baseline: Baseline | None = None,
        *,
        thresholds: Thresholds | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        if PREDICTED not in reference:
            raise DriftError("the champion's reference has no column predicted")
        require_columns(reference, "reference")
        self._limits = thresholds or Thresholds()
        self._say = progress or (lambda _: None)
        if baseline is None:
            self._say("drawing batches from the reference: how far chance and clusters go")
            baseline = learn(reference)
        self._by = Yardstick(known=Detectors(reference), baseline=baseline, limits=self._limits)

    def batch(self, batch: pd.DataFrame, champion: Champion) -> DriftReport:
        """Judge listings with prices; see ``judge_batch``."""
        require_columns(batch, "batch")
        rows, scores, small = self._begin(batch)
        if small is not None:
            return small
        self._say(f"pricing {len(rows):,} listings with the champion")
        measured = measures_of(rows, _predict(champion, rows))
        self._say("the champion's error on the batch, realised and estimated (DLE)")
        found = {
            "performance": performance.judged_by_price(self._by, measured),
            "outside_market": checks.outside(self._by, rows),
        }
        return self._end(found, rows, measured, scores, (*AMOUNTS, RATIO, *CATEGORIES))

    def requests(self, requests: pd.DataFrame, predicted: np.ndarray[Any, Any]) -> DriftReport:
        """Judge listings without prices; see ``judge_requests``."""
        require_columns(requests, "requests", INPUTS)
        predicted = np.asarray(predicted, dtype=np.float64)
        answered = np.isfinite(predicted) & (predicted > 0)
        if predicted.shape != (len(requests),) or not answered.all():
            raise DriftError(f"{len(requests)} requests need as many predicted prices above zero")
        asked = requests.loc[:, list(INPUTS)].assign(**{PREDICTED: predicted})
        rows, scores, small = self._begin(asked)
        if small is not None:
            return small
        measured = measures_of(rows, rows[PREDICTED].to_numpy(dtype=np.float64))
        self._say("the champion's error on the requests, estimated (DLE)")
        found = {"performance": performance.estimated_alone(self._by, measured)}
        inputs = tuple(name for name in AMOUNTS if name != "price")
        return self._end(found, rows, measured, scores, (*inputs, ANSWER, *CATEGORIES))

    def _begin(
        self, batch: pd.DataFrame
    ) -> tuple[pd.DataFrame, dict[str, Any], DriftReport | None]:
        """The rows to judge, the first scores, and the report where there are too few."""
        scores = _first_scores(batch, self._limits)
        if len(batch) < self._limits.fewest_rows:
            reason = (
                f"only {len(batch)} rows: too few to tell a change from chance "
                f"(fewer than {self._limits.fewest_rows})"
            )
            return batch, scores, DriftReport("no_drift", [reason], scores)
        if len(batch) > self._limits.most_rows:
            batch = batch.sample(self._limits.most_rows, random_state=_SAMPLE_SEED)
        scores["rows"] |= {"judged": len(batch), "reference": len(self._by.known.raw)}
        return batch.reset_index(drop=True), scores, None

    def _end(
        self,
        found: dict[str, Checked],
        rows: pd.DataFrame,
        measured: pd.DataFrame,
        scores: dict[str, Any],
        columns: tuple[str, ...],
    ) -> DriftReport:
        """Ask what can be asked of any listings, and report."""
        self._say("missing values, new categories, brokers")
        found["missing"] = checks.missing(self._by, rows)
        found["unseen"] = checks.unseen(self._by, measured)
        found["brokers"] = checks.brokers(self._by, rows)
        self._say("distributions, column by column")
        found["univariate"] = checks.distributions(self._by, measured, columns)
        self._say("how the fields go together")
        found["multivariate"] = checks.structure(self._by, measured, columns)
        quality = ("missing", "unseen", "brokers", "outside_market")
        for name in ("univariate", "multivariate", "performance"):
            scores[name] = found[name].scores
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


def judge_batch(
    batch: pd.DataFrame,
    reference: pd.DataFrame | None,
    champion: Champion | None,
    *,
    baseline: Baseline | None = None,
    thresholds: Thresholds | None = None,
    progress: Callable[[str], None] | None = None,
) -> DriftReport:
    """Judge a batch of listings against the champion and the reference made at its training.

    ``batch`` has the columns of a listing with prices (dollars); ``reference`` is
    ``make_reference``'s and ``baseline`` what was learnt from it, which is learnt anew where it is
    not given. The verdict is "train" where there is no champion, "drift" where any limit is
    exceeded, else "no_drift"; the same input gives the same report. A batch of fewer than
    ``thresholds.fewest_rows`` rows is too small to tell anything from chance and is "no_drift".

    Raises DriftError for frames that are none of these and when a detector fails: an error is
    never a verdict.
    """
    require_columns(batch, "batch")
    scores = _first_scores(batch, thresholds or Thresholds())
    if batch.empty:
        return DriftReport("no_drift", ["the batch holds no listing that could be judged"], scores)
    if champion is None:
        return DriftReport("train", ["there is no champion yet: one has to be trained"], scores)
    if reference is None:
        raise DriftError("the champion's reference is missing")
    judge = Judge(reference, baseline, thresholds=thresholds, progress=progress)
    return judge.batch(batch, champion)


def judge_requests(
    requests: pd.DataFrame,
    reference: pd.DataFrame,
    predicted: np.ndarray[Any, Any],
    *,
    baseline: Baseline | None = None,
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
    judge = Judge(reference, baseline, thresholds=thresholds, progress=progress)
    return judge.requests(requests, predicted)


def _first_scores(batch: pd.DataFrame, limits: Thresholds) -> dict[str, Any]:
    return {"rows": {"batch": len(batch)}, "thresholds": asdict(limits)}


def _predict(champion: Champion, batch: pd.DataFrame) -> np.ndarray[Any, Any]:
    price = np.asarray(champion.predict(columns_of(batch)).price, dtype=np.float64)
    if price.shape != (len(batch),) or not (np.isfinite(price) & (price > 0)).all():
        raise DriftError("the champion gave no price for some of the listings")
    return price


def _causes_first(findings: list[Finding]) -> list[Finding]:
    """Those beyond their limit; of two of one name the one farther beyond it comes first."""
    exceeded = [f for f in findings if f.exceeded]
    return sorted(exceeded, key=lambda f: (_CAUSES_FIRST.index(f.name), -f.value / f.limit))


def _in_words(findings: list[Finding]) -> list[str]:
    """What was exceeded, the likely causes first; of a quiet batch, how near it came."""
    if exceeded := _causes_first(findings):
        return [f.says for f in exceeded]
    nearest = max((f for f in findings if f.effect == "moved"), key=lambda f: f.value / f.limit)
    about = f"{nearest.name} of {nearest.column}" if nearest.column else nearest.name
    quiet = (
        f"nothing moved beyond its limit; the nearest is the {about.replace('_', ' ')} with "
        f"{nearest.value:.2f} of {nearest.limit:.2f}"
    )
    return [quiet, *(f.says for f in findings if f.effect == "hurts")]
