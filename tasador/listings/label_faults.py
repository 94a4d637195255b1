"""Prices that deserve less trust than others: pairs that disagree, repeats, and outliers.

No check needs a model, so ingestion can count what a batch holds before anything is trained on it.
Training leaves the rows in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array

# A price is out of line if it is this many times the highest of its comparables, or as much below
# the lowest.
FACTOR = 5.0
# Comparables are the listings of the zip code that are nearest in size, this many on either side.
_EITHER_SIDE, _FEWEST_COMPARABLES = 8, 6
_SIMILAR = 2.0  # and none is more than this many times as large, or as small
# A price of a broker repeats suspiciously if at least this many homes of different sizes have it,
# and chance gives as many to less than one broker and price in a million.
_FEWEST_REPEATS, _CHANCE = 5, 1e-6
_MOST_ALIKE = 0.5  # the share of the repeats that may have one size


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRows:
    """Rows with a price [n]. Codes are whole numbers, -1 where a value is missing.

    ``price`` is in dollars, ``house_size`` in square feet and ``acre_lot`` in acres, NaN where
    missing. ``home`` is the code of the property; without a street nothing tells which it is.
    """

    price: Array
    sold: Array
    offered: Array
    home: Array
    zip_code: Array
    broker: Array
    house_size: Array
    acre_lot: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFaults:
    """Which rows have a doubtful price, bool [n] each.

    ``out_of_line``: beyond every comparable by FACTOR. ``repeated``: one price of one broker for
    homes that differ. ``disagreeing``: offered and sold, with prices apart by FACTOR. ``echoed``: a
    sale at exactly the price at which the property is offered. ``paired``: a property that is both
    offered and sold, which is no fault. ``ratio`` [properties]: the price of the sale over the one
    of the offer.
    """

    out_of_line: Array
    repeated: Array
    disagreeing: Array
    echoed: Array
    paired: Array
    ratio: Array


def find_label_faults(rows: PricedRows) -> LabelFaults:
    """Find them. It sorts the rows a few times: a second for 300,000 rows."""
    named = np.where(rows.home >= 0, rows.home, rows.home.max(initial=-1) + 1)
    # Each row without a street may be another home.
    unnamed = rows.home < 0
    named[unnamed] += np.arange(int(unnamed.sum()))
    paired, disagreeing, echoed, ratio = _pairs(rows, named)
    return LabelFaults(
        out_of_line=_out_of_line(rows, named),
        repeated=_repeated(rows, named),
        disagreeing=disagreeing,
        echoed=echoed,
        paired=paired,
        ratio=ratio,
    )


def _out_of_line(rows: PricedRows, home: Array) -> Array:
    lived = ~np.isnan(rows.house_size)
    size = np.where(lived, rows.house_size, rows.acre_lot)
    judged = np.flatnonzero((rows.zip_code >= 0) & ~np.isnan(size))
    # Homes and land are no comparables of each other.
    group = rows.zip_code * 2 + lived
    order = judged[np.lexsort((judged, size[judged], group[judged]))]
    price, group, home, size = rows.price[order], group[order], home[order], size[order]
    low, high = np.full(len(order), np.inf), np.zeros(len(order))
    count = np.zeros(len(order), dtype=np.int64)
    for offset in range(1, min(_EITHER_SIDE, len(order) - 1) + 1):
        one, other = slice(None, -offset), slice(offset, None)
        alike = (group[one] == group[other]) & (home[one] != home[other])
        alike &= size[other] <= _SIMILAR * size[one]  # in the order of their size
        for here, there in ((one, other), (other, one)):
            low[here] = np.where(alike, np.minimum(low[here], price[there]), low[here])
            high[here] = np.where(alike, np.maximum(high[here], price[there]), high[here])
            count[here] += alike
    found = np.zeros(len(rows.price), dtype=bool)
    beyond = (price > FACTOR * high) | (price * FACTOR < low)
    found[order] = beyond & (count >= _FEWEST_COMPARABLES)
    return found


def _repeated(rows: PricedRows, home: Array) -> Array:
    found = np.zeros(len(rows.price), dtype=bool)
    listed = np.flatnonzero(rows.broker >= 0)
    if not len(listed):
        return found
    price, broker = np.unique(rows.price[listed], return_inverse=True)[1], rows.broker[listed]
    cells = broker.astype(np.int64) * (int(price.max()) + 1) + price
    start, cell = np.unique(cells, return_index=True, return_inverse=True)[1:]
    # A property counts once for a broker and price.
    first = np.unique(cell * (int(home.max()) + 1) + home[listed], return_index=True)[1]
    repeats = np.bincount(cell[first])
    of_broker, of_price = np.bincount(broker[first]), np.bincount(price[first])
    # What chance gives: the broker's listings times the share of the price elsewhere.
    elsewhere = of_price[price[start]] - repeats + 1
    expected = of_broker[broker[start]] * elsewhere / len(first)
    unlikely = (repeats >= _FEWEST_REPEATS) & (_chance(repeats, expected) < _CHANCE)
    for number in np.flatnonzero(unlikely):
        of_cell = listed[cell == number]
        size = rows.house_size[of_cell]
        sizes = np.unique(size[~np.isnan(size)], return_counts=True)[1]
        # Plots, and the homes of one plan, cost the same.
        differ = sizes.sum() >= _FEWEST_REPEATS and sizes.max() <= _MOST_ALIKE * sizes.sum()
        found[of_cell] = differ
    return found


def _chance(count: Array, mean: Array) -> Array:
    """An upper bound of the chance of ``count`` or more events of a Poisson law (Chernoff)."""
    bound = np.exp(count - mean + count * np.log(mean / count))
    return np.where(count > mean, bound, 1.0)


def _pairs(rows: PricedRows, home: Array) -> tuple[Array, Array, Array, Array]:
    """(paired, disagreeing, echoed, ratio) of properties that are both offered and sold."""
    count = int(home.max(initial=-1)) + 1
    low, high = _span(rows.price, home, rows.offered, count)
    sold_low, sold_high = _span(rows.price, home, rows.sold, count)
    both = (high > 0) & (sold_high > 0)
    apart = both & ((sold_low > FACTOR * high) | (sold_high * FACTOR < low))
    # Offered and sold at several prices each, a property may echo none of them.
    same = both & (sold_low == high) & (sold_high == low)
    return both[home], apart[home], same[home], sold_high[both] / high[both]


def _span(price: Array, home: Array, of: Array, count: int) -> tuple[Array, Array]:
    """The lowest and highest price of each home among the rows ``of``; (inf, 0) without one."""
    low, high = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(low, home[of], price[of])
    np.maximum.at(high, home[of], price[of])
    return low, high
