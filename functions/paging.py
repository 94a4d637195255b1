"""Pages of the predictions' history: the query's limit and position, and the next position.

A position is a time and an id, since many predictions of a batch have one time. Clients get it as
an opaque cursor.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from functions.http import invalid_fields
from functions.limits import MAX_PAGE_ROWS, PAGE_ROWS
from tasador.events.predictions import PREDICTION_ID
from tasador.events.timestamps import EXAMPLE, parse_timestamp
from tasador.listings.listing import FieldProblem
from tasador.listings.value_reader import read_value
from tasador.records.prediction import PredictionRecord
from tasador.warehouse.predictions import Chosen

_LONGEST_CURSOR = 300


class Page(NamedTuple):
    """A page: predictions before a time, or before an id at that time; the newest without both."""

    limit: int
    before: datetime | None = None
    before_id: str | None = None


def read_page(arguments: Mapping[str, str]) -> Page:
    """The page of ?limit=&cursor=&before=; raises HttpProblem 422 that names the parameter.

    ``before`` is a time. Clients of older versions send ``next`` in it, so it may be a cursor too.
    """
    limit = read_limit(arguments, PAGE_ROWS, MAX_PAGE_ROWS)
    cursor, before = arguments.get("cursor"), arguments.get("before")
    if cursor is not None and before is not None:
        raise _refused("before", "cannot be combined with a cursor", before)
    if cursor is not None:
        position = _position(cursor)
        if position is None:
            raise _refused("cursor", "is not the `next` of an earlier page", cursor)
        return Page(limit, *position)
    if before is None:
        return Page(limit)
    return Page(limit, *(_position(before) or (_time(before), None)))


def read_chosen(arguments: Mapping[str, str]) -> Chosen:
    """Which predictions ?since=&version=&state= wants; raises HttpProblem 422."""
    since, version = arguments.get("since"), arguments.get("version")
    state = arguments.get("state")
    if version is not None:
        digits = version.lstrip("0") if version.isascii() and version.isdigit() else ""
        if not digits or len(digits) > 9:
            raise _refused("version", "is not the number of a version", version)
    if state is not None:
        read, problem = read_value("state", state)
        if problem is not None or read is None:
            reason = problem.reason if problem is not None else "is empty"
            raise _refused("state", reason, state)
        state = str(read)
    return Chosen(
        since=None if since is None else _time(since, "since"),
        version=None if version is None else int(version),
        state=state,
    )


def read_limit(arguments: Mapping[str, str], default: int, most: int) -> int:
    """How many rows ?limit= wants, 1 to ``most``; raises HttpProblem 422 that names it."""
    text = arguments.get("limit")
    if text is None:
        return default
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not digits or len(digits) > 9 or int(digits) > most:
        raise _refused("limit", f"is not a whole number from 1 to {most}", text)
    return int(digits)


def next_page(records: list[PredictionRecord], limit: int) -> str | None:
    """The cursor of the page after the first ``limit`` records; None if no more are known."""
    if len(records) <= limit:
        return None
    last = records[limit - 1]
    position = f"{last.predicted_at.isoformat()} {last.prediction_id}"
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, str] | None:
    """The time and the id of a cursor; None if it is none."""
    try:
        if len(cursor) > _LONGEST_CURSOR:
            return None
        padded = cursor + "=" * (-len(cursor) % 4)
        content = base64.b64decode(padded.encode("ascii"), b"-_", validate=True).decode("ascii")
        time, _, prediction_id = content.partition(" ")
        if not PREDICTION_ID.fullmatch(prediction_id):
            return None
        return parse_timestamp(time), prediction_id
    except (ValueError, binascii.Error):
        return None


def _time(text: str, name: str = "before") -> datetime:
    try:
        # An unencoded + in a query is a space.
        when = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        # In UTC: Postgres rejects an offset of 16 hours, which RFC 3339 allows.
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _refused(name, f"is not a time like {EXAMPLE}", text) from None


def _refused(name: str, reason: str, value: str) -> Exception:
    return invalid_fields([FieldProblem(name, reason, value[:200])])
