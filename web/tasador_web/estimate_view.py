"""What the Estimate page shows of the functions' answers: texts, and positions in per cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tasador_web import amounts_view, reports, words
from tasador_web.amounts_view import Amount
from tasador_web.languages import text

# The range of the headline: it contains 8 of 10 prices.
HEADLINE = "80"
_PLURAL = ("comparables", "bed", "bath")
# Effects below this share of the price are folded into one step.
_SMALL = 0.01
# Room to the left of the waterfall's lowest point, as a share of its height.
_ROOM = 0.35
_NOT_GIVEN = "not given"
# (of several, less) -> a reason.
_VERBS = {
    (True, False): "{what} add {amount}",
    (True, True): "{what} take off {amount}",
    (False, False): "{what} adds {amount}",
    (False, True): "{what} takes off {amount}",
}
_CONFIDENCE = {
    "high": "High confidence",
    "medium": "Medium confidence",
    "low": "Low confidence",
}


@dataclass
class Band:
    """One interval, drawn from ``left``, ``width`` wide, in per cent of the scale."""

    level: str
    low: str
    high: str
    left: float
    width: float


@dataclass
class Estimate:
    """The headline: a range, the price in it, and what they are worth."""

    price: str = ""
    low: str = ""
    high: str = ""
    mark: float = 0.0
    amounts: list[Amount] = field(default_factory=list)
    prices: str = ""
    trust: str = ""
    confidence: str = ""
    confidence_color: str = "gray"
    confidence_text: str = ""
    model: str = ""
    digest: str = ""
    revision: str = ""
    prediction_id: str = ""
    report: str = ""
    correlation_id: str = ""


@dataclass
class Step:
    """One step of the waterfall; ``kind`` is base, up, down or total."""

    name: str
    value: str
    dollars: str
    kind: str
    left: float
    width: float


@dataclass
class WhatIf:
    """A slider: its range and what it stands at."""

    name: str
    label: str
    low: float
    high: float
    step: float
    value: float
    shown: str


_SLIDERS = {
    "house_size": (400.0, 6_000.0, 50.0),
    "bed": (1.0, 8.0, 1.0),
    "bath": (1.0, 8.0, 0.5),
    "acre_lot": (0.05, 3.0, 0.05),
}
# Where a slider starts if the field was not given.
_ROOMS = ("bed", "bath")
_USUAL = {"house_size": 1_800.0, "bed": 3.0, "bath": 2.0, "acre_lot": 0.2}


def bands_of(intervals: Mapping[str, Mapping[str, float]]) -> list[Band]:
    """The intervals on one scale, the widest first, so that narrower ones are drawn over it."""
    low, high = _scale(intervals)
    levels = sorted(intervals.items(), key=lambda item: -float(item[0]))
    return [
        Band(
            level=level,
            low=words.rounded_dollars(ends["low"]),
            high=words.rounded_dollars(ends["high"]),
            left=_share(ends["low"] - low, high - low),
            width=_share(ends["high"] - ends["low"], high - low),
        )
        for level, ends in levels
    ]


def estimate_of(
    answer: Mapping[str, Any], listing: Mapping[str, Any], prediction: Mapping[str, Any]
) -> Estimate:
    """The headline of an answer with a price, intervals and warnings.

    ``prediction`` is the recorded one, whose ids are shown.
    """
    low, high = _scale(answer["intervals"])
    ends = answer["intervals"][HEADLINE]
    return Estimate(
        price=words.dollars(answer["price"]),
        low=words.rounded_dollars(ends["low"]),
        high=words.rounded_dollars(ends["high"]),
        mark=_share(answer["price"] - low, high - low),
        amounts=amounts_view.amounts_of(answer, float(listing.get("house_size") or 0)),
        prices=amounts_view.which_price(answer["prices"]),
        trust=_trust(answer["warnings"]),
        **_confidence(answer["confidence"]),
        model=text(
            "{name}, version {version}",
            name=prediction["model"]["name"],
            version=prediction["model"]["version"],
        ),
        digest=prediction["model"]["digest"],
        revision=prediction["revision"] or text("none"),
        prediction_id=prediction.get("prediction_id", ""),
        report=reports.link_of(prediction.get("prediction_id", "")),
        correlation_id=prediction["correlation_id"],
    )


def _trust(warnings: list[str]) -> str:
    if warnings:
        return text(
            "This home is outside what the model knows well, so the price may lie outside this "
            "range. Take it as a first guess."
        )
    return text("8 in 10 homes like this one are priced within this range.")


def _confidence(confidence: Mapping[str, Any] | None) -> dict[str, str]:
    """The class of an answer, and what it means; nothing for a model that has not measured it."""
    if confidence is None:
        return {}
    name = confidence["class"]
    says = text(
        "The price of 2 in 3 homes like this one is within {share} of the estimate.",
        share=words.per_cent(confidence["fsd"], 0),
    )
    if (within := confidence["ppe10"]) is not None:
        says += " " + text(
            "Of the homes with {confidence}, {share} were estimated within {tenth} of their price.",
            confidence=text(_CONFIDENCE[name]).lower(),
            share=words.per_cent(within, 0),
            tenth=words.per_cent(0.1, 0),
        )
    return {
        "confidence": text(_CONFIDENCE[name]),
        "confidence_color": words.CONFIDENCE_COLORS[name],
        "confidence_text": says,
    }


def steps_of(explanation: Mapping[str, Any]) -> list[Step]:
    """The waterfall from a typical home to the price. The steps add up.

    What was not given is one step, and so are effects below a hundredth of the price; none is $0.
    """
    base, price = explanation["base"], explanation["price"]
    bars: list[tuple[str, str, float]] = []
    small, absent = 0.0, 0.0
    small_names: list[str] = []
    absent_names: list[str] = []
    for column in explanation["columns"]:
        name, value, amount = column["feature"], column["value"], column["dollars"]
        if value == _NOT_GIVEN:
            absent += amount
            absent_names.append(words.subject(name))
        elif abs(amount) < _SMALL * price:
            small += amount
            small_names.append(words.subject(name))
        else:
            bars.append(
                (words.field(name), "" if value == "nearby" else words.written(value), amount)
            )
    if round(small):
        bars.append((text("Smaller effects"), words.listed(small_names), small))
    if round(absent):
        bars.append((text("What you left out"), words.listed(absent_names), absent))
    return _drawn(base, price, bars)


def _drawn(base: float, price: float, bars: list[tuple[str, str, float]]) -> list[Step]:
    spans = [(text("A typical home"), text("across the country"), base, "base", 0.0, base)]
    at = base
    for name, value, amount in bars:
        kind = "up" if amount >= 0 else "down"
        spans.append((name, value, amount, kind, min(at, at + amount), abs(amount)))
        at += amount
    spans.append((text("Your estimate"), "", price, "total", 0.0, price))
    # The scale is that of the steps, since most are small against the price. The bars of base and
    # price begin beyond its left end, where the page fades them.
    moved = [end for *_, kind, left, width in spans[1:-1] for end in (left, left + width)]
    low = min([*moved, base, price])
    high = max(left + width for *_, left, width in spans)
    start = low - _ROOM * (high - low) if high > low else 0.0
    scale = high - start
    return [
        Step(
            name=name,
            value=value,
            dollars=words.change(amount) if kind in ("up", "down") else words.dollars(amount),
            kind=kind,
            left=_share(max(left - start, 0.0), scale),
            width=_share(left + width - max(left, start), scale),
        )
        for name, value, amount, kind, left, width in spans
    ]


def sentence_of(explanation: Mapping[str, Any]) -> str:
    """The two largest reasons in a sentence."""
    given = [c for c in explanation["columns"] if c["value"] != _NOT_GIVEN]
    largest = [c for c in given[:2] if round(c["dollars"])]
    if not largest:
        return text("Nothing sets this home apart from a typical one yet.")
    return text(
        "Compared with a typical home, {reasons}.", reasons=words.listed([*map(_clause, largest)])
    )


def _clause(contribution: Mapping[str, Any]) -> str:
    name, amount = contribution["feature"], contribution["dollars"]
    verb = _VERBS[name in _PLURAL, amount < 0]
    return text(verb, what=words.subject(name), amount=words.rounded_dollars(abs(amount)))


def sliders_of(listing: Mapping[str, Any]) -> list[WhatIf]:
    """The what-if sliders, at the listing's values."""
    sliders = []
    for name, (low, high, step) in _SLIDERS.items():
        given = listing.get(name)
        value = float(given) if given else _USUAL[name]
        shown = words.number(value) if name in _ROOMS else words.measured(name, value)
        shown = shown if given else text(_NOT_GIVEN)
        # A slider reaches as far as the value that it starts from.
        sliders.append(
            WhatIf(
                name,
                words.field(name),
                min(low, value),
                max(high, value),
                step,
                value,
                shown,
            )
        )
    return sliders


def left_out(missing: Sequence[str]) -> list[str]:
    """The names of what was not given. A street is left out, since no price depends on it."""
    place = {"state", "city", "zip_code"}
    names = [name for name in missing if name != "street"]
    if place <= {*names}:
        names = ["place", *(name for name in names if name not in place)]
    return [words.subject(name) for name in names]


def as_land(listing: Mapping[str, Any]) -> str:
    """Says that a listing is priced as land; empty if it is not."""
    if not words.is_land(listing):
        return ""
    return text(
        "Priced as land, since neither the size nor the bedrooms are given. Add the size for the "
        "price of a house."
    )


def link_of(listing: Mapping[str, str]) -> str:
    """The query of the address that opens this estimate."""
    return f"?{urlencode(listing)}" if listing else "?"


def _scale(intervals: Mapping[str, Mapping[str, float]]) -> tuple[float, float]:
    """The ends of the scale: the widest interval and some room."""
    low = min(ends["low"] for ends in intervals.values())
    high = max(ends["high"] for ends in intervals.values())
    room = 0.06 * (high - low)
    return low - room, high + room


def _share(part: float, whole: float) -> float:
    return round(min(max(100 * part / whole, 0.0), 100.0), 2) if whole else 0.0
