"""The valuation report: a recorded prediction as one HTML file that prints to one A4 page.

Every text of a request, a model or a record is escaped. Lists and long texts are cut so that the
page stays one page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from tasador.records.prediction import PredictionRecord
from tasador.valuation.style import STYLE
from tasador.valuation.texts import (
    LONGEST,
    change,
    direction,
    dollars,
    facts_list,
    moment,
    note,
    number_of,
    percent,
    rounded,
    text_of,
    value_of,
)

_HEADLINE_LEVEL = "80"
_MOST_REASONS, _MOST_COMPARABLES, _MOST_WARNINGS, _MOST_BATCHES = 8, 10, 3, 4
_MILES_OF_A_KM = 0.621371
_FACTS = (
    ("house_size", "House size", " sq ft"),
    ("bed", "Bedrooms", ""),
    ("bath", "Bathrooms", ""),
    ("acre_lot", "Lot", " acres"),
    ("status", "Status", ""),
    ("prev_sold_date", "Last sold", ""),
    ("street", "Street code", ""),
    ("brokered_by", "Broker code", ""),
)
_COLUMNS = {
    "place": "Place",
    "status": "Status",
    "house_size": "Size",
    "bed": "Beds",
    "bath": "Baths",
    "acre_lot": "Lot",
}
_REASONS = {
    "place": "Place",
    "house_size": "House size",
    "bed": "Bedrooms",
    "bath": "Bathrooms",
    "acre_lot": "Lot",
    "status": "Status",
    "prev_sold_date": "Last sale",
    "brokered_by": "Broker",
    "comparables": "Homes like it nearby",
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
    """The page. ``explanation`` is explain's answer to the same listing by the same model; where
    there is none, ``without`` says why. ``origin`` is None if no decision is recorded.
    """
    body = "\n".join(
        [
            _header(prediction),
            '<div class="two">',
            _estimate(prediction),
            _subject(prediction),
            "</div>",
            _warnings(prediction.warnings),
            *(_evidence(explanation) if explanation is not None else [note(without)]),
            _footer(prediction, origin),
        ]
    )
    title = escape(f"Valuation {prediction.prediction_id}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _header(prediction: PredictionRecord) -> str:
    when = moment(prediction.predicted_at)
    return (
        f"<header><h1>Valuation report</h1><p>{text_of(_place_of(prediction.listing))}</p>"
        f'<p class="soft">Estimated on {when} by {text_of(str(prediction.model))}. An automated '
        "valuation: a statistical model made it, and nobody inspected the property.</p></header>"
    )


def _place_of(listing: Mapping[str, Any]) -> str:
    parts = [str(v) for name in ("city", "state", "zip_code") if (v := listing.get(name))]
    return ", ".join(parts) or "Place not given"


def _estimate(prediction: PredictionRecord) -> str:
    parts = ["<section><h2>Estimate</h2>", f'<p class="price">{dollars(prediction.price)}</p>']
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
        f"{_HEADLINES[status]}: <b>{dollars(price)}</b>"
        for status, price in prices.items()
        if status not in ("headline", headline)
    ]
    said = f"The estimate is {_HEADLINES[headline]}"
    return f"<p>{'; '.join([said, *others])}.</p>"


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
    said = "; ".join(
        f"{'<b>' if level == _HEADLINE_LEVEL else ''}{rounded(ends[0])} to {rounded(ends[1])}"
        f"{'</b>' if level == _HEADLINE_LEVEL else ''} ({int(level)} in 100)"
        for level, ends in reversed(bounds)
    )
    return (
        f'<div class="scale" aria-hidden="true">{bars}<b style="left: {at(prediction.price)}"></b>'
        f"</div><p>Prices of such homes lie within {said}.</p>"
    )


def _confidence(confidence: Mapping[str, Any] | None) -> str:
    if confidence is None:
        return "<p>The model has not measured how much this price can be trusted.</p>"
    fsd, name = confidence["fsd"], text_of(confidence["class"])
    said = (
        f"Confidence: <b>{name}</b> (score {max(100 * (1 - fsd), 0):.0f} of 100). 68 % of such "
        f"homes are estimated within {percent(fsd)} of their price (forecast standard deviation)."
    )
    if confidence["ppe10"] is not None:
        said += (
            f" Of the homes with {name} confidence in the permanent holdout, "
            f"{percent(confidence['ppe10'])} were estimated within 10 % and "
            f"{percent(confidence['ppe20'])} within 20 %; {percent(confidence['p15_low'])} more "
            f"than 15 % too low and {percent(confidence['p15_high'])} more than 15 % too high."
        )
    return f"<p>{said}</p>"


def _subject(prediction: PredictionRecord) -> str:
    listing = prediction.listing
    rows = [
        (label, value_of(listing.get(name), unit))
        for name, label, unit in _FACTS
        if listing.get(name) is not None
    ]
    absent = [label.lower() for name, label, _ in _FACTS if listing.get(name) is None]
    rows += [("Not given", ", ".join(absent))] if absent else []
    return f"<section><h2>The home, as it was described</h2>{facts_list(rows)}</section>"


def _warnings(warnings: Sequence[str]) -> str:
    shown = [text_of(text, 2 * LONGEST) for text in warnings[:_MOST_WARNINGS]]
    if more := len(warnings) - len(shown):
        shown.append(f"and {more} more")
    return note("Caution: " + "; ".join(shown), escaped=True) if shown else ""


def _evidence(explanation: Mapping[str, Any]) -> Iterator[str]:
    yield "<section><h2>Why this price</h2>"
    yield _reasons(explanation)
    yield "</section>"
    comparables = explanation["comparables"][:_MOST_COMPARABLES]
    yield "<section><h2>Comparables, adjusted to the home</h2>"
    if comparables:
        yield _grid(comparables, explanation["price"])
    else:
        yield "<p>The place is unknown, so no home is comparable.</p>"
    yield "</section>"


def _reasons(explanation: Mapping[str, Any]) -> str:
    columns = explanation["columns"]
    named = columns[:_MOST_REASONS]
    rest = sum(column["dollars"] for column in columns[_MOST_REASONS:])
    steps = [("A typical home", "across the country", dollars(explanation["base"]), "")]
    steps += [
        (
            _REASONS.get(column["feature"], column["feature"]),
            str(column["value"]),
            change(column["dollars"]),
            direction(column["dollars"]),
        )
        for column in named
    ]
    if len(columns) > _MOST_REASONS:
        steps.append(("Everything else", "", change(rest), direction(rest)))
    steps.append(("The estimate", "", dollars(explanation["price"]), ""))
    rows = "".join(
        f'<tr><td class="left">{text_of(name, 24)}</td>'
        f'<td class="left soft">{text_of(value, 44)}</td><td class="{sign}">{amount}</td></tr>'
        for name, value, amount, sign in steps
    )
    return f'<div class="table"><table>{rows}</table></div>'


def _grid(comparables: Sequence[Mapping[str, Any]], price: float) -> str:
    heads = ["", "Home", "Where", "Alike", "Price", *_COLUMNS.values(), "Adjusted", "Remains"]
    rows = "".join(
        _row(number, comparable) for number, comparable in enumerate(comparables, start=1)
    )
    cells = "".join(
        f'<th scope="col"{" class=left" if head in ("Home", "Where") else ""}>{head}</th>'
        for head in heads
    )
    return (
        f'<div class="table"><table class="grid"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        '<p class="soft">In dollars. A price, asked or sold, plus what each difference is worth is '
        f"the adjusted price. What remains to the estimate of {dollars(price)} is what the model "
        "sees beyond these differences, and what sets that home apart.</p>"
    )


def _row(number: int, c: Mapping[str, Any]) -> str:
    parts = [
        f"{number_of(c[name])} {unit}"
        for name, unit in (("bed", "bd"), ("bath", "ba"), ("house_size", "sq ft"))
        if c[name] is not None
    ]
    parts += [f"{number_of(c['acre_lot'])} ac"] if c["acre_lot"] is not None else []
    away = f", {c['km'] * _MILES_OF_A_KM:.1f} mi" if c["km"] else ""
    adjustments = "".join(
        f'<td class="{direction(dollars)}">{change(dollars) if dollars else "0"}</td>'
        for dollars in (c["adjustments"][name] for name in _COLUMNS)
    )
    return (
        f'<tr><td>{number}</td><td class="left">{text_of(", ".join(parts) or "no details")}</td>'
        f'<td class="left">{text_of(c["zip_code"], 10)}{away}</td><td>{100 * c["alike"]:.0f} %</td>'
        f"<td>{dollars(c['price'])} {'sold' if c['sold'] else 'asked'}</td>{adjustments}"
        f"<td><b>{dollars(c['adjusted'])}</b></td>"
        f'<td class="{direction(c["remaining"])}">{change(c["remaining"])}</td></tr>'
    )


def _footer(prediction: PredictionRecord, origin: Origin | None) -> str:
    rows = [
        ("Prediction", prediction.prediction_id),
        ("Model", f"{prediction.model}, digest {prediction.model_digest}"),
        ("Revision", prediction.revision or "none"),
        ("Correlation", prediction.correlation_id or "none"),
    ]
    if origin is None:
        rows.append(("Decision", "none is recorded on this version"))
    else:
        by = f" by {origin.decided_by}" if origin.decided_by else " by the gate"
        rows.append(("Promoted", f"{moment(origin.decided_at)}{by}; run {origin.run_id}"))
        shown = [
            f"{batch_id[:12]} ({rows_clean:,} rows, {fetched:%Y-%m-%d})"
            for batch_id, rows_clean, fetched in origin.batches[:_MOST_BATCHES]
        ]
        if more := len(origin.batches) - len(shown):
            shown.append(f"and {more} more")
        rows.append(("Trained on", "batches " + ", ".join(shown) if shown else "no batch"))
    facts = facts_list((name, text_of(value, 3 * LONGEST)) for name, value in rows)
    return f"<footer>{facts}</footer>"
