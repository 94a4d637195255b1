"""Amounts, times and the names of fields, in the language now."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from tasador.listings.rules import STATUSES
from tasador.valuation.languages import counted, language, marks, text

FIELDS = {
    "place": "Location",
    "state": "State",
    "city": "City",
    "zip_code": "Zip code",
    "house_size": "House size",
    "bed": "Bedrooms",
    "bath": "Bathrooms",
    "acre_lot": "Lot size",
    "status": "Status",
    "prev_sold_date": "Last sold",
    "street": "Street code",
    "brokered_by": "Broker code",
    "comparables": "Homes like it nearby",
}
MILES_OF_A_KM = 0.621371


def is_land(listing: Mapping[str, Any]) -> bool:
    """Whether a listing is priced as land: what has neither a size nor bedrooms, in the data as in
    the model. A home without bedrooms says 0."""
    return all(listing.get(name) in (None, "") for name in ("house_size", "bed"))


def dollars(amount: float) -> str:
    """Whole dollars."""
    whole = round(amount)
    return marks(f"−${-whole:,}" if whole < 0 else f"${whole:,}")


def change(amount: float) -> str:
    """Whole dollars with a sign."""
    return f"+{dollars(amount)}" if round(amount) > 0 else dollars(amount)


def rounded_dollars(amount: float) -> str:
    """Dollars to three digits, as precise as a price can be meant: $343,000."""
    if amount <= 0:
        return dollars(amount)
    step = 10 ** max(math.floor(math.log10(amount)) - 2, 0)
    return dollars(round(amount / step) * step)


def per_cent(share: float, digits: int = 1) -> str:
    """A share as per cent."""
    return marks(f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%")


def number(value: float) -> str:
    """A number without needless digits: 1,800 and 2.5."""
    return marks(f"{value:,.10g}")


def count(value: float) -> str:
    """A whole number: 12,000."""
    return marks(f"{value:,.0f}")


def status(name: str) -> str:
    """The English label of a listing's status."""
    return name.replace("_", " ").capitalize()


def written(value: str) -> str:
    """A value of an explanation, or a listing's status or date."""
    if value in STATUSES:
        return text(status(value)).lower()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return day(date.fromisoformat(value))
    if value == "not given":
        return text("not given")
    figure = re.fullmatch(r"([\d,.]+)(?: (sq ft|acres?))?", value)
    if figure is None:
        return value
    amount, unit = figure.groups()
    if unit in ("acre", "acres"):
        return measured(float(amount.replace(",", "")), "acres")
    # A zip code is no number.
    return f"{marks(amount)} {text(unit)}" if unit else marks(amount)


def measured(value: float, unit: str) -> str:
    """A number with its unit: sq ft, acres or none."""
    if unit == "acres":
        return counted(value, "{count} acre", "{count} acres")
    return f"{number(value)} {text(unit)}" if unit else number(value)


def field(name: str) -> str:
    """The label of a column of listings."""
    return text(FIELDS[name]) if name in FIELDS else name


def subject(name: str) -> str:
    """The column within a sentence."""
    return text(FIELDS[name].lower()) if name in FIELDS else name


def moment(when: datetime) -> str:
    """A time in UTC, to the minute."""
    form = "%Y-%m-%d %H:%M UTC" if language() == "en" else "%d/%m/%Y %H:%M UTC"
    return when.astimezone(UTC).strftime(form)


def day(when: date) -> str:
    """A date."""
    return when.strftime("%Y-%m-%d" if language() == "en" else "%d/%m/%Y")


def listed(names: list[str]) -> str:
    """Names as a person lists them: a, b and c."""
    if len(names) == 1:
        return names[0]
    return text("{most} and {last}", most=", ".join(names[:-1]), last=names[-1])
