"""Delete what is older than the settings allow, as often as it is called.

What trainings, dossiers and decisions read stays: clean rows, refused rows and their reasons,
bundles, and every history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasador.clock import now
from tasador.errors import ConfigurationError
from tasador.settings import Settings
from tasador.stores.buckets import Buckets
from tasador.warehouse.retention import OldRows
from tasador.warehouse.warehouse import Warehouse

# A sample for reviewers is drawn from the last finished week.
_REVIEWED_DAYS = 14
_ROWS: tuple[tuple[OldRows, str], ...] = (
    ("predictions", "keep_predictions_days"),
    ("comparisons", "keep_predictions_days"),
    ("fetches", "keep_fetches_days"),
    ("dead letters", "keep_dead_letters_days"),
)
_NAMES: dict[OldRows, str] = {
    "predictions": "predictions",
    "comparisons": "comparisons of shadows",
    "fetches": "repeated answers of the source",
    "dead letters": "dead letters",
}
RETENTION = tuple(dict.fromkeys((*(setting for _, setting in _ROWS), "keep_payloads_days")))


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many of what, from before a time, were deleted."""

    what: str
    before: datetime
    count: int


def prune(settings: Settings, *, dry_run: bool = False) -> Iterator[Pruned]:
    """Delete what is too old, a kind at a time; with ``dry_run`` only count it.

    Yields nothing if no setting limits anything. Raises ConfigurationError if monitoring or
    reviews need what would be deleted, StoreUnavailable.
    """
    _check(settings)
    started = now()
    with Warehouse(settings.database_url) as warehouse:
        for kind, setting in _ROWS:
            if days := int(getattr(settings, setting)):
                before = started - timedelta(days=days)
                if dry_run:
                    count = warehouse.count_old(kind, before)
                else:
                    count = 0
                    while deleted := warehouse.delete_old(kind, before):
                        count += deleted
                yield Pruned(_NAMES[kind], before, count)
        if settings.keep_payloads_days:
            before = started - timedelta(days=settings.keep_payloads_days)
            yield Pruned("payloads", before, _payloads(settings, warehouse, before, dry_run))


def _payloads(settings: Settings, warehouse: Warehouse, before: datetime, dry_run: bool) -> int:
    batches = warehouse.old_payloads(before)
    if dry_run:
        return len(batches)
    for batch in batches:
        warehouse.delete_original_rows(batch.batch_id)
    # Also what an interrupted call has marked and not deleted.
    buckets, bucket = Buckets(settings), settings.bucket_raw
    marked = warehouse.deleted_payloads()
    keys = [s.key for s in buckets.list(bucket) if f"s3://{bucket}/{s.key}" in marked]
    buckets.delete(bucket, keys)
    return len(keys)


def _check(settings: Settings) -> None:
    days = settings.keep_predictions_days
    needed = {
        f"monitoring checks the predictions of TASADOR_MONITOR_DAYS ({settings.monitor_days}) "
        "days": settings.monitor_days,
        f"reviews (TASADOR_REVIEW_SAMPLE) are drawn from the last {_REVIEWED_DAYS} "
        "days": _REVIEWED_DAYS if settings.review_sample else 0,
    }
    for reader, least in needed.items():
        if 0 < days < least:
            raise ConfigurationError(
                f"TASADOR_KEEP_PREDICTIONS_DAYS is {days}, but {reader}: raise it to {least}, or "
                "lower the other setting"
            )
