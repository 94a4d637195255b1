"""Amounts, times and names as the pages write them. No Reflex.

The valuation report shares most of them.
"""

from __future__ import annotations

import re
from datetime import datetime

from tasador.listings.value_reader import Refused
from tasador.valuation import words
from tasador.valuation.cautions import warning
from tasador.valuation.words import (
    FIELDS,
    MILES_OF_A_KM,
    change,
    count,
    dollars,
    field,
    is_land,
    listed,
    number,
    per_cent,
    rounded_dollars,
    status,
    subject,
    written,
)
from tasador_web.languages import counted, known_text, marks, text

__all__ = [
    "CONFIDENCE_COLORS",
    "FIELDS",
    "MILES_OF_A_KM",
    "change",
    "count",
    "dollars",
    "duration",
    "field",
    "formatted",
    "is_land",
    "listed",
    "measured",
    "moment",
    "number",
    "number_in_file",
    "per_cent",
    "per_foot",
    "plain",
    "read_number",
    "reason",
    "rounded_dollars",
    "short",
    "short_dollars",
    "status",
    "subject",
    "warning",
    "written",
]

# The names of fields that no reader should have to guess.
_PLAIN = {name: label.lower() for name, label in FIELDS.items() if "_" in name} | {
    "zip_area": "zip area"
}
CONFIDENCE_COLORS = {"high": "green", "medium": "blue", "low": "amber"}


def short_dollars(amount: float) -> str:
    """Dollars in k and M: $343k, $1.25M."""
    size = abs(amount)
    sign = "−" if round(amount) < 0 else ""
    if size >= 999_500:
        return marks(f"{sign}${size / 1e6:.2f}".rstrip("0").rstrip(".")) + text("M")
    return f"{sign}${size / 1e3:.0f}{text('k')}" if size >= 1_000 else f"{sign}${size:.0f}"


def formatted(form: str, value: float) -> str:
    """A number in a form of Python, with the marks of the language and a space before %."""
    return marks(form.format(value)).replace("%", "\N{NO-BREAK SPACE}%")


def measured(name: str, value: float) -> str:
    """A number of rooms, or a size, with its unit: 3 bed, 1,800 sq ft, 1 acre."""
    if name == "bed":
        return counted(value, "{one} bed", "{count} bed")
    if name == "bath":
        return counted(value, "{one} bath", "{count} bath")
    if name == "acre_lot":
        return counted(value, "{count} acre", "{count} acres")
    return text("{count} sq ft", count=number(value))


def per_foot(amount: float) -> str:
    """A price per square foot."""
    return text("{price} per sq ft", price=dollars(amount))


def plain(says: str) -> str:
    """What a flow says, with the names of fields as the pages write them: house size."""
    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda name: _PLAIN.get(name[0], name[0]), says)


def short(digest: str) -> str:
    """The first 12 characters of a digest or an id."""
    return digest.removeprefix("sha256:")[:12]


def moment(time: str) -> str:
    """An ISO 8601 time, shown in UTC to the minute."""
    return words.moment(datetime.fromisoformat(time))


def duration(seconds: float) -> str:
    """How long something took: 4.2 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 60:
        return marks(f"{seconds:.1f} s")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def read_number(name: str, text: str) -> str:
    """A number as the functions read it, from one with marks of thousands or a decimal comma.

    "1,850", "1.850" and "1.850,0" square feet are 1850, "0,25" acres 0.25. Any other text is
    returned as it is, so that the functions can say what is wrong with it.
    """
    plain = _unspaced(text)
    for mark, point in ((",", "."), (".", ",")):
        thousands = rf"[1-9]\d{{0,2}}(?:[{mark}]\d{{3}})"
        # One point before three digits is a decimal one, except in a size.
        sure = "+" if mark == "," or name == "house_size" else "{2,}"
        if re.fullmatch(rf"{thousands}+[{point}]\d+|{thousands}{sure}", plain):
            return plain.replace(mark, "").replace(point, ".")
    return plain.replace(",", ".") if re.fullmatch(r"\d*,\d+", plain) else plain


def number_in_file(name: str, text: str) -> str:
    """As ``read_number``; Refused for what may be either of two, since nobody sees how it is read.

    A home of 1.85 square feet there is not, but "850.000" may be 850, and "1,250" acres 1.25.
    """
    plain = _unspaced(text)
    either = r"[1-9]\d\d\.\d{3}" if name == "house_size" else r"[1-9]\d{0,2},\d{3}"
    if re.fullmatch(either, plain):
        whole, decimals = re.split("[.,]", plain)
        less = f"{whole}.{decimals}".rstrip("0").rstrip(".")
        raise Refused.ambiguous(less, f"{whole}{decimals}")
    return read_number(name, text)


def _unspaced(text: str) -> str:
    return re.sub("[ '\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]", "", text.strip())


def reason(says: str) -> str:
    """What a function says is wrong with a value; one of another form is shown as it is."""
    if above := re.fullmatch(r"is above (.+), which no listing can be", says):
        return text("is above {most}, which no listing can be", most=_amount(above[1]))
    if below := re.fullmatch(r"is below (.+)", says):
        return text("is below {least}", least=_amount(below[1]))
    if either := re.fullmatch(r"may be (\S+) or (\S+)", says):
        return text(
            "may be {one} or {other}: write it without a mark of thousands",
            one=marks(either[1]),
            other=either[2],
        )
    if width := re.fullmatch(r"has (\d+) values where the header has (\d+)", says):
        return text(
            "has {values} values, and the header {columns}", values=width[1], columns=width[2]
        )
    return known_text(says)


def _amount(written: str) -> str:
    """A number and its unit, as a function writes them."""
    value, _, unit = written.partition(" ")
    return " ".join(part for part in (marks(value), known_text(unit)) if part)
