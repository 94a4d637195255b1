"""The rules that every reader of a listing follows: one per column, and one per kind of value.

``value_reader`` reads a single value by them, ``by_column`` a column, ``source.stored`` and
``source.course`` the cells of a CSV. docs/listings.md shows the same tables; a test compares them.
It imports the standard library alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["number", "name", "state", "code", "zip code", "status", "date"]


class Rule(NamedTuple):
    """How one column is read. ``low``, ``high`` and ``unit`` are those of a number."""

    column: str
    kind: Kind
    means: str
    low: float = 0.0
    high: float = 0.0
    unit: str = ""


class KindRule(NamedTuple):
    """What a value of one kind may look like, what it is read as, and what is refused."""

    accepts: str
    becomes: str
    refuses: tuple[str, ...]


FOR_SALE, SOLD = "for_sale", "sold"
STATUSES = (FOR_SALE, SOLD, "ready_to_build")

# The longest text of a value, in characters.
LONGEST_TEXT = 200

# A shorter zip code has lost zeros.
ZIP_DIGITS = 5

# Numbers of JSON are exact up to here; some parsers round larger ones.
LARGEST_EXACT = 2**53

# Texts that mean a missing value, in upper or lower case: those that pandas writes and reads, which
# include what Excel writes for a value that is not available, and what databases and JavaScript
# export.
MISSING_TEXTS = frozenset(
    (
        *("", "nan", "-nan", "none", "null", "na", "n/a", "nat", "<na>"),
        *("#n/a", "#na", "#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("\\n", "(null)", "<null>", "[null]", "undefined"),
    )
)

# Characters that are cut at both ends of a text: whitespace, and those that nobody sees, such as
# zero-width spaces and joiners, marks of direction, fillers and byte order marks.
BLANK = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b"
    "\u206c\u206d\u206e\u206f\u115f\u1160\u2800\u3164\uffa0\ufeff\ufff9\ufffa\ufffb"
)

RULES = (
    Rule("brokered_by", "code", "the broker"),
    Rule("status", "status", "the status of the offer"),
    Rule(
        "price",
        "number",
        "the asking or paid price; the label, never an input",
        high=10_000_000_000.0,
        unit="dollars",
    ),
    Rule("bed", "number", "bedrooms", high=1_000.0),
    Rule("bath", "number", "bathrooms", high=1_000.0),
    Rule("acre_lot", "number", "the lot", high=10_000_000.0, unit="acres"),
    Rule("street", "code", "the street"),
    Rule("city", "name", "the city"),
    Rule("state", "state", "the state"),
    Rule("zip_code", "zip code", "the zip code"),
    Rule("house_size", "number", "living space", high=100_000_000.0, unit="square feet"),
    Rule("prev_sold_date", "date", "the previous sale"),
)

_LONGER = f"longer than {LONGEST_TEXT} characters"
_INEXACT = "a JSON number above 2^53, which may have been rounded"
_TEXT_REFUSED = (_LONGER, "with control or invisible characters inside")

KINDS: dict[Kind, KindRule] = {
    "number": KindRule(
        "a JSON number, or a text such as 3, 3.0 or 3e2 in the digits 0 to 9",
        "the number; -0 is 0",
        ("true and false", "1_000", "1,000", "digits of other scripts", "outside its range"),
    ),
    "name": KindRule(
        "a text; a number is read as its digits",
        "the text with single spaces, in Unicode's composed form (NFC)",
        (*_TEXT_REFUSED, "true and false", _INEXACT),
    ),
    "state": KindRule(
        "the name of a state, of a territory or of the District of Columbia, its postal or "
        "traditional abbreviation, or both, in upper or lower case, with or without periods, "
        "hyphens and the country",
        "the state's name; any other text unchanged, as a state that no model knows",
        (*_TEXT_REFUSED, "true and false", _INEXACT),
    ),
    "code": KindRule(
        "a text, or a whole number",
        "the text; 33156 and 33156.0 are read as 33156, leading zeros stay",
        (*_TEXT_REFUSED, "33156.5", "3.3e4", "true and false", _INEXACT),
    ),
    "zip code": KindRule(
        "one to five digits 0 to 9, ZIP+4, or a whole number",
        "five digits: lost leading zeros are added, `.0` and the four digits of ZIP+4 are cut",
        ("anything else",),
    ),
    "status": KindRule(
        f"{', '.join(STATUSES)}, in upper or lower case, with `_`, `-` or a space",
        "one of the three",
        ("any other text",),
    ),
    "date": KindRule(
        "YYYY-MM-DD, and a time of day with or without a zone after it",
        "YYYY-MM-DD; the time is cut",
        ("any other form", "days that the calendar does not have"),
    ),
}
