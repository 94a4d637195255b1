"""Times as RFC 3339 writes them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
EXAMPLE = "2026-01-31T12:00:00Z"


def is_timestamp(text: str) -> bool:
    """Whether the text is a date-time of RFC 3339.

    T and Z may be in lower case. The second may be 60 where a leap second can be: at the end of a
    month in UTC.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    ahead = int(match[9] or 0), int(match[10] or 0)
    if hour > 23 or minute > 59 or second > 60 or ahead[0] > 23 or ahead[1] > 59:
        return False
    try:
        # RFC 3339 has a year 0, Python has none. Its calendar is that of the year 2000.
        midnight = date(2000 + year % 400, month, day)
    except ValueError:
        return False
    return second < 60 or _ends_a_month(midnight, hour, minute, match[8], ahead)


def _ends_a_month(
    midnight: date, hour: int, minute: int, sign: str | None, ahead: tuple[int, int]
) -> bool:
    offset = timedelta(hours=ahead[0], minutes=ahead[1]) * (-1 if sign == "-" else 1)
    local = datetime(midnight.year, midnight.month, midnight.day, hour, minute)
    in_utc = local - offset
    return (in_utc.hour, in_utc.minute) == (23, 59) and (in_utc + timedelta(minutes=1)).day == 1


def parse_timestamp(text: str) -> datetime:
    """The time in UTC. A leap second is read as the second after it.

    Raises ValueError for a text that is not an RFC 3339 time, or lies outside the years 1 to 9999.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None or not is_timestamp(text):
        raise ValueError(f"is not a time like {EXAMPLE}")
    leap = timedelta(seconds=match[6] == "60")
    second = "59" if leap else match[6]
    # Python reads six digits of a second, and an offset, but no z.
    micros = (match[7] or ".")[1:7].ljust(6, "0")
    offset = f"{match[8]}{match[9]}:{match[10]}" if match[8] else "+00:00"
    local = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}:{match[5]}:{second}.{micros}{offset}"
    try:
        return datetime.fromisoformat(local).astimezone(UTC) + leap
    except (ValueError, OverflowError):
        raise ValueError("lies outside the years 1 to 9999") from None
