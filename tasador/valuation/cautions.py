"""The warnings of a price in a buyer's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasador.valuation.languages import marks, text
from tasador.valuation.words import FIELDS, listed, subject, written

_ROOMS = ("bed", "bath")
_UNITS = {"house_size": "square feet", "acre_lot": "acres"}
_UNKNOWN = {
    "state": "We have no prices from {value} yet.",
    "city": "We have no prices from {value} yet; its surroundings stand in.",
    "zip_code": "We have no prices from zip code {value} yet; the nearest ones stand in.",
    "brokered_by": "We know no broker with the code {value}.",
}


def warning(says: str, listing: Mapping[str, Any]) -> str:
    """A function's warning in a buyer's words; one of another form is shown as it is."""
    outside = re.match(r"(\w+) (.+) is outside the training range \((.+) to (.+)\)", says)
    if outside and outside[1] in FIELDS:
        return _outside(*outside.groups())
    beyond = re.match(r"(.+) (?:is|together are) beyond the listings around it: ", says)
    named = [name for name in re.findall(r"[a-z_]+", beyond[1]) if name in FIELDS] if beyond else []
    if named:
        return text(
            "Few homes nearby are like this one in {names}, so its price is less certain.",
            names=listed([*map(subject, named)]),
        )
    elsewhere = re.match(r"zip_code '(\d+)' is in (.+), not in (.+)", says)
    if elsewhere:
        code, real, given = elsewhere.groups()
        return text(
            "Zip code {code} is in {real}, not in {given}.", code=code, real=real, given=given
        )
    unknown = re.match(r"(\w+) .+ is not in the training data", says)
    if not unknown:
        return says
    name = unknown[1]
    return text(_UNKNOWN[name], value=listing.get(name, "")) if name in _UNKNOWN else says


def _outside(name: str, value: str, low: str, high: str) -> str:
    if name == "prev_sold_date":
        return text(
            "A last sale on {value} is unusual: the sales that we know are of {low} to {high}.",
            value=written(value),
            low=low,
            high=high,
        )
    if name in _ROOMS:
        return text(
            "{value} {what} are unusual: the homes that we know have {low} to {high}.",
            value=marks(value),
            what=subject(name),
            low=marks(low),
            high=marks(high),
        )
    unit = f" {text(_UNITS[name])}" if name in _UNITS else ""
    return text(
        "A {what} of {value}{unit} is unusual: the homes that we know have {low} to {high}.",
        what=subject(name),
        value=marks(value),
        unit=unit,
        low=marks(low),
        high=marks(high),
    )
