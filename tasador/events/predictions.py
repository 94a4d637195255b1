"""The predictions in a prediction.made event, the inverse of ``build.prediction_as_json``.

Their readers (the history, its summary, monitoring, lineage) rely on what is checked here, and so
do the CHECK constraints of raw.inference_logs (``tasador.warehouse.schema``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from tasador.clock import now
from tasador.events.event import EventError
from tasador.events.timestamps import parse_timestamp
from tasador.listings.listing import INPUTS, read_listing
from tasador.listings.rules import RULES, STATUSES
from tasador.model.confidence import CLASSES, FIGURES
from tasador.records.prediction import PredictionRecord

# Dollars, milliseconds (one day) and characters.
MAX_PRICE = next(rule.high for rule in RULES if rule.column == "price")
MAX_LATENCY = 86_400_000.0
_LONGEST_TEXT, _LONGEST_WARNING, _MOST_WARNINGS = 200, 1_000, 100
_MAX_FSD = 1_000_000.0
FIRST_YEAR, LAST_YEAR = 2000, 2199
# How far another machine's clock may be ahead of this one's.
_MOST_AHEAD = timedelta(days=1)
# The id is part of an address, GET /predictions/ID, next to GET /predictions/history.
PREDICTION_ID = re.compile(r"(?!history\Z)[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_LEVEL = re.compile(r"[0-9]{1,2}")


def predictions_of(data: Any) -> tuple[list[PredictionRecord], list[EventError]]:
    """The records in a prediction.made event's data, and for each other one the error.

    The error names the field.
    """
    if isinstance(data, Mapping) and isinstance(data.get("predictions"), list):
        places = [(item, f"predictions[{i}].") for i, item in enumerate(data["predictions"])]
    else:
        places = [(data, "")]
    records: list[PredictionRecord] = []
    errors: list[EventError] = []
    for item, where in places:
        try:
            records.append(_record(item, where))
        except EventError as error:
            errors.append(error)
    return records, errors


class Refused(Exception):
    """Why a value is refused, as the end of a sentence that begins with its field.

    ``part`` is the part of the value that is refused.
    """

    def __init__(self, reason: str, part: str = "") -> None:
        super().__init__(reason)
        self.part = part


def _record(data: Any, where: str) -> PredictionRecord:
    if not isinstance(data, Mapping):
        raise EventError(f"{where.rstrip('.') or 'data'} is not a prediction (a JSON object)")
    values: dict[str, Any] = {}
    for field in fields(PredictionRecord):
        if field.name not in data:
            if field.default is not MISSING:
                continue  # a revision of an older release made it
            raise EventError(f"{where}{field.name} is missing")
        try:
            values[field.name] = READERS[field.name](data[field.name])
        except Refused as refused:
            raise EventError(f"{where}{field.name}{refused.part} {refused}") from None
    return PredictionRecord(**values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused("is not a text")
    if len(value) > _LONGEST_TEXT:
        raise Refused(f"is longer than {_LONGEST_TEXT} characters")
    if not value.isprintable():
        raise Refused("has unprintable characters")
    return value


def _prediction_id(value: object) -> str:
    if not isinstance(value, str) or not PREDICTION_ID.fullmatch(value):
        raise Refused(
            "is not an id: 1 to 100 letters, digits and characters of _.:- after the first,"
            " and not 'history'"
        )
    return value


def _version(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise Refused("is not a version number")
    return value


def _number(value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused("is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("is not a finite number")
    if not 0 <= value <= most:
        raise Refused(f"is not between 0 and {most:,.0f}")
    return float(value)


def _price(value: object) -> float:
    price = _number(value, MAX_PRICE)
    if price == 0:
        raise Refused("is not above zero")
    return price


def _time(value: object) -> datetime:
    try:
        when = parse_timestamp(value if isinstance(value, str) else "").astimezone(UTC)
    except ValueError as error:
        raise Refused(str(error)) from None
    if not FIRST_YEAR <= when.year <= LAST_YEAR:
        raise Refused(f"is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    # It would stay the newest prediction until that day.
    if when - now() > _MOST_AHEAD:
        raise Refused("is more than a day in the future")
    return when


def _listing(value: object) -> dict[str, Any]:
    """The inputs that the value has, read again: a reader gets what it would read itself."""
    if not isinstance(value, Mapping):
        raise Refused("is not a JSON object")
    if "price" in value:
        raise Refused("is not an input of a prediction", ".price")
    listing, problems = read_listing(value)
    for problem in problems:
        raise Refused(problem.reason, f".{problem.field}")
    return {name: getattr(listing, name) for name in value}


def _intervals(value: object) -> dict[str, list[float]]:
    if not isinstance(value, Mapping):
        raise Refused("is not a JSON object")
    intervals: dict[str, list[float]] = {}
    for level, bounds in value.items():
        part = f".{level[:20]}"
        if not _LEVEL.fullmatch(level):
            raise Refused("is not a level like 80", part)
        if not isinstance(bounds, list) or len(bounds) != 2:
            raise Refused("is not a list of two prices", part)
        try:
            low, high = (_number(bound, MAX_PRICE) for bound in bounds)
        except Refused as refused:
            raise Refused(f"has a price that {refused}", part) from None
        if low > high:
            raise Refused("ends below its beginning", part)
        intervals[level] = [low, high]
    return intervals


def _missing(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Refused("is not a list of names")
    if unknown := [name for name in value if name not in INPUTS]:
        raise Refused(f"names {unknown[0][:100]!r}, which is not an input of a prediction")
    if len(set(value)) < len(value):
        raise Refused("has a name twice")
    return value


def _warnings(value: object) -> list[str]:
    if not isinstance(value, list) or len(value) > _MOST_WARNINGS:
        raise Refused(f"is not a list of at most {_MOST_WARNINGS} texts")
    for index, text in enumerate(value):
        if not isinstance(text, str) or len(text) > _LONGEST_WARNING or not text.isprintable():
            raise Refused(
                f"is not a printable text of at most {_LONGEST_WARNING:,} characters", f"[{index}]"
            )
    return value


def _confidence(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Refused("is not a JSON object")
    names = ("fsd", "class", *FIGURES)
    if different := sorted(set(value) ^ set(names)):
        raise Refused("is missing or unknown", f".{different[0][:20]}")
    if value["class"] not in list(CLASSES):
        raise Refused(f"is not one of {', '.join(CLASSES)}", ".class")
    read: dict[str, Any] = dict(value)
    for name, most in (("fsd", _MAX_FSD), *((figure, 1.0) for figure in FIGURES)):
        # Too few rows of the class were there to measure a figure.
        if name == "fsd" or read[name] is not None:
            try:
                read[name] = _number(read[name], most)
            except Refused as refused:
                raise Refused(str(refused), f".{name}") from None
    return read


def _prices(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or "headline" not in value:
        raise Refused("is not a JSON object with a headline")
    read: dict[str, Any] = {}
    for name, price in value.items():
        if name == "headline":
            if price not in list(STATUSES) or price not in value:
                raise Refused("is not a status with a price", ".headline")
            read[name] = price
            continue
        if name not in STATUSES:
            raise Refused("is not a status", f".{name[:20]}")
        try:
            read[name] = _price(price)
        except Refused as refused:
            raise Refused(str(refused), f".{name}") from None
    return read


# How each field of a prediction is read.
READERS: dict[str, Any] = {
    "prediction_id": _prediction_id,
    "predicted_at": _time,
    "correlation_id": _text,
    "model_name": _text,
    "model_version": _version,
    "model_digest": _text,
    "revision": _text,
    "listing": _listing,
    "price": _price,
    "intervals": _intervals,
    "missing": _missing,
    "warnings": _warnings,
    "latency_ms": lambda value: _number(value, MAX_LATENCY),
    "confidence": _confidence,
    "prices": _prices,
}
