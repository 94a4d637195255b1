"""Listings in requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.http import invalid_fields, require_object
from tasador.listings.listing import INPUTS, Listing, read_inputs
from tasador.listings.value_reader import REWORDED, is_reworded


def listing_from_json(data: Any, field_name: str = "body") -> Listing:
    """The listing in a JSON object, without its price; raises HttpProblem 422."""
    row = require_object(data, field_name)
    listing, problems = read_inputs(row)
    if problems:
        raise invalid_fields(problems)
    return listing


def read_as(data: Mapping[str, Any], listing: Listing) -> dict[str, str]:
    """The texts that were read as another one, by field: {"state": "Texas"} for "TX"."""
    reworded = {}
    for name in REWORDED:
        if (sent := data.get(name)) is not None:
            value = getattr(listing, name)
            if value is not sent and is_reworded(sent, value):
                reworded[name] = value
    return reworded


def inputs_of(listing: Listing) -> dict[str, Any]:
    """The eleven input fields as read."""
    return {name: getattr(listing, name) for name in INPUTS}
