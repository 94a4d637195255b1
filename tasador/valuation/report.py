"""The valuation report: a recorded prediction as one HTML file that prints to one A4 page.

It is written in the language of ``languages``. Every text of a request, a model or a record is
escaped. Lists and long texts are cut so that the page stays one page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from tasador.records.prediction import PredictionRecord
from tasador.valuation.cautions import warning
from tasador.valuation.evidence import evidence
from tasador.valuation.languages import counted, language, text
from tasador.valuation.style import STYLE
from tasador.valuation.texts import LONGEST, facts_list, note, text_of
from tasador.valuation.words import (
    day,
    dollars,
    field,
    is_land,
    measured,
    moment,
    per_cent,
    rounded_dollars,
    written,
)

_HEADLINE_LEVEL = "80"
_MOST_WARNINGS, _MOST_BATCHES = 3, 4
# The facts of a home, and their units.
_FACTS = {
    "house_size": "sq ft",
    "bed": "",
    "bath": "",
    "acre_lot": "acres",
    "status": "",
    "prev_sold_date": "",
    "street": "",
    "brokered_by": "",
}
_HEADLINES = {
    "for_sale": "what it would be listed at",
    "sold": "what it would sell for",
    "ready_to_build": "the price of a home that is yet to be built",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the model that made a prediction comes from: its decision and its training batches."""

    run_id: str
    decided_at: datetime
    decided_by: str
    batches: Sequence[tuple[str, int, datetime]]  # id, clean rows, when it was fetched


def report(
    prediction: PredictionRecord,
    explanation: Mapping[str, Any] | None,
    without: str,
    origin: Origin | None,
) -> str:
    """The page, in the language now. ``explanation`` is explain's answer to the same listing by
    the same model; where there is none, ``without`` says why. ``origin`` is None if no decision is
    recorded.
    """
    body = "\n".join(
        [
            _header(prediction),
            '<div class="two">',
            _estimate(prediction),
            _subject(prediction),
            "</div>",
            _warnings(prediction),
            *(evidence(explanation) if explanation is not None else [note(without)]),
            _footer(prediction, origin),
        ]
    )
    title = escape(text("Valuation {prediction}", prediction=prediction.prediction_id))
    return (
        f'<!doctype html><html lang="{language()}"><head><meta charset="utf-8">'
        f"<title>{title}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _header(prediction: PredictionRecord) -> str:
    says = text(
        "Estimated on {when} by {model}. An automated valuation: a statistical model made it, and "
        "nobody inspected the property.",
        when=moment(prediction.predicted_at),
        model=text_of(prediction.model),
    )
    return (
        f"<header><h1>{text('Valuation report')}</h1>"
        f'<p>{text_of(_place_of(prediction.listing))}</p><p class="soft">{says}</p></header>'
    )


def _place_of(listing: Mapping[str, Any]) -> str:
    parts = [str(v) for name in ("city", "state", "zip_code") if (v := listing.get(name))]
    return ", ".join(parts) or text("Place not given")


def _estimate(prediction: PredictionRecord) -> str:
    parts = [f"<section><h2>{text('Estimate')}</h2>"]
    parts.append(f'<p class="price">{dollars(prediction.price)}</p>')
    parts.append(_by_status(prediction))
    if prediction.intervals:
        parts.append(_range(prediction))
    parts.append(_confidence(prediction.confidence))
    return "".join([*parts, "</section>"])


def _by_status(prediction: PredictionRecord) -> str:
    prices = prediction.prices
    if prices is None:
        return ""
    headline = prices["headline"]
    others = [
        f"{text(_HEADLINES[status])}: <b>{dollars(price)}</b>"
        for status, price in prices.items()
        if status not in ("headline", headline)
    ]
    says = text("The estimate is {what}", what=text(_HEADLINES[headline]))
    return f"<p>{'; '.join([says, *others])}.</p>"


def _range(prediction: PredictionRecord) -> str:
    bounds = sorted(prediction.intervals.items(), key=lambda item: -int(item[0]))
    low, high = min(b[0] for _, b in bounds), max(b[1] for _, b in bounds)
    width = (high - low) or 1.0

    def at(dollars: float) -> str:
        return f"{min(max(100 * (dollars - low) / width, 0.0), 100.0):.2f}%"

    bars = "".join(
        f'<i style="left: {at(ends[0])}; right: calc(100% - {at(ends[1])})"></i>'
        for _, ends in bounds
    )
    says = text(
        "Prices of such homes lie within {ranges}.",
        ranges="; ".join(_bounds(level, ends) for level, ends in reversed(bounds)),
    )
    return (
        f'<div class="scale" aria-hidden="true">{bars}<b style="left: {at(prediction.price)}"></b>'
        f"</div><p>{says}</p>"
    )


def _bounds(level: str, ends: Sequence[float]) -> str:
    low, high = map(rounded_dollars, ends)
    both = text("{low} to {high}", low=low, high=high)
    both = f"<b>{both}</b>" if level == _HEADLINE_LEVEL else both
    return text("{range} ({level} in 100)", range=both, level=int(level))


def _confidence(confidence: Mapping[str, Any] | None) -> str:
    if confidence is None:
        says = text("The model has not measured how much this price can be trusted.")
        return f"<p>{says}</p>"
    fsd, name = confidence["fsd"], text(confidence["class"])
    score = f"{max(100 * (1 - fsd), 0):.0f}"
    sentences = [
        text("Confidence: {name} (score {score} of 100).", name=f"<b>{name}</b>", score=score),
        text(
            "68 % of such homes are estimated within {share} of their price (forecast standard "
            "deviation).",
            share=per_cent(fsd),
        ),
    ]
    if confidence["ppe10"] is not None:
        sentences.append(
            text(
                "Of the homes with {name} confidence in the permanent holdout, {tenth} were "
                "estimated within 10 % and {fifth} within 20 %; {low} more than 15 % too low and "
                "{high} more than 15 % too high.",
                name=name,
                tenth=per_cent(confidence["ppe10"]),
                fifth=per_cent(confidence["ppe20"]),
                low=per_cent(confidence["p15_low"]),
                high=per_cent(confidence["p15_high"]),
            )
        )
    return f"<p>{' '.join(sentences)}</p>"


def _subject(prediction: PredictionRecord) -> str:
    listing = prediction.listing
    rows = [
        (field(name), text_of(_fact(name, value)))
        for name in _FACTS
        if (value := listing.get(name)) is not None
    ]
    absent = [field(name).lower() for name in _FACTS if listing.get(name) is None]
    rows += [(text("Not given"), ", ".join(absent))] if absent else []
    title = text("The home, as it was described")
    said = text("Priced as land, since neither the size nor the bedrooms are given.")
    land = note(said) if is_land(listing) else ""
    return f"<section><h2>{title}</h2>{facts_list(rows)}{land}</section>"


def _fact(name: str, value: Any) -> str:
    if isinstance(value, int | float):
        return measured(value, _FACTS[name])
    return written(value) if name in ("status", "prev_sold_date") else str(value)


def _warnings(prediction: PredictionRecord) -> str:
    warnings = prediction.warnings
    if not warnings:
        return ""
    shown = [warning(says, prediction.listing) for says in warnings[:_MOST_WARNINGS]]
    sentences = [text_of(f"{says.removesuffix('.')}.", 3 * LONGEST) for says in shown]
    if more := len(warnings) - len(shown):
        sentences.append(text("And {count} more.", count=more))
    return note(" ".join([text("Caution:"), *sentences]), escaped=True)


def _footer(prediction: PredictionRecord, origin: Origin | None) -> str:
    model = text("{model}, digest {digest}", model=prediction.model, digest=prediction.model_digest)
    rows = [
        (text("Prediction"), prediction.prediction_id),
        (text("Model"), model),
        (text("Revision"), prediction.revision or text("none")),
        (text("Correlation"), prediction.correlation_id or text("none")),
    ]
    if origin is None:
        rows.append((text("Decision"), text("none is recorded on this version")))
    else:
        promoted = text(
            "{when} by {who}; run {run}",
            when=moment(origin.decided_at),
            who=origin.decided_by or text("the gate"),
            run=origin.run_id,
        )
        rows += [(text("Promoted"), promoted), (text("Trained on"), _batches(origin))]
    facts = facts_list((name, text_of(value, 3 * LONGEST)) for name, value in rows)
    return f"<footer>{facts}</footer>"


def _batches(origin: Origin) -> str:
    shown = [
        counted(
            rows,
            "{batch} ({count} row, {day})",
            "{batch} ({count} rows, {day})",
            batch=batch[:12],
            day=day(fetched),
        )
        for batch, rows, fetched in origin.batches[:_MOST_BATCHES]
    ]
    if more := len(origin.batches) - len(shown):
        shown.append(text("and {count} more", count=more))
    if not shown:
        return text("no batches")
    return counted(len(origin.batches), "batch {names}", "batches {names}", names=", ".join(shown))
