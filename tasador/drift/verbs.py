"""The verbs of the drift flow: choose the batch and champion, judge, record, publish.

Each one is safe to repeat: the verdict on a batch and a champion is recorded once, and its event
always has the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tasador.drift.baseline import Baseline
from tasador.drift.feed import ALL, Refusals, refused
from tasador.drift.judge import judge_batch
from tasador.drift.measures import DriftError
from tasador.drift.report import DriftReport
from tasador.errors import BundleError, ObjectLost, ServiceUnavailable, SignatureError, TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.records.loop import Batch, DriftRecord
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.stores.model_version import ModelVersion
from tasador.stores.registry import Registry
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

_MOST_EARLIER = 50  # batches that the shares of refused rows are compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is judged: a batch that is ready, and the champion at that moment."""

    batch: Batch
    champion: ModelVersion | None
    correlation_id: str


def choose(settings: Settings, batch_id: str = "", correlation_id: str = "") -> Case:
    """The named batch or the newest that is ready, and the current champion.

    Raises TasadorError if there is no such batch, its ingestion is unfinished, or it has another
    correlation id: both values may come from an event, which anybody can post.
    """
    settings.require("database_url")
    with Warehouse(settings.database_url) as warehouse:
        if batch_id:
            batch = warehouse.batch(batch_id)
            if batch is None:
                raise TasadorError(f"there is no batch {batch_id}")
            if batch.status != "ready":
                raise TasadorError(
                    f"batch {batch_id} is {batch.status}, not ready: run `python flows/ingest.py "
                    "run` again, which finishes the ingestion"
                )
        else:
            ready = warehouse.batches(status="ready")
            if not ready:
                raise TasadorError(
                    "no batch has been ingested yet: run `python flows/ingest.py run`"
                )
            batch = ready[-1]
        if correlation_id not in ("", batch.correlation_id):
            raise TasadorError(
                f"batch {batch.batch_id} has correlation id {batch.correlation_id}, not "
                f"{correlation_id}: the event that started this run is not of this batch"
            )
        newest = warehouse.latest_promotion(settings.model_name)
    return Case(
        batch=batch,
        champion=Registry(settings).champion(newest),
        correlation_id=batch.correlation_id,
    )


def judge(settings: Settings, case: Case, say: Callable[[str], None]) -> DriftReport:
    """Judge the batch's clean rows against the champion and its reference, both from the store."""
    lake = Lake(settings)
    batch = lake.read_parquet(case.batch.clean_uri)
    with Warehouse(settings.database_url) as warehouse:
        refusals = _refusals(warehouse, [case.batch])[0]
        earlier = _refusals(warehouse, _batches_before(case.batch, warehouse.usable_batches()))
    judged = partial(
        judge_batch,
        batch,
        refusals=refusals,
        earlier=earlier,
        accepted=case.batch.accepted_at is not None,
        progress=say,
    )
    if case.champion is None:
        return judged(None, None)
    try:
        reference, baseline = reference_of(lake, case.champion)
        bundle = lake.load_bundle(case.champion.model)
    except SignatureError:
        # It is there, and somebody else put it there: that is for people to look into.
        raise
    except (BundleError, ObjectLost) as error:
        # Failing here would keep the loop from training a successor.
        say(f"the champion {case.champion.model} cannot be read: {error}")
        report = judged(None, None)
        if report.verdict == "train":
            report.reasons = [lost(case.champion, error)]
        return report
    return judged(reference, bundle, baseline=baseline)


def awaits_refusal(warehouse: Warehouse, batches: Sequence[Batch]) -> list[Batch]:
    """Those of the usable batches that no drift flow has judged and whose rows were mostly refused.

    A training that starts between the ingestion of a broken batch and its verdict leaves it out.
    """
    judged = warehouse.verdicts_by_batch()
    return [
        batch
        for batch in batches
        if batch.batch_id not in judged
        and any(
            finding.exceeded
            for finding in refused(
                _refusals(warehouse, [batch])[0],
                _refusals(warehouse, _batches_before(batch, batches)),
            ).findings
        )
    ]


def _batches_before(batch: Batch, usable: Sequence[Batch]) -> list[Batch]:
    """The newest of the usable batches before this one."""
    return [one for one in usable if one.fetched_at < batch.fetched_at][-_MOST_EARLIER:]


def _refusals(warehouse: Warehouse, batches: Sequence[Batch]) -> list[Refusals]:
    counted = warehouse.refused_rows([batch.batch_id for batch in batches])
    return [
        Refusals(
            rows=batch.rows_raw,
            refused={
                ALL: batch.rows_quarantined,
                **{name: one.rows for name, one in counted.get(batch.batch_id, {}).items()},
            },
            reasons={name: one.reason for name, one in counted.get(batch.batch_id, {}).items()},
            accepted=batch.accepted_at is not None,
        )
        for batch in batches
    ]


def lost(champion: ModelVersion, error: Exception) -> str:
    """Why a champion that cannot be read is to be replaced."""
    return (
        f"the champion {champion.model} cannot be read, so a successor is to be trained: {error}; "
        "`tasador rollback VERSION` returns to a version that can be read"
    )


def reference_of(lake: Lake, champion: ModelVersion) -> tuple[pd.DataFrame, Baseline | None]:
    """The champion's reference and its drift baseline; None for versions stored without one.

    Raises ObjectLost if the reference is missing or damaged.
    """
    reference = lake.read_parquet(champion.reference_uri)
    if not lake.exists(champion.baseline_uri):
        return reference, None
    try:
        return reference, Baseline.from_json(lake.get_bytes(champion.baseline_uri))
    except DriftError as error:
        raise ObjectLost(f"{champion.baseline_uri} is damaged: {error}") from error


def record(settings: Settings, case: Case, report: DriftReport) -> DriftRecord:
    """Record the verdict; an existing one for this batch and champion is returned instead.

    A batch whose feed broke is marked first: from then on no training uses it.
    """
    with Warehouse(settings.database_url) as warehouse:
        if report.verdict == "broken_feed":
            warehouse.refuse_batch(case.batch.batch_id)
        return warehouse.record_drift(
            DriftRecord(
                batch_id=case.batch.batch_id,
                model_name=settings.model_name,
                champion_version=case.champion.version if case.champion else 0,
                champion_digest=case.champion.digest if case.champion else "",
                correlation_id=case.correlation_id,
                verdict=report.verdict,
                reasons=report.reasons,
                scores=report.scores,
            )
        )


def accept(settings: Settings, batch_id: str) -> Batch:
    """Accept a batch whose feed broke: from now on it is a batch like any other.

    First the record, then the event that starts drift again. If the event cannot be published, the
    batch is accepted all the same, and accepting it again publishes the event. Raises TasadorError
    for a batch that was never refused.
    """
    settings.require("database_url", "broker_url")
    with Warehouse(settings.database_url) as warehouse:
        batch = warehouse.batch(batch_id)
        if batch is None:
            raise TasadorError(
                f"there is no batch {batch_id}: `tasador batch list` shows their ids"
            )
        if batch.refused_at is None:
            raise TasadorError(
                f"batch {batch_id} was not refused, so there is nothing to accept: its status is "
                f"{batch.status}"
            )
        warehouse.accept_batch(batch_id)
        accepted = warehouse.batch(batch_id)
    assert accepted is not None
    try:
        announce(build.batch_ingested(accepted), settings)
    except ServiceUnavailable as error:
        raise ServiceUnavailable(
            f"batch {batch_id} is accepted, but its event was not published: {error}; run the "
            "command again"
        ) from error
    return accepted


def publish(settings: Settings, recorded: DriftRecord) -> list[Event]:
    """Publish drift.detected if the verdict calls for training, batch.refused if the feed broke.

    Returns the published events.
    """
    if recorded.verdict == "no_drift":
        return []
    broken = recorded.verdict == "broken_feed"
    event = build.batch_refused(recorded) if broken else build.drift_detected(recorded)
    announce(event, settings)
    return [event]
