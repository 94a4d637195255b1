"""A map without tiles: the home in the middle, similar listings around the centres of their zip
codes, other zip codes as dots, and rings of distance. No Reflex."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasador_web.geography import Geography, ZipCode, offset
from tasador_web.languages import text
from tasador_web.words import MILES_OF_A_KM, dollars

# Half the side of the drawing, in its units.
HALF = 1_000
_LEAST_MILES, _MOST_MILES = 6.0, 150.0
_RINGS = (1, 2, 5, 10, 20, 50, 100)
_LABELS = 14
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


@dataclass
class Pin:
    """A similar listing on the map; ``number`` is that of its card."""

    number: str
    x: int
    y: int
    title: str


@dataclass
class Dot:
    """A zip code of the surroundings; ``label`` is its city, or empty."""

    x: int
    y: int
    label: str


@dataclass
class Ring:
    """A circle of equal distance from the home."""

    radius: int
    label: str


@dataclass
class Map:
    """What is drawn, in units of which HALF is half the side; the home is at 0, 0."""

    pins: list[Pin] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)
    place: str = ""


def map_of(
    comparables: Sequence[Mapping[str, Any]],
    listing: Mapping[str, str],
    geography: Geography,
) -> Map:
    """The map; without pins if nothing is known to be anywhere."""
    nearest = min(comparables, key=lambda c: c["km"], default=None)
    code = listing.get("zip_code") or (nearest["zip_code"] if nearest else "")
    home = geography.by_code.get(code)
    if home is None or not comparables:
        return Map()
    farthest = max(c["km"] for c in comparables) * MILES_OF_A_KM
    miles = min(max(farthest * 1.25, _LEAST_MILES), _MOST_MILES)
    scale = HALF / miles
    return Map(
        pins=_pins(comparables, home, geography, scale),
        dots=_dots(home, geography, miles, scale),
        rings=[
            Ring(round(ring * scale), f"{ring} mi")
            for ring in _RINGS
            if 0.2 * miles <= ring <= 0.95 * miles
        ],
        place=_named(home, listing, min(c["km"] for c in comparables)),
    )


def _named(home: ZipCode, listing: Mapping[str, str], km: float) -> str:
    """What the map is centred on. A home without a zip code is in the middle of its city, and the
    nearest listing is ``km`` from there."""
    if not listing.get("zip_code") and km == 0 and (city := listing.get("city")):
        return text("the middle of {city}", city=f"{city}, {home.state}")
    return f"{home.city}, {home.state} {home.code}"


def _pins(
    comparables: Sequence[Mapping[str, Any]], home: ZipCode, geography: Geography, scale: float
) -> list[Pin]:
    pins, seen = [], Counter[str]()
    for number, c in enumerate(comparables, start=1):
        at = geography.by_code.get(c["zip_code"])
        if at is None:
            continue
        east, south = offset(home, at.latitude, at.longitude)
        # Those of one zip code lie on a spiral around its centre.
        place = seen[at.code]
        seen[at.code] += 1
        radius, angle = 140 * math.sqrt(place + 1), place * _GOLDEN_ANGLE - 1
        x, y = east * scale + radius * math.cos(angle), south * scale + radius * math.sin(angle)
        pins.append(Pin(str(number), round(x), round(y), f"{dollars(c['price'])}, {at.code}"))
    return pins


def _dots(home: ZipCode, geography: Geography, miles: float, scale: float) -> list[Dot]:
    around = [z for z in geography.within(home, miles) if z.code != home.code]
    around.sort(key=lambda z: math.hypot(*offset(home, z.latitude, z.longitude)))
    dots: list[Dot] = []
    labelled: list[tuple[int, int]] = []
    named = {home.city}
    for zip_code in around[:400]:
        x, y = (
            round(scale * miles_off)
            for miles_off in offset(home, zip_code.latitude, zip_code.longitude)
        )
        # A city is named once, where its name overlaps no other and not the home.
        free = all(abs(x - a) > 620 or abs(y - b) > 130 for a, b in [*labelled, (0, 0)])
        names = zip_code.city not in named and free and len(labelled) < _LABELS and abs(x) < 700
        dots.append(Dot(x, y, zip_code.city if names else ""))
        if names:
            labelled.append((x, y))
            named.add(zip_code.city)
    return dots
