"""What the Predictions page shows of record's answers. No Reflex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tasador_web import reports, words
from tasador_web.chart import Chart, line_chart
from tasador_web.languages import marks, text

HEADLINE = "80"
# The choices of the time filter, in hours.
PERIODS = {"": "Any time", "1": "Last hour", "24": "Last 24 hours", "168": "Last 7 days"}
_FIRST, _HOME = ("city", "state", "zip_code"), ("bed", "bath", "house_size", "acre_lot")
_SIZES = ("house_size", "acre_lot")


@dataclass
class PastPrediction:
    """A recorded prediction in the list."""

    prediction_id: str
    when: str
    price: str
    likely: str
    place: str
    home: str
    version: int
    confidence: str
    confidence_color: str
    realised: str
    realised_color: str
    selected: bool = False


@dataclass
class Fact:
    """A name and its value."""

    name: str
    value: str


@dataclass
class VersionShare:
    """The predictions of one version, and their share of all."""

    version: int
    count: str
    share: float
    mean: str
    last: str


@dataclass
class Detail:
    """One prediction, without its lists."""

    prediction_id: str = ""
    problem: str = ""
    correlation_id: str = ""
    report: str = ""
    facts: list[Fact] = field(default_factory=list)
    ids: list[Fact] = field(default_factory=list)


def rows_of(page: Mapping[str, Any], selected: str = "") -> list[PastPrediction]:
    """A page of GET /predictions/history."""
    return [
        _row(record, page["realised"].get(record["prediction_id"]), selected)
        for record in page["predictions"]
    ]


def _row(
    record: Mapping[str, Any], realised: Mapping[str, Any] | None, selected: str
) -> PastPrediction:
    return PastPrediction(
        prediction_id=record["prediction_id"],
        when=words.moment(record["predicted_at"]),
        price=words.dollars(record["price"]),
        likely=likely(record),
        place=place_of(record["listing"]),
        home=home_of(record["listing"]),
        version=record["model_version"],
        **_confidence(record.get("confidence")),
        realised="" if realised is None else realised_text(realised),
        realised_color="" if realised is None else color_of(realised, record),
        selected=record["prediction_id"] == selected,
    )


def _confidence(confidence: Mapping[str, Any] | None) -> dict[str, str]:
    """The class of a price; empty for a model that has not measured it."""
    name = confidence["class"] if confidence else ""
    return {
        "confidence": text(name) if name else "",
        "confidence_color": words.CONFIDENCE_COLORS.get(name, "gray"),
    }


def place_of(listing: Mapping[str, Any]) -> str:
    """Where a home is."""
    return ", ".join(str(v) for n in _FIRST if (v := listing.get(n))) or text("anywhere")


def home_of(listing: Mapping[str, Any]) -> str:
    """What a home is: 3 bed · 2 bath · 1,850 sq ft."""
    parts = [words.measured(n, v) for n in _HOME if (v := listing.get(n)) is not None]
    return " · ".join(parts) or text("no details")


def likely(record: Mapping[str, Any]) -> str:
    """The range that holds 8 in 10 prices."""
    low, high = record["intervals"][HEADLINE]
    return f"{words.short_dollars(low)} – {words.short_dollars(high)}"


def realised_text(realised: Mapping[str, Any]) -> str:
    """The price that came in, and how far the prediction was from it."""
    return f"{words.short_dollars(realised['price'])}, {error_text(realised)}"


def error_text(realised: Mapping[str, Any]) -> str:
    """How far a prediction was from the price that came in."""
    error = realised["error"]
    return text(
        "{share} too high" if error > 0 else "{share} too low",
        share=words.per_cent(abs(error), 0),
    )


def color_of(realised: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Green if the price lies in the range that was promised."""
    low, high = record["intervals"][HEADLINE]
    return "green" if low <= realised["price"] <= high else "amber"


def filters_of(version: str, state: str, hours: str, now: datetime) -> dict[str, str]:
    """The query of the history; empty filters are left out."""
    query = {"version": version.strip().lower().removeprefix("v"), "state": state.strip()}
    if hours in PERIODS and hours:
        query["since"] = (now.astimezone(UTC) - timedelta(hours=int(hours))).isoformat()
    return {name: value for name, value in query.items() if value}


def detail_of(lineage: Mapping[str, Any]) -> Detail:
    """The facts of one prediction."""
    record = lineage["prediction"]
    listing = record["listing"]
    given = [
        Fact(words.field(name), _value(name, value))
        for name, value in listing.items()
        if value is not None
    ]
    missing = words.listed([*map(words.subject, record["missing"])] or [text("nothing")])
    warnings = " ".join(words.warning(says, listing) for says in record["warnings"])
    return Detail(
        prediction_id=record["prediction_id"],
        problem=lineage["problem"],
        correlation_id=record["correlation_id"],
        report=reports.link_of(record["prediction_id"]),
        facts=[
            *given,
            Fact(text("Not given"), missing),
            *([Fact(text("Warnings"), warnings)] if warnings else []),
            *_confidence_facts(record.get("confidence")),
            Fact(
                text("Answered in"),
                text(
                    "{time} ms by {who}",
                    time=marks(f"{record['latency_ms']:.1f}"),
                    who=record["revision"] or text("one process"),
                ),
            ),
        ],
        ids=[
            Fact(text("Prediction"), record["prediction_id"]),
            Fact(text("Correlation"), record["correlation_id"] or text("none")),
            Fact(text("Digest"), words.short(record["model_digest"])),
        ],
    )


def _confidence_facts(confidence: Mapping[str, Any] | None) -> list[Fact]:
    if confidence is None:
        return []
    says = text(
        "{confidence} (2 in 3 prices within {share})",
        confidence=text(confidence["class"]),
        share=words.per_cent(confidence["fsd"], 0),
    )
    return [Fact(text("Confidence"), says)]


def _value(name: str, value: Any) -> str:
    if isinstance(value, str):
        return words.written(value)
    return words.measured(name, value) if name in _SIZES else words.number(value)


def facts_of(summary: Mapping[str, Any]) -> list[Fact]:
    """All predictions in figures."""
    if not summary["count"]:
        return [Fact(text("Predictions"), "0")]
    latency = summary["latency_ms"]
    return [
        Fact(text("Predictions"), marks(f"{summary['count']:,}")),
        Fact(
            text("With missing fields"),
            words.per_cent(summary["with_missing"] / summary["count"], 0),
        ),
        Fact(text("Mean price"), words.rounded_dollars(summary["mean_price"])),
        Fact(
            text("Answered in"),
            text(
                "{median} ms (median), {slow} ms (p95)",
                median=marks(f"{latency['p50']:.1f}"),
                slow=marks(f"{latency['p95']:.1f}"),
            ),
        ),
        Fact(text("First"), words.moment(summary["first_at"])),
        Fact(text("Last"), words.moment(summary["last_at"])),
    ]


def versions_of(summary: Mapping[str, Any]) -> list[VersionShare]:
    """The predictions by version, the newest version first."""
    return [
        VersionShare(
            version=row["version"],
            count=marks(f"{row['count']:,}"),
            share=round(100 * row["count"] / summary["count"], 1),
            mean=words.rounded_dollars(row["mean_price"]),
            last=words.moment(row["last_at"]),
        )
        for row in summary["by_version"]
    ]


def hour_charts(summary: Mapping[str, Any]) -> tuple[Chart, Chart]:
    """Predictions and their mean price by hour (UTC), in the last 24 hours."""
    hours = summary["by_hour"]
    if len(hours) < 2:
        # A point is no course; the figures say as much.
        return Chart(), Chart()
    labels = [datetime.fromisoformat(h["hour"]).astimezone(UTC).strftime("%H:00") for h in hours]
    return (
        line_chart(
            labels,
            {text("Predictions"): [h["count"] for h in hours]},
            words.count,
            from_zero=True,
        ),
        line_chart(
            labels, {text("Mean price"): [h["mean_price"] for h in hours]}, words.short_dollars
        ),
    )
