"""The doubtful prices of a batch, counted for its card."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.listings.label_faults import FACTOR, LabelFaults, PricedRows, find_label_faults
from tasador.ratio_study.figures import chasing, outliers

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = [
    "price",
    "status",
    "street",
    "property_key",
    "zip_code",
    "brokered_by",
    "house_size",
    "acre_lot",
]
# Fewer pairs say nothing about their ratios.
_FEWEST_PAIRS = 30


def priced_rows(tables: Iterable[pa.Table]) -> PricedRows:
    """The rows of tables with at least COLUMNS, as numbers and codes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.concat_tables([each.select(COLUMNS) for each in tables])

    def number(name: str) -> Array:
        return np.from_dlpack(pc.fill_null(table[name], float("nan")).combine_chunks())

    def code(name: str) -> Array:
        encoded = pc.dictionary_encode(table[name]).combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):  # without a row
            return np.empty(0, dtype=np.int64)
        return np.from_dlpack(pc.fill_null(encoded.indices, -1)).astype(np.int64)

    def of_status(name: str) -> Array:
        is_one = pc.fill_null(pc.equal(table["status"], name), False)
        return np.array(is_one.to_pylist(), dtype=bool)

    home = code("property_key")
    home[code("street") < 0] = -1
    return PricedRows(
        price=number("price"),
        sold=of_status("sold"),
        offered=of_status("for_sale"),
        home=home,
        zip_code=code("zip_code"),
        broker=code("brokered_by"),
        house_size=number("house_size"),
        acre_lot=number("acre_lot"),
    )


def table_of(faults: LabelFaults) -> list[list[str]]:
    """The rows of the card's table: what, how many rows, their share."""
    counted = (
        (f"{FACTOR:.0f} times all its comparables, or as much below them", faults.out_of_line),
        ("one price of one broker for different homes", faults.repeated),
        (f"offered and sold at prices {FACTOR:.0f} times apart", faults.disagreeing),
        ("sold at exactly the price of the offer", faults.echoed),
        ("of a home that is both offered and sold (no fault)", faults.paired),
    )
    total = max(len(faults.paired), 1)
    return [[what, f"{rows.sum():,}", f"{rows.sum() / total:.2%}"] for what, rows in counted]


def chasing_sentence(faults: LabelFaults) -> str:
    """Why prices of sales seem to be copied from offers; empty if they do not."""
    if len(faults.ratio) < _FEWEST_PAIRS:
        return ""
    # As in a ratio study; without any spread all are one price, repeated.
    kept = faults.ratio[~outliers(faults.ratio)]
    if len(np.unique(kept)) > 1 and not chasing(kept).suspected:
        return ""
    near = float(np.mean(np.abs(faults.ratio - 1) <= 0.02))
    return (
        f"{near:.0%} of {len(faults.ratio):,} homes that are both offered and sold have two prices "
        "within 2 %: these sales may repeat the offer, and say no more about the market than it."
    )


def doubtful(tables: Iterable[pa.Table]) -> LabelFaults:
    """The doubtful prices in the clean rows of a batch."""
    return find_label_faults(priced_rows(tables))
