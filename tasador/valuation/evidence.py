"""The evidence of a report: what the price consists of, and the grid of the comparables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasador.valuation.languages import counted, marks, text
from tasador.valuation.texts import direction, text_of
from tasador.valuation.words import (
    MILES_OF_A_KM,
    change,
    dollars,
    field,
    number,
    per_cent,
    written,
)

_MOST_REASONS, _MOST_COMPARABLES = 8, 10
_COLUMNS = {
    "place": "Place",
    "status": "Status",
    "house_size": "Size",
    "bed": "Beds",
    "bath": "Baths",
    "acre_lot": "Lot",
}
_LEFT = ("Home", "Where")
_HEADS = ("", *_LEFT, "Alike", "Price", *_COLUMNS.values(), "Adjusted", "Remains")


def evidence(explanation: Mapping[str, Any]) -> Iterator[str]:
    """The sections of explain's answer."""
    yield f"<section><h2>{text('Why this price')}</h2>"
    yield _reasons(explanation)
    yield "</section>"
    comparables = explanation["comparables"][:_MOST_COMPARABLES]
    title = text("Comparables, adjusted to the home")
    yield f'<section><h2 id="comparables">{title}</h2>'
    if comparables:
        yield _grid(comparables, explanation["price"])
    else:
        yield f"<p>{text('The place is unknown, so no home is comparable.')}</p>"
    yield "</section>"


def _reasons(explanation: Mapping[str, Any]) -> str:
    columns = explanation["columns"]
    named = columns[:_MOST_REASONS]
    rest = sum(column["dollars"] for column in columns[_MOST_REASONS:])
    base = dollars(explanation["base"])
    steps = [(text("A typical home"), text("across the country"), base, "")]
    steps += [
        (
            field(column["feature"]),
            "" if column["value"] == "nearby" else written(str(column["value"])),
            change(column["dollars"]),
            direction(column["dollars"]),
        )
        for column in named
    ]
    if len(columns) > _MOST_REASONS:
        steps.append((text("Everything else"), "", change(rest), direction(rest)))
    steps.append((text("The estimate"), "", dollars(explanation["price"]), ""))
    rows = "".join(
        f'<tr><td class="left">{text_of(name, 32)}</td>'
        f'<td class="left soft">{text_of(value, 44)}</td><td class="{sign}">{amount}</td></tr>'
        for name, value, amount, sign in steps
    )
    return f'<div class="table"><table>{rows}</table></div>'


def _grid(comparables: Sequence[Mapping[str, Any]], price: float) -> str:
    rows = "".join(_row(place, comparable) for place, comparable in enumerate(comparables, start=1))
    cells = "".join(
        f'<th scope="col"{" class=left" if head in _LEFT else ""}>{head and text(head)}</th>'
        for head in _HEADS
    )
    says = text(
        "In dollars. A price, asked or sold, plus what each difference is worth is the adjusted "
        "price. What remains to the estimate of {price} is what the model sees beyond these "
        "differences, and what sets that home apart.",
        price=dollars(price),
    )
    # The keyboard scrolls what has the focus.
    return (
        '<div class="table" tabindex="0" role="region" aria-labelledby="comparables">'
        f'<table class="grid"><thead><tr>{cells}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div><p class="soft">{says}</p>'
    )


def _row(place: int, c: Mapping[str, Any]) -> str:
    miles = marks(f"{c['km'] * MILES_OF_A_KM:.1f}")
    away = f", {miles}\N{NO-BREAK SPACE}mi" if c["km"] else ""
    adjustments = "".join(
        f'<td class="{direction(amount)}">{change(amount) if amount else "0"}</td>'
        for amount in (c["adjustments"][name] for name in _COLUMNS)
    )
    price = text("{price} sold" if c["sold"] else "{price} asked", price=dollars(c["price"]))
    return (
        f'<tr><td>{place}</td><td class="left">{text_of(_home(c))}</td>'
        f'<td class="left">{text_of(c["zip_code"], 5)}{away}</td>'
        f"<td>{per_cent(c['alike'], 0)}</td>"
        f"<td>{price}</td>{adjustments}<td><b>{dollars(c['adjusted'])}</b></td>"
        f'<td class="{direction(c["remaining"])}">{change(c["remaining"])}</td></tr>'
    )


def _home(c: Mapping[str, Any]) -> str:
    bed, bath, size, lot = (c[name] for name in ("bed", "bath", "house_size", "acre_lot"))
    parts = []
    if bed is not None:
        parts.append(text("{count} bd", count=number(bed)))
    if bath is not None:
        parts.append(counted(bath, "{one} ba", "{count} ba"))
    if size is not None:
        parts.append(text("{count} sq ft", count=number(size)))
    if lot is not None:
        parts.append(counted(lot, "{one} ac", "{count} ac"))
    # A line ends between two facts.
    unbroken = [part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts]
    return ", ".join(unbroken) or text("no details")
