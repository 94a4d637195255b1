"""A listing: its twelve columns, and how one is read from a mapping or from a row of a batch.

Flows, functions and the web app all read listings by the rules of ``tasador.listings.rules``, so a
value means the same in training and in serving. It imports the standard library alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasador.listings.rules import RULES
from tasador.listings.value_reader import READERS, Reader, Refused, Value, not_a_column, shown
from tasador.listings.value_reader import (
    FieldProblem as FieldProblem,
)  # for those who read listings

COLUMNS = tuple(rule.column for rule in RULES)
# The columns of a request; the price is the answer.
INPUTS = tuple(name for name in COLUMNS if name != "price")
NUMBERS = tuple(rule.column for rule in RULES if rule.kind == "number" and rule.column != "price")

_INPUT_READERS: dict[str, Reader] = {**READERS, "price": lambda _: None}

# Models are trained and evaluated on prices in this range (dollars). Below it are rents, shares and
# placeholders; above it a few hundred estates in a million, which no comparable explains.
MARKET_PRICE = (10_000.0, 5_000_000.0)

# No model is trained on one property in ten, so every champion and challenger is compared on the
# same rows.
HOLDOUT_SHARE = 10


class Listing(NamedTuple):
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
        return tuple(self)

    def missing(self) -> tuple[str, ...]:
        """The inputs without a value."""
        return tuple(name for name in INPUTS if getattr(self, name) is None)


def read_listing(raw: Mapping[str, object]) -> tuple[Listing, list[FieldProblem]]:
    """Read one listing from a mapping of column to raw value.

    An absent column is a missing value; any other column than the twelve is a problem. A field with
    a problem is None in the listing.
    """
    return _read(raw, READERS)


def read_inputs(raw: Mapping[str, object]) -> tuple[Listing, list[FieldProblem]]:
    """Read one listing as ``read_listing`` does, whatever its price is: that stays None."""
    return _read(raw, _INPUT_READERS)


def _read(
    raw: Mapping[str, object], readers: Mapping[str, Reader]
) -> tuple[Listing, list[FieldProblem]]:
    problems: list[FieldProblem] = []
    values: dict[str, Value] = {}
    for name, value in raw.items():
        reader = readers.get(name)
        if reader is None:
            problems.append(not_a_column(name, value))
            continue
        try:
            values[name] = reader(value)
        except Refused as refused:
            problems.append(FieldProblem(name, str(refused), shown(value)))
    return Listing(**values), problems  # type: ignore[arg-type]


def read_row(raw: object) -> tuple[Listing, list[FieldProblem]]:
    """Read one row of a batch: a mapping, or (older sources) a list in column order.

    Unlike a request, a row of a batch needs a price above zero: it is the label.
    """
    if isinstance(raw, Mapping):
        listing, problems = read_listing(raw)
    elif isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        if len(raw) != len(COLUMNS):
            reason = f"has {len(raw)} values where a listing has {len(COLUMNS)}"
            return Listing(), [FieldProblem("row", reason, shown(raw))]
        listing, problems = read_listing(dict(zip(COLUMNS, raw, strict=True)))
    else:
        return Listing(), [FieldProblem("row", "is neither an object nor a list", shown(raw))]
    if (problem := price_problem(listing.price, problems)) is not None:
        problems.append(problem)
    return listing, problems


def price_problem(price: float | None, problems: Sequence[FieldProblem]) -> FieldProblem | None:
    """Why a row of a batch has no label, unless its price is refused already."""
    if any(problem.field == "price" for problem in problems):
        return None
    if price is None:
        return FieldProblem("price", "is missing", "")
    return FieldProblem("price", "is not above zero", shown(price)) if price <= 0 else None


def property_key(listing: Listing) -> str:
    """The identity of a property, street + city + zip code: what every split keeps together."""
    return "|".join(
        text or "" for text in (listing.street, listing.city, listing.zip_code)
    ).casefold()


def address_key(listing: Listing) -> str:
    """The property's key; empty without street, city or zip code, which do not identify one."""
    complete = listing.street and listing.city and listing.zip_code
    return property_key(listing) if complete else ""


def in_holdout(key: str) -> bool:
    """Whether the property is in the permanent holdout (one in ten, by hash)."""
    return int.from_bytes(holdout_digests([key.encode()]), "big") % HOLDOUT_SHARE == 0


def holdout_digests(keys: Sequence[bytes]) -> bytes:
    """Eight bytes for each key, in UTF-8: those whose number is a multiple of HOLDOUT_SHARE are in
    the holdout."""
    copy_of_start = hashlib.blake2b(digest_size=8, person=b"holdout").copy
    digests = []
    for key in keys:
        hashed = copy_of_start()
        hashed.update(key)
        digests.append(hashed.digest())
    return b"".join(digests)


def canonical_line(listing: Listing, problems: Sequence[FieldProblem] = ()) -> bytes:
    """The bytes of one row in the digest of its batch, the same for every form of a batch.

    Refused values are part of it, so batches that differ in them alone are different batches.
    """
    values = ["" if v is None else repr(v) for v in listing.values()]
    values += [f"{p.field}={p.value}" for p in sorted(problems)]
    # Refused values may hold lone surrogates, which UTF-8 has no form of.
    return ("\x1f".join(values) + "\n").encode("utf-8", "surrogatepass")
