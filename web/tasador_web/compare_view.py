"""What the Compare page shows of the functions' answers. No Reflex."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasador_web import words
from tasador_web.client import ApiError
from tasador_web.languages import marks, text
from tasador_web.place_search import Place, PlaceIndex

HEADLINE = "80"
# Cities of a state that are compared, those with the most listings.
CITIES = 25
_NOT_GIVEN = "not given"
# Parts of a difference that are no field.
_BASE, _LEFT_OUT = "", "left out"
_NAMES = {_BASE: "A typical home", _LEFT_OUT: "What you left out"}
_ROOM = 0.04


@dataclass
class PlaceBar:
    """The home in one place: its range and price on a common scale, in per cent."""

    name: str
    price: str
    likely: str
    left: float
    width: float
    mark: float
    remark: str


@dataclass
class HomeBar:
    """One of two homes."""

    name: str
    place: str
    price: str
    likely: str
    left: float
    width: float
    mark: float
    warnings: list[str]


@dataclass
class Difference:
    """What one field makes of the difference; its bar starts in the middle."""

    name: str
    given: str
    dollars: str
    kind: str
    left: float
    width: float


def places_of(index: PlaceIndex, state: str) -> list[Place]:
    """Where a home is compared: all states, or the largest cities of one."""
    if not state:
        return [p for p in index.places if p.state and not p.city and not p.zip_code]
    cities = [p for p in index.places if p.state == state and p.city and not p.zip_code]
    return sorted(cities, key=lambda p: (-p.listings, p.label))[:CITIES]


def columns_of(home: Mapping[str, str], places: Sequence[Place]) -> dict[str, list[Any]]:
    """The home in each place, as /batch_predict reads it."""
    columns: dict[str, list[Any]] = {name: [value] * len(places) for name, value in home.items()}
    columns["state"] = [place.state or None for place in places]
    columns["city"] = [place.city or None for place in places]
    return columns


def place_bars(places: Sequence[Place], answer: Mapping[str, Any]) -> list[PlaceBar]:
    """The places by price, the dearest first."""
    prices = answer["price"]
    lows, highs = (answer["intervals"][HEADLINE][end] for end in ("low", "high"))
    start, scale = _scale(lows, highs)
    unknown = {w["row"] for w in answer["warnings"] if _about_place(w["warnings"])}
    bars = [
        PlaceBar(
            name=place.city or place.state,
            price=words.rounded_dollars(price),
            likely=_range(low, high),
            left=_share(low - start, scale),
            width=_share(high - low, scale),
            mark=_share(price - start, scale),
            remark=text("not known to the model") if row in unknown else "",
        )
        for row, (place, price, low, high) in enumerate(
            zip(places, prices, lows, highs, strict=True)
        )
    ]
    order = sorted(range(len(bars)), key=lambda row: -prices[row])
    return [bars[row] for row in order]


def sentence_of(places: Sequence[Place], answer: Mapping[str, Any]) -> str:
    """The dearest place against the cheapest."""
    prices = answer["price"]
    if len(prices) < 2:
        return ""
    rows = range(len(prices))
    high, low = max(rows, key=prices.__getitem__), min(rows, key=prices.__getitem__)
    names = [p.city or p.state for p in places]
    return text(
        "In {dear} this home costs {times} times what it costs in {cheap}.",
        dear=names[high],
        times=marks(f"{prices[high] / prices[low]:.1f}"),
        cheap=names[low],
    )


def common_warnings(answer: Mapping[str, Any], home: Mapping[str, str]) -> list[str]:
    """What is unusual about the home in every place."""
    by_row = [w["warnings"] for w in answer["warnings"]]
    if len(by_row) < answer["rows"]:
        return []
    common = [each for each in by_row[0] if all(each in row for row in by_row)]
    return [words.warning(each, home) for each in common if not _about_place([each])]


def _about_place(warnings: Sequence[str]) -> bool:
    return any(each.startswith(("state ", "city ", "zip_code ")) for each in warnings)


def home_bars(
    homes: Sequence[Mapping[str, str]], answers: Sequence[Mapping[str, Any]]
) -> list[HomeBar]:
    """Two homes on one scale."""
    ends = [answer["intervals"][HEADLINE] for answer in answers]
    start, scale = _scale([e["low"] for e in ends], [e["high"] for e in ends])
    return [
        HomeBar(
            name=text("Home {letter}", letter=letter),
            place=Place(
                state=home.get("state", ""),
                city=home.get("city", ""),
                zip_code=home.get("zip_code", ""),
            ).label
            or text("anywhere"),
            price=words.dollars(answer["price"]),
            likely=_range(end["low"], end["high"]),
            left=_share(end["low"] - start, scale),
            width=_share(end["high"] - end["low"], scale),
            mark=_share(answer["price"] - start, scale),
            warnings=[words.warning(each, home) for each in answer["warnings"]],
        )
        for letter, home, answer, end in zip("AB", homes, answers, ends, strict=True)
    ]


def differences_of(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """What makes the difference from the first home to the second, the largest parts first.

    Their dollars add up to the difference of the prices as shown.
    """
    sides = [
        {_BASE: {"value": "nearby", "dollars": answer["base"]}}
        | {c["feature"]: c for c in answer["columns"]}
        for answer in (first, second)
    ]
    parts: dict[str, float] = {}
    absent: list[str] = []
    for name in dict.fromkeys(name for side in sides for name in side):
        part = sum(
            sign * side[name]["dollars"]
            for sign, side in zip((-1, 1), sides, strict=True)
            if name in side
        )
        if any(side[name]["value"] != _NOT_GIVEN for side in sides if name in side):
            parts[name] = part
        elif part:
            # What neither home says still differs a little, with what the homes do say.
            parts[_LEFT_OUT] = parts.get(_LEFT_OUT, 0.0) + part
            absent.append(words.subject(name))
    names = sorted(parts, key=lambda name: (name == _LEFT_OUT, -abs(parts[name])))
    total = round(second["price"]) - round(first["price"])
    whole = dict(zip(names, whole_parts([parts[name] for name in names], total), strict=True))
    largest = max((abs(amount) for amount in whole.values()), default=0)
    return [
        Difference(
            name=text(_NAMES[name]) if name in _NAMES else words.field(name),
            given=words.listed(absent)
            if name == _LEFT_OUT
            else " → ".join(dict.fromkeys(_value(side.get(name)) for side in sides)),
            dollars=words.change(amount),
            kind="up" if amount > 0 else "down",
            left=round(50 + min(50 * amount / largest, 0), 2),
            width=round(50 * abs(amount) / largest, 2),
        )
        for name, amount in whole.items()
        if amount
    ]


def difference_sentence(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """How much dearer or cheaper the second home is."""
    amount = round(second["price"]) - round(first["price"])
    if not amount:
        return text("Both homes cost the same.")
    return text(
        "Home B costs {amount} ({share}) more than home A."
        if amount > 0
        else "Home B costs {amount} ({share}) less than home A.",
        amount=words.dollars(abs(amount)),
        share=words.per_cent(abs(amount) / first["price"], 0),
    )


def whole_parts(parts: Sequence[float], total: int) -> list[int]:
    """The parts in whole numbers that add up to ``total`` (by the largest remainder)."""
    whole = [math.floor(part) for part in parts]
    rest = total - sum(whole)
    order = sorted(range(len(parts)), key=lambda n: whole[n] - parts[n])
    for n in range(abs(rest) if parts else 0):
        whole[order[n % len(parts)]] += 1 if rest > 0 else -1
    return whole


def _value(column: Mapping[str, Any] | None) -> str:
    if column is None or column["value"] == _NOT_GIVEN:
        return text(_NOT_GIVEN)
    value = str(column["value"])
    return "" if value == "nearby" else words.written(value)


def problem_text(error: ApiError) -> str:
    """What is wrong with a home, in the form's words."""
    texts = []
    for name, reason in error.errors.items():
        found = re.match(r"(?:columns\.)?(\w+)", name)
        field = found[1] if found else name
        texts.append(f"{words.field(field)} {words.reason(reason)}.")
    return " ".join(dict.fromkeys(texts)) or error.detail


def _range(low: float, high: float) -> str:
    return f"{words.short_dollars(low)} – {words.short_dollars(high)}"


def _scale(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    low, high = min(lows), max(highs)
    room = _ROOM * (high - low)
    return low - room, high - low + 2 * room


def _share(part: float, whole: float) -> float:
    return round(min(max(100 * part / whole, 0.0), 100.0), 2) if whole else 0.0
