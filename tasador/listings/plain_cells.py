"""Columns of cells that hold plain numbers or codes, so that none needs to be read by itself."""

from __future__ import annotations

from dataclasses import replace

from tasador.arrays import Array
from tasador.listings.cells import Cells
from tasador.listings.rules import ZIP_DIGITS, Rule
from tasador.listings.text_column import TextColumn

# The columns that a model looks up by number.
NUMBERED = ("brokered_by", "zip_code")


def read_plain_cells(rule: Rule, cells: Cells) -> Array | TextColumn | None:
    """The column as ``read_value`` reads each cell; None if any must be read by it."""
    if rule.kind == "number":
        numbers = cells.decimals()
        if numbers is None or ((numbers < rule.low) | (numbers > rule.high)).any():
            return None
        return numbers
    return _codes(rule, cells) if rule.kind in ("code", "zip code") else None


def _codes(rule: Rule, cells: Cells) -> TextColumn | None:
    """The codes of cells such as 33156 or 33156.0."""
    codes = cells.without_fraction()
    if codes is None:
        return None
    if rule.kind == "zip code":
        if codes.sizes.max(initial=0) > ZIP_DIGITS:
            return None
        codes = replace(codes, width=ZIP_DIGITS)
    numbers = codes.whole_numbers()
    if numbers is None:
        return None
    numbered = numbers if rule.column in NUMBERED else None
    return TextColumn(codes, numbers=numbered, missing=numbers < 0)
