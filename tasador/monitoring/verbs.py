"""The verbs of the monitor flow: choose the window, check the requests, record, publish.

Each one is safe to repeat: a check is identified by the champion and the end of its window, so it
is recorded once, and its event always has the same id.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tasador.clock import now
from tasador.drift.judge import judge_requests
from tasador.drift.report import DriftReport
from tasador.drift.thresholds import Thresholds
from tasador.drift.verbs import lost, reference_of
from tasador.errors import ObjectLost
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.listings.listing import INPUTS, address_key, read_inputs
from tasador.monitoring import policy, realised
from tasador.monitoring.realised import Realised
from tasador.records.loop import MonitorRecord
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.stores.model_version import ModelVersion
from tasador.stores.registry import Registry
from tasador.warehouse.predictions import RequestSample
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

# The newest predictions that are judged, at most.
MOST_PREDICTIONS = 50_000
# Rows read of each history; the policy needs only the newest few.
_HISTORY_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one check covers: a champion, and a window of its predictions."""

    champion: ModelVersion
    since: datetime
    until: datetime
    correlation_id: str


@dataclass(slots=True, kw_only=True)
class MonitoringCheck:
    """The measurements of one check.

    ``requests`` [m] are the distinct listings, ``reference`` the champion's data. ``report`` is
    None if there are too few listings to judge.
    """

    predictions: int
    latency_ms: dict[str, float]
    latencies: np.ndarray
    missing: dict[str, float]
    requests: pd.DataFrame
    reference: pd.DataFrame
    realised: Realised
    report: DriftReport | None
    reasons: list[str]
    causes: list[str] = field(default_factory=list)

    @property
    def hurts(self) -> bool:
        """Whether the champion's error on the requests rose, as measured or as estimated."""
        return bool(self.causes)

    @property
    def moved(self) -> bool:
        """Whether the requests differ from the champion's data."""
        level = any(f.exceeded and f.effect != "hurts" for f in self.realised.findings)
        return self.report is not None and (self.report.moved or level)


def choose(settings: Settings) -> Case | None:
    """The current champion and the time since it took over, at most TASADOR_MONITOR_DAYS back.

    None before the first champion.
    """
    settings.require("database_url")
    with Warehouse(settings.database_url) as warehouse:
        newest = warehouse.latest_promotion(settings.model_name)
    champion = Registry(settings).champion(newest)
    if champion is None:
        return None
    until = now()
    earliest = until - timedelta(days=settings.monitor_days)
    return Case(
        champion=champion,
        since=max(champion.created if newest is None else newest.decided_at, earliest),
        until=until,
        correlation_id=uuid.uuid4().hex,
    )


def due(settings: Settings) -> bool:
    """Whether the champion has made predictions since the last check."""
    case = choose(settings)
    if case is None:
        return False
    champion = case.champion.model
    with Warehouse(settings.database_url) as warehouse:
        checked = [
            check.window_to
            for check in warehouse.monitor_history(limit=_HISTORY_ROWS)
            if check.champion.key == champion.key
        ]
        count, _ = warehouse.prediction_statistics(
            champion, max([case.since, *checked]), case.until
        )
    return count > 0


def check(
    settings: Settings,
    case: Case,
    say: Callable[[str], None],
    thresholds: Thresholds | None = None,
) -> MonitoringCheck:
    """Compare the requests in the window with the champion's reference."""
    thresholds = thresholds or Thresholds()
    champion = case.champion.model
    with Warehouse(settings.database_url) as warehouse:
        count, latency_ms = warehouse.prediction_statistics(champion, case.since, case.until)
        newest = warehouse.request_samples(champion, case.since, case.until, MOST_PREDICTIONS)
        # Any client of the broker can publish a prediction; real ones have a price above zero.
        samples = [sample for sample in newest if sample.price > 0]
        say(
            f"{count:,} predictions by version {champion.version} "
            f"since {case.since:%Y-%m-%d %H:%M} UTC"
        )
        frame, keys = _frame_of(samples)
        sold = realised.pair(
            [(key, s.predicted_at, s.price) for key, s in zip(keys, samples, strict=True)],
            warehouse.sales(sorted({key for key in keys if key}), case.since),
        )
    try:
        reference, baseline = reference_of(Lake(settings), case.champion)
    except ObjectLost as error:
        say(f"the champion {champion} cannot be read: {error}")
        reference, baseline, unreadable = frame.iloc[:0], None, lost(case.champion, error)
    else:
        unreadable = ""
    # A repeated listing says nothing new about the requests.
    distinct = frame.drop_duplicates(list(INPUTS)).reset_index(drop=True)
    result = MonitoringCheck(
        predictions=count,
        latency_ms=latency_ms,
        latencies=np.array([sample.latency_ms for sample in samples]),
        missing={name: float(frame[name].isna().mean()) for name in INPUTS if len(frame)},
        requests=distinct,
        reference=reference,
        realised=realised.judge(sold, reference, baseline, thresholds)
        if not unreadable
        else Realised(ratios=np.empty(0), error=None, usual=np.nan),
        report=None,
        reasons=[],
    )
    if unreadable:
        # It hurts: a training is the way out.
        result.reasons, result.causes = [unreadable], ["champion_lost"]
        return result
    if len(distinct) < thresholds.fewest_rows:
        result.reasons = [_too_few(count, len(distinct), thresholds.fewest_rows)]
        return result
    result.report = judge_requests(
        distinct,
        reference,
        distinct["answered"].to_numpy(dtype=np.float64),
        baseline=baseline,
        thresholds=thresholds,
        progress=say,
    )
    hurting = [
        f
        for f in (*result.realised.findings, *result.report.findings)
        if f.exceeded and f.effect != "moved"
    ]
    result.causes = sorted({f.name for f in hurting})
    realised_reasons = [f.message for f in result.realised.findings if f.exceeded]
    result.reasons = [*realised_reasons, *result.report.reasons]
    return result


def record(settings: Settings, case: Case, result: MonitoringCheck) -> MonitorRecord:
    """Decide whether to request training and record the check; an existing record is returned."""
    champion = case.champion
    scores = {} if result.report is None else dict(result.report.scores)
    estimated = scores.get("performance", {}).get("estimated_error")
    scores["realised"] = {finding.name: finding.scored for finding in result.realised.findings}
    unrecorded = MonitorRecord(
        model_name=champion.name,
        champion_version=champion.version,
        champion_digest=champion.digest,
        correlation_id=case.correlation_id,
        window_from=case.since,
        window_to=case.until,
        predictions=result.predictions,
        judged=0 if result.report is None else len(result.requests),
        moved=result.moved,
        hurts=result.hurts,
        reasons=result.reasons,
        causes=result.causes,
        requested_training=False,
        request_reason="",
        estimated_error=estimated,
        realised_error=result.realised.error,
        usual_error=result.realised.usual if np.isfinite(result.realised.usual) else None,
        sold=len(result.realised.ratios),
        latency_ms=result.latency_ms,
        missing=result.missing,
        scores=scores,
    )
    quiet = policy.QuietPeriods(after_request=timedelta(hours=settings.monitor_quiet_hours))
    # One at a time: of two concurrent checks only one may request training.
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("monitor"):
        existing = warehouse.monitoring_check(champion.model, case.until)
        if existing is not None:
            return existing
        history = _history(warehouse, champion)
        decision = policy.decide(champion.model, result.hurts, history, unrecorded.looked_at, quiet)
        return warehouse.record_monitoring(
            replace(unrecorded, requested_training=decision.request, request_reason=decision.reason)
        )


def publish(settings: Settings, recorded: MonitorRecord) -> list[Event]:
    """Publish training.requested if the check requests training; returns the published events."""
    if not recorded.requested_training:
        return []
    event = build.training_requested(recorded)
    announce(event, settings)
    return [event]


def summary(recorded: MonitorRecord | None) -> tuple[str, list[str], str]:
    """The check's verdict, its reasons, and why training is requested or not."""
    if recorded is None:
        return "no_champion", ["there is no champion yet, so there are no predictions to check"], ""
    return recorded.verdict, recorded.reasons, recorded.request_reason


def _history(warehouse: Warehouse, champion: ModelVersion) -> policy.History:
    return policy.History(
        requests=[
            check
            for check in warehouse.monitor_history(limit=_HISTORY_ROWS, requested_training=True)
            if check.champion.key == champion.model.key
        ],
        verdicts=warehouse.drift_history(limit=_HISTORY_ROWS),
        decisions=warehouse.model_history(limit=_HISTORY_ROWS, name=champion.name),
        ready=warehouse.usable_batches(),
    )


def _frame_of(samples: list[RequestSample]) -> tuple[pd.DataFrame, list[str]]:
    """The requests in order with ``answered`` (dollars), and the key of each property or ""."""
    from tasador.listings.table import frame_of

    # Any client of the broker can write these fields: unreadable values count as missing.
    listings = [read_inputs(sample.listing)[0] for sample in samples]
    frame = frame_of(listings)
    frame["answered"] = np.array([sample.price for sample in samples], dtype=np.float64)
    return frame, [address_key(listing) for listing in listings]


def _too_few(predictions: int, distinct: int, fewest: int) -> str:
    if not predictions:
        return "no predictions: too few to judge"
    return (
        f"{predictions:,} predictions of {distinct:,} distinct listings: too few to tell a change "
        f"from chance (fewer than {fewest})"
    )
