"""A listing: its twelve columns, how each is read, and why a value is refused.

Flows, functions and the web app all read listings through this module, so a value means the same in
training and in serving. It imports the standard library alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

COLUMNS = (
    "brokered_by",
    "status",
    "price",
    "bed",
    "bath",
    "acre_lot",
    "street",
    "city",
    "state",
    "zip_code",
    "house_size",
    "prev_sold_date",
)
# The columns of a request; the price is the answer.
INPUTS = tuple(name for name in COLUMNS if name != "price")
NUMBERS = ("bed", "bath", "acre_lot", "house_size")
CODES = ("brokered_by", "street")
STATUSES = ("for_sale", "sold", "ready_to_build")

LONGEST_TEXT = 200

# Models are trained and evaluated on prices in this range (dollars). Below it are rents, shares and
# placeholders; above it a few hundred estates in a million, which no comparable explains.
MARKET_PRICE = (10_000.0, 5_000_000.0)

# No model is trained on one property in ten, so every champion and challenger is compared on the
# same rows.
HOLDOUT_SHARE = 10

# The lowest and highest value of a column, and its unit; a value outside is refused.
BOUNDS = {
    "price": (0.0, 10_000_000_000.0, "dollars"),
    "bed": (0.0, 1_000.0, ""),
    "bath": (0.0, 1_000.0, ""),
    "acre_lot": (0.0, 10_000_000.0, "acres"),
    "house_size": (0.0, 100_000_000.0, "square feet"),
}

# Texts that mean a missing value, in upper or lower case.
MISSING_TEXTS = frozenset({"", "nan", "none", "null", "na", "n/a", "nat"})
_LONGEST_MISSING = max(map(len, MISSING_TEXTS))
_WHOLE = re.compile(r"-?\d+\.0*")
_ZIP = re.compile(r"(\d{1,5})(?:-\d{4})?")


class FieldProblem(NamedTuple):
    """Why a field was refused: ``reason`` is a phrase for people, ``value`` what was sent."""

    field: str
    reason: str
    value: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing; None is a missing value.

    Units: price in dollars, acre_lot in acres, house_size in square feet, prev_sold_date as
    YYYY-MM-DD, zip_code as five digits. brokered_by and street are codes, never quantities.
    """

    brokered_by: str | None = None
    status: str | None = None
    price: float | None = None
    bed: float | None = None
    bath: float | None = None
    acre_lot: float | None = None
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip_code: str | None = None
    house_size: float | None = None
    prev_sold_date: str | None = None

    def values(self) -> tuple[str | float | None, ...]:
        """The twelve values in the order of COLUMNS."""
        return tuple(getattr(self, name) for name in COLUMNS)

    def missing(self) -> tuple[str, ...]:
        """The inputs without a value."""
        return tuple(name for name in INPUTS if getattr(self, name) is None)


class _Refused(Exception):
    """A value that its column cannot have; the message is the reason."""


def _number(low: float, high: float, unit: str) -> Callable[[object], float | None]:
    def read(value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool):
            raise _Refused("is true or false, not a number")
        if isinstance(value, str):
            text = value.strip()
            if text.lower() in MISSING_TEXTS:
                return None
            try:
                number = float(text)
            except ValueError:
                raise _Refused("is not a number") from None
        elif isinstance(value, int | float):
            try:
                number = float(value)
            except OverflowError:  # JSON has integers of any length
                number = math.inf if value > 0 else -math.inf
        else:
            raise _Refused("is not a number")
        if math.isnan(number):
            return None
        if number < low:
            raise _Refused("is negative" if low == 0 else f"is below {low:g} {unit}".rstrip())
        if number > high:
            most = f"{high:,.0f} {unit}".rstrip()
            raise _Refused(f"is above {most}, which no listing can be")
        return number

    return read


def _text(value: object, longest: int = LONGEST_TEXT) -> str | None:
    if isinstance(value, str):
        text = value.strip()
    elif value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise _Refused("is not text")
    elif isinstance(value, float) and math.isinf(value):  # Infinity and 1e999 in JSON
        raise _Refused("is not a finite number")
    else:
        text = repr(value)
    if len(text) <= _LONGEST_MISSING and text.lower() in MISSING_TEXTS:
        return None
    if len(text) > longest:
        raise _Refused(f"is longer than {longest} characters")
    # Some sources escape NUL and lone surrogates in JSON, which no database accepts.
    if not text.isprintable():
        raise _Refused("contains unprintable characters")
    return text


def _code(value: object) -> str | None:
    """A code, sent as text, as an integer or as "33156.0"."""
    text = _text(value)
    if text is not None and _WHOLE.fullmatch(text):
        return text.split(".")[0]
    return text


def _zip_code(value: object) -> str | None:
    text = _code(value)
    if text is None:
        return None
    match = _ZIP.fullmatch(text)
    if match is None:
        raise _Refused("is not a zip code of five digits")
    return match.group(1).zfill(5)


def _status(value: object) -> str | None:
    text = _text(value)
    if text is not None and text not in STATUSES:
        raise _Refused("is not one of " + ", ".join(STATUSES))
    return text


def _date(value: object) -> str | None:
    text = _text(value)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text[:10])
        # Ten characters with these two dashes are the ISO form already.
        return text if len(text) == 10 and text[4] == text[7] == "-" else day.isoformat()
    except ValueError:
        raise _Refused("is not a date like 2022-02-23") from None


_READERS: dict[str, Callable[[object], str | float | None]] = {
    "brokered_by": _code,
    "status": _status,
    "price": _number(*BOUNDS["price"]),
    "bed": _number(*BOUNDS["bed"]),
    "bath": _number(*BOUNDS["bath"]),
    "acre_lot": _number(*BOUNDS["acre_lot"]),
    "street": _code,
    "city": _text,
    "state": _text,
    "zip_code": _zip_code,
    "house_size": _number(*BOUNDS["house_size"]),
    "prev_sold_date": _date,
}


def read_listing(raw: Mapping[str, object]) -> tuple[Listing, list[FieldProblem]]:
    """Read one listing from a mapping of column to raw value.

    An absent column is a missing value; any other column than the twelve is a problem. A field with
    a problem is None in the listing.
    """
    problems: list[FieldProblem] = []
    values: dict[str, str | float | None] = {}
    for name, value in raw.items():
        values[name], problem = read_value(name, value)
        if problem is not None:
            problems.append(problem)
            if name not in _READERS:
                del values[name]
    return Listing(**values), problems  # type: ignore[arg-type]


def read_value(name: str, value: object) -> tuple[str | float | None, FieldProblem | None]:
    """Read the value of one column; a refused value is None, with a problem."""
    reader = _READERS.get(name)
    if reader is None:
        return None, FieldProblem(str(name)[:100], "is not a column of a listing", _shown(value))
    try:
        return reader(value), None
    except _Refused as refused:
        return None, FieldProblem(name, str(refused), _shown(value))


def read_row(raw: object) -> tuple[Listing, list[FieldProblem]]:
    """Read one row of a batch: a mapping, or (older sources) a list in column order.

    Unlike a request, a row of a batch needs a price above zero: it is the label.
    """
    if isinstance(raw, Mapping):
        listing, problems = read_listing(raw)
    elif isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        if len(raw) != len(COLUMNS):
            reason = f"has {len(raw)} values where a listing has {len(COLUMNS)}"
            return Listing(), [FieldProblem("row", reason, _shown(raw))]
        listing, problems = read_listing(dict(zip(COLUMNS, raw, strict=True)))
    else:
        return Listing(), [FieldProblem("row", "is neither an object nor a list", _shown(raw))]
    if not any(p.field == "price" for p in problems):
        if listing.price is None:
            problems.append(FieldProblem("price", "is missing", ""))
        elif listing.price <= 0:
            problems.append(FieldProblem("price", "is not above zero", _shown(listing.price)))
    return listing, problems


def _shown(value: object) -> str:
    return value[:200] if isinstance(value, str) else repr(value)[:200]


def property_key(listing: Listing) -> str:
    """The identity of a property, street + city + zip code: what every split keeps together."""
    parts = (listing.street, listing.city, listing.zip_code)
    return "|".join((part or "").casefold() for part in parts)


def in_holdout(key: str) -> bool:
    """Whether the property is in the permanent holdout (one in ten, by hash)."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, person=b"holdout").digest()
    return int.from_bytes(digest, "big") % HOLDOUT_SHARE == 0


def canonical_line(listing: Listing, problems: Sequence[FieldProblem] = ()) -> bytes:
    """The bytes of one row in the digest of its batch, the same for every form of a batch.

    Refused values are part of it, so batches that differ in them alone are different batches.
    """
    values = ["" if v is None else repr(v) for v in listing.values()]
    values += [f"{p.field}={p.value}" for p in sorted(problems)]
    # Refused values may hold lone surrogates, which UTF-8 has no form of.
    return ("\x1f".join(values) + "\n").encode("utf-8", "surrogatepass")
