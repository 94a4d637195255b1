"""Training rows as numbers and category codes, from which encoders are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import Columns
from tasador.listings.listing import NUMBERS
from tasador.model.categories import codes_of, index_of, keys_of, zips_of
from tasador.model.features import CENTRED, RANGED
from tasador.model.own_features import UNSTATED, centred, own_numbers, sale_years, terms
from tasador.model.traits import given_of, traits_of
from tasador.training.geography import load_geography

# One number in a thousand is clipped to the training range.
_TAIL = 0.0005
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows [n] in numbers; codes are -1 for unknown categories.

    ``numbers`` are the listings' numbers by name, clipped to ``ranges``, ``scaled`` [n,
    len(SUPPORTED) + 1] those on the scale of CENTRED and the log price. ``zips`` are positions in
    the geography; ``vocabulary`` maps a column to its category codes.
    """

    ranges: dict[str, tuple[float, float]]
    means: dict[str, float]
    numbers: dict[str, Array]
    scaled: Array
    terms: Array
    traits: Array
    given: Array
    log_price: Array
    zips: Array
    state: Array
    city: Array
    broker: Array
    vocabulary: dict[str, dict[str, int]]


def prepare_rows(columns: Columns) -> Rows:
    """Prepare the rows of a table; every ``price`` must be above zero."""
    ranges = _ranges(columns)
    numbers = own_numbers(columns, ranges, UNSTATED)
    means = {}
    for name, values in centred(numbers).items():
        present = values[~np.isnan(values)]
        means[name] = round(float(present.mean()), _DIGITS) if len(present) else 0.0
    keys = keys_of(columns)
    vocabulary = {
        # Sorted, so that the order of the rows does not change the encoders.
        name: index_of(sorted({key for key in column.values if key is not None}))
        for name, column in keys.items()
    }
    design = terms(numbers, means)
    return Rows(
        ranges=ranges,
        means={name: means[name] for name in CENTRED},
        numbers=numbers,
        scaled=np.column_stack([*centred(numbers).values(), np.log(columns["price"])]),
        terms=design,
        traits=traits_of(design),
        given=given_of(numbers),
        log_price=np.log(columns["price"]),
        zips=load_geography().positions(zips_of(columns)),
        state=codes_of(keys["state"], vocabulary["state"]),
        city=codes_of(keys["city"], vocabulary["city"]),
        broker=codes_of(keys["broker"], vocabulary["broker"]),
        vocabulary=vocabulary,
    )


def _ranges(columns: Columns) -> dict[str, tuple[float, float]]:
    raw = {name: columns[name] for name in NUMBERS}
    raw["prev_sold_year"] = sale_years(columns)
    ranges = {}
    for name in RANGED:
        values = raw[name][~np.isnan(raw[name])]
        if len(values) == 0:
            ranges[name] = (0.0, 0.0)
            continue
        # Order statistics without interpolation: a bound is a value from the data.
        low, high = np.quantile(values, [_TAIL, 1 - _TAIL], method="nearest")
        ranges[name] = (float(low), float(high))
    return ranges
