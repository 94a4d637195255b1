"""The verdict on one batch: what moved, whether it hurts the champion, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tasador.drift import checks, feed, performance
from tasador.drift.baseline import Baseline, learn_baseline
from tasador.drift.checks import CheckResult, ReferenceProfile
from tasador.drift.detectors import Detectors
from tasador.drift.feed import Refusals
from tasador.drift.garbled import garbled
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
from tasador.drift.report import DriftReport, broken_feed, reasons_of
from tasador.drift.thresholds import Thresholds
from tasador.listings.arrays import Columns
from tasador.listings.listing import INPUTS
from tasador.listings.table import columns_of

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE_SEED = 0


class Priced(Protocol):
    @property
    def price(self) -> np.ndarray[Any, Any]: ...


class Champion(Protocol):
    """What is required of the model in service; ``tasador.model.bundle.Bundle`` is one."""

    def predict(self, columns: Columns) -> Priced: ...


class Judge:
    """Judges many batches against one reference; detectors are fitted on the reference once.

    ``reference`` comes from ``make_reference`` and ``baseline`` from ``learn_baseline``, which runs
    here (seconds) if there is none. Raises DriftError for a frame that is not a reference.
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
            self._say("resampling the reference: how far batches of one market deviate")
            baseline = learn_baseline(reference)
        self._profile = ReferenceProfile(
            detectors=Detectors(reference), baseline=baseline, thresholds=self._limits
        )

    def batch(
        self, batch: pd.DataFrame, champion: Champion, *, accepted: bool = False
    ) -> DriftReport:
        """Judge listings with prices; see ``judge_batch``."""
        require_columns(batch, "batch")
        rows, scores, too_small = self._begin(batch)
        if too_small is not None:
            return too_small
        if not accepted:
            gone = feed.lost(self._profile, rows)
            odd = garbled(self._profile.detectors.raw, rows, self._limits, whole=batch)
            scores["feed"] = {"lost": gone.scores, "garbled": odd.scores}
            if broken := broken_feed([*gone.findings, *odd.findings], scores):
                return broken
        self._say(f"pricing {len(rows):,} listings with the champion")
        measured = measures_of(rows, _predict(champion, rows))
        self._say("the champion's error on the batch, realised and estimated (DLE)")
        results = {
            "performance": performance.check_with_prices(self._profile, measured),
            "outside_market": checks.outside_market(self._profile, rows),
        }
        columns = (*AMOUNTS, RATIO, *CATEGORIES)
        return self._end(results, rows, measured, scores, columns, of_feed=not accepted)

    def requests(self, requests: pd.DataFrame, predicted: np.ndarray[Any, Any]) -> DriftReport:
        """Judge listings without prices; see ``judge_requests``."""
        require_columns(requests, "requests", INPUTS)
        predicted = np.asarray(predicted, dtype=np.float64)
        priced = np.isfinite(predicted) & (predicted > 0)
        if predicted.shape != (len(requests),) or not priced.all():
            raise DriftError(f"{len(requests)} requests need as many predicted prices above zero")
        answered = requests.loc[:, list(INPUTS)].assign(**{PREDICTED: predicted})
        rows, scores, too_small = self._begin(answered)
        if too_small is not None:
            return too_small
        measured = measures_of(rows, rows[PREDICTED].to_numpy(dtype=np.float64))
        self._say("the champion's error on the requests, estimated (DLE)")
        results = {"performance": performance.check_without_prices(self._profile, measured)}
        inputs = tuple(name for name in AMOUNTS if name != "price")
        columns = (*inputs, ANSWER, *CATEGORIES)
        return self._end(results, rows, measured, scores, columns, of_feed=False)

    def _begin(
        self, batch: pd.DataFrame
    ) -> tuple[pd.DataFrame, dict[str, Any], DriftReport | None]:
        """The rows to judge, the first scores, and the report if there are too few rows."""
        scores = _first_scores(batch, self._limits)
        if len(batch) < self._limits.fewest_rows:
            reason = (
                f"only {len(batch)} rows: too few to tell a change from chance "
                f"(fewer than {self._limits.fewest_rows})"
            )
            return batch, scores, DriftReport("no_drift", [reason], scores)
        if len(batch) > self._limits.most_rows:
            batch = batch.sample(self._limits.most_rows, random_state=_SAMPLE_SEED)
        scores["rows"] |= {"judged": len(batch), "reference": self._profile.rows}
        return batch.reset_index(drop=True), scores, None

    def _end(
        self,
        results: dict[str, CheckResult],
        rows: pd.DataFrame,
        measured: pd.DataFrame,
        scores: dict[str, Any],
        columns: tuple[str, ...],
        *,
        of_feed: bool,
    ) -> DriftReport:
        """Run the checks that need no prices, and build the report.

        ``of_feed`` is whether the rows may show that a feed broke; else they moved.
        """
        self._say("missing values, new categories, brokers")
        results["missing"] = checks.missing(self._profile, rows)
        results["unseen"] = checks.unseen(self._profile, measured)
        results["brokers"] = checks.brokers(self._profile, rows)
        self._say("distributions, column by column")
        results["univariate"] = checks.distributions(self._profile, measured, columns)
        self._say("relations between the fields")
        results["multivariate"] = checks.structure(self._profile, measured, columns)
        quality = ("missing", "unseen", "brokers", "outside_market")
        for name in ("univariate", "multivariate", "performance"):
            scores[name] = results[name].scores
        scores["quality"] = {name: results[name].scores for name in quality if name in results}
        findings = [finding for checked in results.values() for finding in checked.findings]
        if not of_feed:
            findings = [replace(f, effect="moved") if f.effect == "broken" else f for f in findings]
        elif broken := broken_feed(findings, scores):
            return broken
        report = DriftReport(
            verdict="drift" if any(f.exceeded for f in findings) else "no_drift",
            reasons=reasons_of(findings),
            scores=scores,
            findings=findings,
            results={k: r for checked in results.values() for k, r in checked.results.items()},
        )
        scores["moved"], scores["hurts"] = report.moved, report.hurts
        return report


def judge_batch(
    batch: pd.DataFrame,
    reference: pd.DataFrame | None,
    champion: Champion | None,
    *,
    baseline: Baseline | None = None,
    refusals: Refusals | None = None,
    earlier: Sequence[Refusals] = (),
    accepted: bool = False,
    thresholds: Thresholds | None = None,
    progress: Callable[[str], None] | None = None,
) -> DriftReport:
    """Judge a batch of listings against the champion and the reference from its training.

    ``batch`` has the columns of a listing, with prices in dollars. ``reference`` comes from
    ``make_reference`` and ``baseline`` from ``learn_baseline``, which is called if it is missing.
    ``refusals`` counts the rows of the batch that were refused and are not in ``batch``,
    ``earlier`` those of the batches before it.

    The verdict is "broken_feed" if the source's feed broke (``tasador.drift.feed``), unless a
    person ``accepted`` the batch. Otherwise it is "train" without a champion, "drift" if any limit
    is exceeded, else "no_drift". The same input gives the same report. A batch of fewer than
    ``thresholds.fewest_rows`` rows is too small to tell a change from chance and gets "no_drift".

    Raises DriftError for frames that are not a batch or a reference, and when a detector fails: an
    error is never a verdict.
    """
    require_columns(batch, "batch")
    scores = _first_scores(batch, thresholds or Thresholds())
    if refusals is not None and not accepted:
        refused = feed.refused(refusals, earlier, thresholds)
        scores["feed"] = {"refused": refused.scores}
        if broken := broken_feed(refused.findings, scores):
            return broken
    if batch.empty:
        return DriftReport("no_drift", ["the batch has no listing to judge"], scores)
    if champion is None:
        return DriftReport("train", ["there is no champion yet: train one first"], scores)
    if reference is None:
        raise DriftError("the champion's reference is missing")
    judge = Judge(reference, baseline, thresholds=thresholds, progress=progress)
    report = judge.batch(batch, champion, accepted=accepted)
    report.scores["feed"] = {**scores.get("feed", {}), **report.scores.get("feed", {})}
    return report


def judge_requests(
    requests: pd.DataFrame,
    reference: pd.DataFrame,
    predicted: np.ndarray[Any, Any],
    *,
    baseline: Baseline | None = None,
    thresholds: Thresholds | None = None,
    progress: Callable[[str], None] | None = None,
) -> DriftReport:
    """Judge the requests that the champion answered, whose true prices are unknown.

    ``requests`` has the eleven inputs of a listing, as ``listing.read_listing`` reads them (a price
    is ignored). ``predicted`` [n] are the champion's answers in dollars. Everything except the
    labels is judged: missing fields, new categories, the distributions and mix of inputs and
    predictions, and the champion's error as estimated by DLE. ``hurts`` is that estimate alone. Too
    few requests get "no_drift", as in ``judge_batch``.

    Raises DriftError for frames that are not requests or a reference, for an answer that is not a
    price, and when a detector fails.
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
