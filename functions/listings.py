"""Listings as they come in requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.surface import invalid, read_object
from tasador.listings.listing import INPUTS, FieldProblem, Listing, read_listing


def one(data: Any, where: str = "body") -> Listing:
    """One listing from JSON; a price is what is asked for, so a given one is left aside."""
    listing, problems = _read(read_object(data, where))
    if problems:
        raise invalid(problems)
    return listing


def _read(row: Mapping[str, Any]) -> tuple[Listing, list[FieldProblem]]:
    return read_listing({name: value for name, value in row.items() if name != "price"})


def inputs(listing: Listing) -> dict[str, Any]:
    """The eleven inputs as read."""
    return {name: getattr(listing, name) for name in INPUTS}
