"""What the Estimate page shows of similar listings: a card each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasador_web import words
from tasador_web.geography import Geography
from tasador_web.languages import marks, text

# Adjustments below this are part of what remains (dollars).
_SMALL = 50


@dataclass
class Comparable:
    """A similar listing: a card, and a pin on the map. ``number`` joins the two."""

    number: str
    price: str
    facts: str
    where: str
    alike: str
    alike_share: float
    adjustment: str
    adjusted: str
    grid: list[str]


def comparables_of(
    explanation: Mapping[str, Any], listing: Mapping[str, Any], geography: Geography
) -> list[Comparable]:
    """The cards of the listings that are similar to ``listing``."""
    return [
        _comparable(number, c, listing, geography)
        for number, c in enumerate(explanation["comparables"], start=1)
    ]


def _comparable(
    number: int, c: Mapping[str, Any], listing: Mapping[str, Any], geography: Geography
) -> Comparable:
    rooms = [
        # A line ends between two facts.
        words.measured(name, c[name]).replace(" ", "\N{NO-BREAK SPACE}")
        for name in ("bed", "bath", "house_size", "acre_lot")
        if c[name] is not None
    ]
    at = geography.by_code.get(c["zip_code"])
    per_foot = words.per_foot(c["price"] / c["house_size"]) if c["house_size"] else ""
    place = f"{at.city} {at.code}" if at else f"{words.field('zip_code')} {c['zip_code']}"
    return Comparable(
        number=str(number),
        price=text(
            "{price} sold" if c["sold"] else "{price} asked", price=words.dollars(c["price"])
        ),
        facts=" · ".join(rooms) or text("no details known"),
        where=" · ".join(part for part in (per_foot, place, _away(c, listing)) if part),
        alike=text("{share} alike", share=words.per_cent(c["alike"], 0)),
        alike_share=round(100 * c["alike"], 1),
        adjustment=words.change(c["adjusted"] - c["price"]),
        adjusted=words.dollars(c["adjusted"]),
        grid=_grid(c),
    )


def _away(c: Mapping[str, Any], listing: Mapping[str, Any]) -> str:
    """How far a similar listing is from the home, or from the middle of its city."""
    miles = c["km"] * words.MILES_OF_A_KM
    if c["zip_code"] == listing.get("zip_code"):
        return text("same zip code")
    if miles == 0 and (city := listing.get("city")):
        return text("in the middle of {city}", city=city)
    return marks(f"{miles:.1f} mi")


def _grid(c: Mapping[str, Any]) -> list[str]:
    """What each difference is worth, and what remains to the estimate."""
    steps = [
        f"{words.field(name).lower()} {words.change(dollars)}"
        for name, dollars in c["adjustments"].items()
        if abs(dollars) >= _SMALL
    ]
    small = sum(dollars for dollars in c["adjustments"].values() if abs(dollars) < _SMALL)
    rest = c["remaining"] + small
    remaining = text("{amount} remains to your estimate", amount=words.change(rest))
    return [*steps, remaining]
