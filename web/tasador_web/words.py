"""Amounts, times and names as the pages write them. No Reflex."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasador.listings.rules import STATUSES
from tasador_web.languages import known_text, language, marks, text

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
_ROOMS = ("bed", "bath")
_UNITS = {"house_size": "square feet", "acre_lot": "acres"}
_UNKNOWN = {
    "state": "We have no prices from {value} yet.",
    "city": "We have no prices from {value} yet; its surroundings stand in.",
    "zip_code": "We have no prices from zip code {value} yet; the nearest ones stand in.",
    "brokered_by": "We know no broker with the code {value}.",
}
# The names of fields that no reader should have to guess.
_PLAIN = {name: label.lower() for name, label in FIELDS.items() if "_" in name} | {
    "zip_area": "zip area"
}
CONFIDENCE_COLORS = {"high": "green", "medium": "blue", "low": "amber"}
MILES_OF_A_KM = 0.621371


def dollars(amount: float) -> str:
    """Whole dollars."""
    whole = round(amount)
    return marks(f"−${-whole:,}" if whole < 0 else f"${whole:,}")


def change(amount: float) -> str:
    """Whole dollars with a sign."""
    return f"+{dollars(amount)}" if round(amount) > 0 else dollars(amount)


def short_dollars(amount: float) -> str:
    """Dollars in k and M: $343k, $1.25M."""
    size = abs(amount)
    sign = "−" if round(amount) < 0 else ""
    if size >= 999_500:
        return marks(f"{sign}${size / 1e6:.2f}".rstrip("0").rstrip(".")) + text("M")
    return f"{sign}${size / 1e3:.0f}{text('k')}" if size >= 1_000 else f"{sign}${size:.0f}"


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


def formatted(form: str, value: float) -> str:
    """A number in a form of Python, with the marks of the language and a space before %."""
    written = form.format(value)
    return written if language() == "en" else marks(written).replace("%", "\N{NO-BREAK SPACE}%")


def per_foot(amount: float) -> str:
    """A price per square foot."""
    return text("{price} per sq ft", price=dollars(amount))


def status(name: str) -> str:
    """The English label of a listing's status."""
    return name.replace("_", " ").capitalize()


def written(value: str) -> str:
    """A value of an explanation in the language of the page."""
    if value in STATUSES:
        return text(status(value)).lower()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return day(value)
    figure = re.fullmatch(r"([\d,.]+)(?: (sq ft|acres))?", value)
    if figure is None:
        return value
    number, unit = figure.groups()
    return marks(number) + (f" {text(unit)}" if unit else "")


def field(name: str) -> str:
    """The label of a column of listings."""
    return text(FIELDS[name]) if name in FIELDS else name


def subject(name: str) -> str:
    """The column within a sentence."""
    return text(FIELDS[name].lower()) if name in FIELDS else name


def plain(says: str) -> str:
    """What a flow says, with the names of fields as the pages write them: house size."""
    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda name: _PLAIN.get(name[0], name[0]), says)


def short(digest: str) -> str:
    """The first 12 characters of a digest or an id."""
    return digest.removeprefix("sha256:")[:12]


def moment(time: str) -> str:
    """An ISO 8601 time, shown in UTC to the minute."""
    form = "%Y-%m-%d %H:%M UTC" if language() == "en" else "%d/%m/%Y %H:%M UTC"
    return datetime.fromisoformat(time).astimezone(UTC).strftime(form)


def day(date: str) -> str:
    """An ISO 8601 date."""
    if language() == "en":
        return date
    return datetime.fromisoformat(date).strftime("%d/%m/%Y")


def duration(seconds: float) -> str:
    """How long something took: 4.2 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 60:
        return marks(f"{seconds:.1f} s")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def listed(names: list[str]) -> str:
    """Names as a person lists them: a, b and c."""
    if len(names) == 1:
        return names[0]
    return text("{most} and {last}", most=", ".join(names[:-1]), last=names[-1])


def read_number(name: str, text: str) -> str:
    """A number as the functions read it, from one with marks of thousands or a decimal comma.

    "1,850" and "1.850" square feet are 1850, "0,25" acres 0.25. Any other text is returned as it
    is, so that the functions can say what is wrong with it.
    """
    plain = text.strip().replace(" ", "").replace("\N{NO-BREAK SPACE}", "").replace("'", "")
    grouped = r"\d{1,3}(?:[.,]\d{3})+" if name == "house_size" else r"[1-9]\d{0,2}(?:,\d{3})+"
    if re.fullmatch(grouped, plain):
        return plain.replace(",", "").replace(".", "")
    return plain.replace(",", ".") if re.fullmatch(r"\d*,\d{1,2}", plain) else plain


def reason(says: str) -> str:
    """What a function says is wrong with a value; one of another form is shown as it is."""
    if above := re.fullmatch(r"is above (.+), which no listing can be", says):
        return text("is above {most}, which no listing can be", most=_amount(above[1]))
    if below := re.fullmatch(r"is below (.+)", says):
        return text("is below {least}", least=_amount(below[1]))
    return known_text(says)


def _amount(written: str) -> str:
    """A number and its unit, as a function writes them."""
    value, _, unit = written.partition(" ")
    return " ".join(part for part in (marks(value), known_text(unit)) if part)


def warning(says: str, listing: Mapping[str, Any]) -> str:
    """A function's warning in a buyer's words; one of another form is shown as it is."""
    outside = re.match(r"(\w+) (.+) is outside the training range \((.+) to (.+)\)", says)
    if outside and outside[1] in FIELDS:
        name, value, low, high = outside.groups()
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
    beyond = re.match(r"(.+) (?:is|together are) beyond the listings around it: ", says)
    if beyond:
        names = [subject(name) for name in re.findall(r"[a-z_]+", beyond[1]) if name in FIELDS]
        return text(
            "Few homes nearby are like this one in {names}, so its price is less certain.",
            names=listed(names),
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
