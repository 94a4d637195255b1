"""What the price of the Estimate page is: asked or paid, and per square foot. No Reflex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasador_web import words
from tasador_web.languages import text

_HEADLINES = {
    "for_sale": "The estimate is what it would be listed at.",
    "sold": "The estimate is what it would sell for.",
    "ready_to_build": "The estimate is the price of a home that is yet to be built.",
}


@dataclass
class Amount:
    """An amount next to the estimate."""

    name: str
    dollars: str


def which_price(prices: Mapping[str, Any] | None) -> str:
    """Which price the estimate is, where the status of the home says so."""
    return text(_HEADLINES[prices["headline"]]) if prices and len(prices) == 2 else ""


def amounts_of(answer: Mapping[str, Any], size: float) -> list[Amount]:
    """Asking and sale price of a home whose status is open, and the price per square foot.

    A model that learned from one status alone knows one price; a home without a size has none per
    square foot.
    """
    amounts = []
    prices = answer["prices"]
    if prices is not None and len(prices) > 2:
        amounts = [
            Amount(text("Asking price, about"), words.rounded_dollars(prices["for_sale"])),
            Amount(text("Sale price, about"), words.rounded_dollars(prices["sold"])),
        ]
    if size > 0:
        amounts.append(Amount(text("Per square foot"), words.dollars(answer["price"] / size)))
    return amounts
