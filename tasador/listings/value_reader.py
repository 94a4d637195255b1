"""Reading a single value by the rules of its column, or refusing it with a reason.

Every other reader of listings either calls ``read_value`` or takes values that it would return
unchanged. It imports the standard library alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from tasador.listings.rules import (
    BLANK,
    LARGEST_EXACT,
    LONGEST_TEXT,
    MISSING_TEXTS,
    RULES,
    STATUSES,
    Kind,
    Rule,
)
from tasador.listings.states import state_name

Value = str | float | None
Reader = Callable[[object], Value]

_LONGEST_MISSING = max(map(len, MISSING_TEXTS))
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"([+-]?[0-9]+)\.0*")
_LARGEST_ZIP = 99_999
_ZIP = re.compile(r"([0-9]{1,5})(?:-[0-9]{4})?")
# Times as ISO 8601 and RFC 3339 write them, and as Postgres, BigQuery and Snowflake export them;
# the second may be a leap second.
_TIME = r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]+)?)?"
_ZONE = r"(?: ?(?:[Zz]|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?"
# Texts, which re compiles and caches at their first use: a function's start needs none of them.
_DATE_AND_TIME = rf"[0-9-]{{10}}{_TIME}{_ZONE}"
_SPACES = "[ \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+"


class FieldProblem(NamedTuple):
    """Why a field was refused: ``reason`` is a phrase for people, ``value`` what was sent."""

    field: str
    reason: str
    value: str


class Refused(Exception):
    """A value that its column cannot have; the message is the reason."""

    @classmethod
    def ambiguous(cls, one: str, other: str) -> Refused:
        """A text that may be either of two numbers."""
        return cls(f"may be {one} or {other}")


def cleaned(text: str) -> str:
    """The text without blanks at its ends, in Unicode's composed form."""
    text = text.strip()
    if text.isascii():
        return text
    import unicodedata  # most values are ASCII, and a starting process has no time to lose

    return unicodedata.normalize("NFC", text.strip(BLANK))


def _number(rule: Rule) -> Callable[[object], float | None]:
    low, high = rule.low, rule.high
    above = f"is above {f'{high:,.0f} {rule.unit}'.rstrip()}, which no listing can be"

    def read(value: object) -> float | None:
        if value is None:
            return None
        kind = type(value)
        if kind is float:
            number: float = value  # type: ignore[assignment]
        elif isinstance(value, str):
            text = value.strip()
            if not text.isascii():
                text = cleaned(text)
            if len(text) <= _LONGEST_MISSING and text.lower() in MISSING_TEXTS:
                return None
            if len(text) > LONGEST_TEXT:
                raise Refused(f"is longer than {LONGEST_TEXT} characters")
            # float() also reads underscores and the digits of every script.
            if "_" in text or not text.isascii():
                raise Refused("is not a number")
            try:
                number = float(text)
            except ValueError:
                raise Refused("is not a number") from None
        elif kind is bool:
            raise Refused("is true or false, not a number")
        elif isinstance(value, int | float):
            try:
                number = float(value)
            except OverflowError:  # JSON has integers of any length
                number = math.inf if value > 0 else -math.inf
        else:
            raise Refused("is not a number")
        if low <= number <= high:
            return number + 0.0  # -0.0 is 0
        if number != number:
            return None
        if number > high:
            raise Refused(above)
        raise Refused("is negative" if low == 0 else f"is below {low:g} {rule.unit}".rstrip())

    return read


def _text(value: object) -> str | None:
    if isinstance(value, str):
        text = value.strip()
        if not text.isascii():
            text = cleaned(text)
    elif value is None:
        return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("is not text")
    elif value != value:
        return None
    elif abs(value) == math.inf:  # Infinity and 1e999 in JSON
        raise Refused("is not a finite number")
    elif abs(value) > LARGEST_EXACT:
        raise Refused("is a number too large to be exact: send it as text")
    else:
        text = repr(value)
    if len(text) <= _LONGEST_MISSING and text.lower() in MISSING_TEXTS:
        return None
    if len(text) > LONGEST_TEXT:
        raise Refused(f"is longer than {LONGEST_TEXT} characters")
    if not text.isprintable():
        text = re.sub(_SPACES, " ", text)
        # Some sources escape NUL and lone surrogates in JSON, which no database accepts.
        if not text.isprintable():
            raise Refused("contains unprintable characters")
    return text


def _name(value: object) -> str | None:
    text = _text(value)
    return re.sub(_SPACES, " ", text) if text is not None and "  " in text else text


def _state(value: object) -> str | None:
    text = _name(value)
    return None if text is None else state_name(text)


def _code(value: object) -> str | None:
    """A code, sent as text, as an integer or as "33156.0"."""
    text = _text(value)
    if text is None or (text.isdigit() and text.isascii()):
        return text
    if whole := _WHOLE.fullmatch(text):
        return whole.group(1)
    if _DECIMAL.fullmatch(text) and not text.lstrip("+-").isdigit():
        raise Refused("is not a whole number")
    return text


def _zip_code(value: object) -> str | None:
    if isinstance(value, int | float) and value > _LARGEST_ZIP:
        raise Refused("is not a zip code of five digits")
    text = _text(value)
    if text is None or (len(text) == 5 and text.isdigit() and text.isascii()):
        return text
    whole = _WHOLE.fullmatch(text)
    match = _ZIP.fullmatch(whole.group(1) if whole else text)
    if match is None:
        raise Refused("is not a zip code of five digits")
    return match.group(1).zfill(5)


def _status(value: object) -> str | None:
    text = _text(value)
    if text is None or text in STATUSES:
        return text
    status = text.lower().replace(" ", "_").replace("-", "_")
    if status not in STATUSES:
        raise Refused("is not one of " + ", ".join(STATUSES))
    return status


def _date(value: object) -> str | None:
    text = _text(value)
    if text is None:
        return None
    day = text if len(text) == 10 else text[:10]
    try:
        # fromisoformat also reads weeks and dates without dashes.
        if day[4] == day[7] == "-" and day.isascii():
            date.fromisoformat(day)
            if day is text or re.fullmatch(_DATE_AND_TIME, text):
                return day
    except (ValueError, IndexError):
        pass
    raise Refused("is not a date like 2022-02-23")


_OF_KIND: dict[Kind, Reader] = {
    "name": _name,
    "state": _state,
    "code": _code,
    "zip code": _zip_code,
    "status": _status,
    "date": _date,
}

# The reader of each column: the value as read, or Refused.
READERS: dict[str, Reader] = {
    rule.column: _number(rule) if rule.kind == "number" else _OF_KIND[rule.kind] for rule in RULES
}


def read_value(name: str, value: object) -> tuple[Value, FieldProblem | None]:
    """Read the value of one column; a refused value is None, with a problem."""
    reader = READERS.get(name)
    if reader is None:
        return None, not_a_column(name, value)
    try:
        return reader(value), None
    except Refused as refused:
        return None, FieldProblem(name, str(refused), shown(value))


# The columns whose texts may be read as others; codes only lose their ".0".
REWORDED = tuple(rule.column for rule in RULES if rule.kind not in ("number", "name", "code"))


def is_reworded(raw: object, read: Value) -> bool:
    """Whether the value of a column of REWORDED was read as another text than was sent."""
    if read is None or raw is read:
        return False
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return str(raw).strip() != read


def not_a_column(name: object, value: object) -> FieldProblem:
    """The problem of a value under a name that no column has."""
    name = str(name)[:100]
    near = _column_like(name)
    reason = "is not a column of a listing" + (f"; is it {near}?" if near else "")
    return FieldProblem(name, reason, shown(value))


@lru_cache(maxsize=1000)
def _column_like(name: str) -> str:
    """The column that a name may be a misspelling of; empty if there is none."""
    from difflib import get_close_matches  # seldom needed

    plain = name.lower().replace(" ", "_").replace("-", "_")
    return next(iter(get_close_matches(plain, [rule.column for rule in RULES], 1, 0.85)), "")


def shown(value: object) -> str:
    """The value in a problem, at most 200 characters."""
    if isinstance(value, str):
        return value[:200]
    try:
        return repr(value)[:200]
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "an integer of more than 4,300 digits"
