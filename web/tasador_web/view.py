"""Turns the functions' answers into what pages show: texts, and bar positions in per cent.

Imports no Reflex.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FIELDS = {
    "state": "State",
    "city": "City",
    "zip_code": "Zip code",
    "street": "Street",
    "house_size": "House size",
    "acre_lot": "Lot",
    "bed": "Bedrooms",
    "bath": "Bathrooms",
    "status": "Status",
    "brokered_by": "Broker",
    "prev_sold_date": "Last sold",
    "place": "Place",  # an explanation's name for state, city and zip code together
    "comparables": "Comparable listings",
}


def rejection_of(summary: dict[str, Any]) -> str:
    """Why the newest version was rejected, for a page without a model; empty if it was not."""
    decision = summary.get("newest_decision") or {}
    if decision.get("decision") != "rejected":
        return ""
    reasons = " ".join(str(reason) for reason in decision["reasons"])
    return (
        f"No model is in service yet. Version {decision['version']} was trained and rejected: "
        f"{reasons} The next batch trains another one."
    )


@dataclass
class Interval:
    """One prediction interval; ``left`` and ``width`` are per cent of the widest one."""

    level: str
    low: str
    high: str
    left: float
    width: float


@dataclass
class Step:
    """One step of the waterfall from the base to the price; ``kind`` is base, up, down or total."""

    name: str
    value: str
    dollars: str
    kind: str
    left: float
    width: float


@dataclass
class Estimate:
    """A prediction as the page shows it; ``mark`` is the price on the scale of the intervals."""

    price: str = ""
    mark: float = 0.0
    model: str = ""
    digest: str = ""
    revision: str = ""
    prediction_id: str = ""
    correlation_id: str = ""


def dollars(amount: float) -> str:
    """Whole dollars."""
    whole = round(amount)
    return f"−${-whole:,}" if whole < 0 else f"${whole:,}"


def change(amount: float) -> str:
    """Whole dollars with a sign."""
    return f"+{dollars(amount)}" if round(amount) > 0 else dollars(amount)


def short(digest: str) -> str:
    """The first 12 characters of a digest or an id."""
    return digest.removeprefix("sha256:")[:12]


def moment(time: str) -> str:
    """An ISO 8601 time, shown in UTC to the second."""
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def name_of(model: dict[str, Any]) -> str:
    """name@version."""
    return f"{model['name']}@{model['version']}"


def names_of(fields: list[str]) -> list[str]:
    """The form's names of the fields."""
    return [FIELDS.get(field, field) for field in fields]


def read_as_of(prediction: dict[str, Any]) -> str:
    """The values that were read as another text than was typed; empty if there are none."""
    read = [
        f"{FIELDS.get(name, name)} {text}" for name, text in prediction.get("read_as", {}).items()
    ]
    return f"Read as: {', '.join(read)}." if read else ""


def estimate_of(prediction: dict[str, Any]) -> Estimate:
    """The price, its position and where it comes from."""
    low, high = _span(prediction["intervals"])
    return Estimate(
        price=dollars(prediction["price"]),
        mark=_per_cent(prediction["price"] - low, high - low),
        model=name_of(prediction["model"]),
        digest=prediction["model"]["digest"],
        revision=prediction["revision"] or "none",
        prediction_id=prediction["prediction_id"],
        correlation_id=prediction["correlation_id"],
    )


def intervals_of(prediction: dict[str, Any]) -> list[Interval]:
    """The intervals, the narrowest first."""
    low, high = _span(prediction["intervals"])
    return [
        Interval(
            level=f"{level}\N{NO-BREAK SPACE}%",
            low=dollars(i["low"]),
            high=dollars(i["high"]),
            left=_per_cent(i["low"] - low, high - low),
            width=_per_cent(i["high"] - i["low"], high - low),
        )
        for level, i in sorted(prediction["intervals"].items(), key=lambda item: float(item[0]))
    ]


def steps_of(explanation: dict[str, Any]) -> list[Step]:
    """The waterfall: base, each column's contribution, price. The steps add up."""
    base, price = explanation["base"], explanation["price"]
    bars = [("Base", "where every price starts", base, "base", 0.0, base)]
    at = base
    for column in explanation["columns"]:
        amount = column["dollars"]
        name = FIELDS.get(column["feature"], column["feature"])
        kind = "up" if amount >= 0 else "down"
        bars.append((name, column["value"], amount, kind, min(at, at + amount), abs(amount)))
        at += amount
    bars.append(("Price", "", price, "total", 0.0, price))
    # The running total may go below zero before later columns raise it again.
    start = min(0.0, *(left for *_, left, _ in bars))
    scale = max(left + width for *_, left, width in bars) - start
    return [
        Step(
            name=name,
            value=value,
            dollars=change(amount) if kind in ("up", "down") else dollars(amount),
            kind=kind,
            left=_per_cent(left - start, scale),
            width=_per_cent(width, scale),
        )
        for name, value, amount, kind, left, width in bars
    ]


def _span(intervals: dict[str, dict[str, float]]) -> tuple[float, float]:
    return min(i["low"] for i in intervals.values()), max(i["high"] for i in intervals.values())


def _per_cent(part: float, whole: float) -> float:
    return round(min(max(100 * part / whole, 0.0), 100.0), 2) if whole else 0.0
