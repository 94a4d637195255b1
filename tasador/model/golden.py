"""Golden rows: listings with the price that the training engine gave them, as golden.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tasador.errors import BundleError
from tasador.listings.listing import COLUMNS, Listing, read_listing

# Largest relative difference allowed between the serving engine and the training engine.
GOLDEN_TOLERANCE = 1e-4


class GoldenRow(NamedTuple):
    """A listing and its expected ``price`` in dollars."""

    listing: Listing
    price: float

    def body(self) -> dict[str, str | float]:
        """The listing as the JSON body of a request: the fields that have a value."""
        values = zip(COLUMNS, self.listing.values(), strict=True)
        return {name: value for name, value in values if value is not None}


def write_golden(rows: Sequence[GoldenRow]) -> bytes:
    """The content of golden.json; the same rows always give the same bytes."""
    stored = [{"listing": row.body(), "price": row.price} for row in rows]
    return json.dumps(stored, indent=1, allow_nan=False).encode() + b"\n"


def read_golden(content: bytes, path: Path) -> list[GoldenRow]:
    """Read the content of golden.json; BundleError names ``path``."""
    try:
        return [_row(stored) for stored in json.loads(content)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} cannot be read: {error!r}") from error


def _row(stored: Mapping[str, object]) -> GoldenRow:
    values, price = stored["listing"], stored["price"]
    if not isinstance(values, Mapping) or not isinstance(price, int | float):
        raise TypeError("a golden row is not a listing with a price")
    listing, problems = read_listing(values)
    if problems:
        raise ValueError(f"{problems[0].field} {problems[0].reason}")
    return GoldenRow(listing, float(price))
