"""The verbs of the monitor flow: choose the window, look, record, tell.

Each may be called again: a look is known by the champion and the end of its window, so it is
recorded once, and the event that follows from it has the same id whenever it is published.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tasador.clock import now
from tasador.drift.judge import DriftReport, judge_requests
from tasador.drift.thresholds import Thresholds
from tasador.drift.verbs import reference_of
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.listings.listing import INPUTS, read_listing
from tasador.monitoring import policy, realised
from tasador.monitoring.realised import Realised
from tasador.records import MonitorRecord
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.stores.registry import ModelVersion, Registry
from tasador.warehouse.predictions import RequestSample
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

# Of more predictions than this the newest are judged.
MOST_PREDICTIONS = 50_000
# More than the rule ever needs to look at: it asks for the newest few.
_LOOKED_BACK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one look is about: a champion, and the time in which it was asked."""

    champion: ModelVersion
    since: datetime
    until: datetime
    correlation_id: str


@dataclass(slots=True, kw_only=True)
class Look:
    """What was found. ``requests`` [m] are the listings that differ, ``report`` is None and
    ``realised`` is empty where they are too few to judge; ``reference`` the champion's data."""

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
        """Whether the champion is, or is estimated to be, worse on what it is asked."""
        return bool(self.causes)

    @property
    def moved(self) -> bool:
        """Whether what is asked differs from what the champion knows."""
        level = any(f.exceeded and f.effect != "hurts" for f in self.realised.findings)
        return self.report is not None and (self.report.moved or level)


def choose(settings: Settings) -> Case | None:
    """Today's champion and the time since it began, at most TASADOR_MONITOR_DAYS back.

    None before the first champion.
    """
    settings.require("database_url")
    champion = Registry(settings).champion()
    if champion is None:
        return None
    until = now()
    earliest = until - timedelta(days=settings.monitor_days)
    return Case(
        champion=champion,
        since=max(_began(settings, champion), earliest),
        until=until,
        correlation_id=uuid.uuid4().hex,
    )


def due(settings: Settings) -> bool:
    """Whether the champion was asked anything since the last look at its requests."""
    case = choose(settings)
    if case is None:
        return False
    name, version = case.champion.name, case.champion.version
    with Warehouse(settings.database_url) as warehouse:
        looks = [
            look.window_to
            for look in warehouse.monitor_history(limit=_LOOKED_BACK)
            if (look.model_name, look.champion_version) == (name, version)
        ]
        count, _ = warehouse.prediction_statistics(
            name, version, max([case.since, *looks]), case.until
        )
    return count > 0


def look(
    settings: Settings,
    case: Case,
    say: Callable[[str], None],
    thresholds: Thresholds | None = None,
) -> Look:
    """Measure what was asked in the case's time against the champion's reference."""
    limits = thresholds or Thresholds()
    name, version = case.champion.name, case.champion.version
    with Warehouse(settings.database_url) as warehouse:
        count, latency_ms = warehouse.prediction_statistics(name, version, case.since, case.until)
        newest = warehouse.request_samples(name, version, case.since, case.until, MOST_PREDICTIONS)
        # Anyone may tell the broker of a prediction; predict answers with a price above zero.
        asked = [a for a in newest if a.price > 0]
        say(f"{count:,} predictions by version {version} since {case.since:%Y-%m-%d %H:%M} UTC")
        frame, keys = _frame_of(asked)
        sold = realised.pair(
            [(key, a.predicted_at, a.price) for key, a in zip(keys, asked, strict=True)],
            warehouse.sales(sorted({key for key in keys if key}), case.since),
        )
    reference, baseline = reference_of(Lake(settings), case.champion)
    # Asked twice is known once: the same listing again says nothing new of what people ask.
    distinct = frame.drop_duplicates(list(INPUTS)).reset_index(drop=True)
    found = Look(
        predictions=count,
        latency_ms=latency_ms,
        latencies=np.array([a.latency_ms for a in asked]),
        missing={name: float(frame[name].isna().mean()) for name in INPUTS if len(frame)},
        requests=distinct,
        reference=reference,
        realised=realised.judge(sold, reference, baseline, limits),
        report=None,
        reasons=[],
    )
    if len(distinct) < limits.fewest_rows:
        found.reasons = [_too_few(count, len(distinct), limits.fewest_rows)]
        return found
    found.report = judge_requests(
        distinct,
        reference,
        distinct["answered"].to_numpy(dtype=np.float64),
        baseline=baseline,
        thresholds=limits,
        progress=say,
    )
    hurting = [
        f
        for f in (*found.realised.findings, *found.report.findings)
        if f.exceeded and f.effect != "moved"
    ]
    found.causes = sorted({f.name for f in hurting})
    told = [f.message for f in found.realised.findings if f.exceeded]
    found.reasons = [*told, *found.report.reasons]
    return found


def record(settings: Settings, case: Case, found: Look) -> MonitorRecord:
    """Decide whether to ask for training and write the look down; one that stands is returned."""
    champion = case.champion
    scores = {} if found.report is None else dict(found.report.scores)
    estimated = scores.get("performance", {}).get("estimated_error")
    scores["realised"] = {finding.name: finding.scored for finding in found.realised.findings}
    made = MonitorRecord(
        model_name=champion.name,
        champion_version=champion.version,
        correlation_id=case.correlation_id,
        window_from=case.since,
        window_to=case.until,
        predictions=found.predictions,
        judged=0 if found.report is None else len(found.requests),
        moved=found.moved,
        hurts=found.hurts,
        reasons=found.reasons,
        causes=found.causes,
        asked=False,
        asked_says="",
        estimated_error=estimated,
        realised_error=found.realised.error,
        usual_error=found.realised.usual,
        sold=len(found.realised.ratios),
        latency_ms=found.latency_ms,
        missing=found.missing,
        scores=scores,
    )
    quiet = policy.QuietPeriods(after_asking=timedelta(hours=settings.monitor_quiet_hours))
    # One at a time: of two looks at once only one may ask.
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("monitor"):
        standing = warehouse.monitoring_check(champion.name, champion.version, case.until)
        if standing is not None:
            return standing
        said = policy.answer(
            champion.version, found.hurts, _past(warehouse, champion), made.looked_at, quiet
        )
        return warehouse.record_monitoring(replace(made, asked=said.ask, asked_says=said.says))


def tell(settings: Settings, recorded: MonitorRecord) -> list[Event]:
    """Publish training.requested where the look asks for training; the events published."""
    if not recorded.asked:
        return []
    event = build.training_requested(recorded)
    announce(event, settings)
    return [event]


def in_words(recorded: MonitorRecord | None) -> tuple[str, list[str], str]:
    """The look in one word, its reasons, and why training is asked for or not."""
    if recorded is None:
        return "no_champion", ["there is no champion yet, so nothing was asked of it"], ""
    return recorded.verdict, recorded.reasons, recorded.asked_says


def _began(settings: Settings, champion: ModelVersion) -> datetime:
    """When the champion was last made it: by its promotion, or by a rollback to it."""
    with Warehouse(settings.database_url) as warehouse:
        newest = warehouse.latest_promotion()
        if newest is not None and newest.version != champion.version:
            newest = warehouse.decision(champion.version)
    return champion.created if newest is None else newest.decided_at


def _past(warehouse: Warehouse, champion: ModelVersion) -> policy.Past:
    return policy.Past(
        asked=[
            look
            for look in warehouse.monitor_history(limit=_LOOKED_BACK, requested_training=True)
            if (look.model_name, look.champion_version) == (champion.name, champion.version)
        ],
        verdicts=warehouse.drift_history(limit=_LOOKED_BACK),
        decisions=warehouse.model_history(limit=_LOOKED_BACK),
        ready=warehouse.batches(status="ready"),
    )


def _frame_of(asked: list[RequestSample]) -> tuple[pd.DataFrame, list[str]]:
    """The requests in their order, with ``answered`` (dollars); the key of each property, empty
    where it has none."""
    from tasador.listings.table import frame_of

    # Whatever a client of the broker wrote there: what cannot be read is missing.
    listings = [read_listing({**a.listing, "price": None})[0] for a in asked]
    frame = frame_of(listings)
    frame["answered"] = np.array([a.price for a in asked], dtype=np.float64)
    return frame, [realised.key_of(listing) for listing in listings]


def _too_few(predictions: int, distinct: int, fewest: int) -> str:
    if not predictions:
        return "nothing was asked: too few to tell"
    return (
        f"{predictions:,} predictions of {distinct:,} different listings: too few to tell a change "
        f"from chance (fewer than {fewest})"
    )
