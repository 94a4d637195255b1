"""Random sample testing: a few predictions of each week wait for a person's verdict."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasador.clock import now
from tasador.errors import TasadorError
from tasador.records.review import ReviewRecord, ReviewVerdict
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

_WEEK = timedelta(days=7)


def draw(
    settings: Settings, count: int, week: str = "", at: datetime | None = None
) -> list[ReviewRecord]:
    """Draw ``count`` predictions of a finished ISO week; returns the stored sample.

    ``week`` is such as 2026-W48; the default is the last finished one. A week that has a sample
    keeps it. Raises TasadorError if the week is not over, since its predictions are not all made.
    """
    at = at or now()
    since = week_start(week) if week else _monday(at) - _WEEK
    if since + _WEEK > at:
        raise TasadorError(
            f"week {week} is not over: a sample is drawn from all predictions of a week"
        )
    with Warehouse(settings.database_url) as warehouse:
        return warehouse.draw_reviews(week_of(since), since, since + _WEEK, count, at)


def draw_weekly(settings: Settings, at: datetime | None = None) -> list[ReviewRecord]:
    """Draw TASADOR_REVIEW_SAMPLE predictions of the last finished week, once; none if that is 0."""
    return draw(settings, settings.review_sample, at=at) if settings.review_sample else []


def record(
    settings: Settings, prediction_id: str, verdict: ReviewVerdict, note: str, by: str
) -> ReviewRecord:
    """Record a person's verdict on a drawn prediction.

    Raises TasadorError if it was not drawn, or somebody has recorded another verdict.
    """
    if verdict != "accept" and not note.strip():
        raise TasadorError(f"the verdict {verdict} needs a note that says why")
    with Warehouse(settings.database_url) as warehouse:
        stored = warehouse.record_review(prediction_id, verdict, note.strip(), by, now())
    if stored is None:
        raise TasadorError(
            f"prediction {prediction_id} was not drawn; `tasador review list` shows the sample"
        )
    if (stored.verdict, stored.reviewed_by) != (verdict, by):
        raise TasadorError(
            f"{stored.reviewed_by} has reviewed prediction {prediction_id} already: "
            f"{stored.verdict}"
        )
    return stored


def week_start(week: str) -> datetime:
    """Monday 00:00 UTC of an ISO week such as 2026-W48; raises TasadorError if it is none."""
    try:
        return datetime.strptime(f"{week}-1", "%G-W%V-%u").replace(tzinfo=UTC)
    except ValueError:
        raise TasadorError(f"{week!r} is not an ISO week; write it like 2026-W48") from None


def week_of(at: datetime) -> str:
    """The ISO week of a time, in UTC."""
    return at.astimezone(UTC).strftime("%G-W%V")


def _monday(at: datetime) -> datetime:
    return week_start(week_of(at))
