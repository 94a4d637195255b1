"""Listings as they come in requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.surface import invalid, read_object
from tasador.listing import COLUMNS, Listing, Problem, read_listing

INPUTS = tuple(column for column in COLUMNS if column != "price")
ROWS_IN_A_BATCH = 10_000


def one(data: Any, where: str = "body") -> Listing:
    """One listing from JSON; a price is what is asked for, so a given one is left aside."""
    listing, problems = _read(read_object(data, where))
    if problems:
        raise invalid(problems)
    return listing


def many(data: Any) -> list[Listing]:
    """The listings of {"listings": [...]}; problems are named like ``listings[3].bed``."""
    rows = read_object(data, "body").get("listings")
    if not isinstance(rows, list) or not rows:
        raise invalid([Problem("listings", "is not a list of at least one listing", "")])
    if len(rows) > ROWS_IN_A_BATCH:
        reason = f"has {len(rows):,} rows; {ROWS_IN_A_BATCH:,} are taken at once"
        raise invalid([Problem("listings", reason, "")])
    listings: list[Listing] = []
    wrong: list[Problem] = []
    for number, row in enumerate(rows):
        where = f"listings[{number}]"
        if not isinstance(row, Mapping):
            wrong.append(Problem(where, "is not a JSON object", repr(row)[:200]))
            continue
        listing, problems = _read(row)
        listings.append(listing)
        wrong += [p._replace(field=f"{where}.{p.field}") for p in problems]
    if wrong:
        raise invalid(wrong)
    return listings


def _read(row: Mapping[str, Any]) -> tuple[Listing, list[Problem]]:
    return read_listing({name: value for name, value in row.items() if name != "price"})


def inputs(listing: Listing) -> dict[str, Any]:
    """The eleven inputs as read."""
    return {name: getattr(listing, name) for name in INPUTS}
