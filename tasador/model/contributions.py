"""Exact contributions to one price, in dollars.

A price is a local regression, whose terms are contributions as they are, corrected by trees, whose
contributions are exact Tree-SHAP values. It may lean back to the prices of its surroundings, which
is one more contribution. All add up in log price. To convert them to dollars, the path from the
base price to the price is a straight line in log price, and every feature gets its share of each
step (Aumann-Shapley). The dollars then add up to the price.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import Listing
from tasador.model.bundle import Bundle, LogEffects
from tasador.model.comparable import Comparable
from tasador.model.features import FEATURES, PLACE, TERMS, Feature

_NAMES = {
    "house_size": "house size",
    "acre_lot": "lot",
    "bed": "bedrooms",
    "bath": "bathrooms",
    "status": "status",
    "prev_sold_date": "last sale",
    "place": "place",
    "brokered_by": "broker",
    "comparables": "comparable listings",
}
_NAMED_IN_SENTENCE = 3
# How far the price leans back to the prices around it.
SUPPORT = Feature("surroundings", "comparables")
# What contributes apart from the features: the terms of the local regressions, and the support.
_TERMS = (*(term._replace(name=f"local_{term.name}") for term in TERMS), SUPPORT)
_COLUMNS = tuple(dict.fromkeys(feature.column for feature in (*FEATURES, *_TERMS)))
_COLUMN_OF_TERM = [_COLUMNS.index(term.column) for term in _TERMS]


class Contribution(NamedTuple):
    """The dollars that one feature adds to the price (or takes off); ``value`` is display text."""

    feature: str
    value: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A price in dollars: ``price`` = ``base`` + the sum of ``contributions``.

    ``contributions`` are by model feature; the terms of the local regression are named
    ``local_...``, and ``surroundings`` is how far the price leans back to those around it.
    ``columns`` are the same by listing column: city, state and zip code together are "place", the
    prices of listings nearby are "comparables". Both are sorted by size. ``comparables`` are the
    most similar listings, the most similar one first. ``prices``, ``intervals``, ``confidence`` and
    ``warnings`` are those of ``Bundle.predict_one``.
    """

    price: float
    base: float
    contributions: list[Contribution]
    columns: list[Contribution]
    comparables: list[Comparable]
    sentence: str
    prices: dict[str, Any] | None
    intervals: dict[str, list[float]]
    confidence: dict[str, Any] | None
    warnings: list[str]


def explain(bundle: Bundle, listing: Listing) -> Explanation:
    """Explain the price that ``bundle.predict_one`` gives the listing."""
    effects = bundle.log_effects(listing)
    price, base, dollars = _to_dollars(effects)
    row = ["missing" if v != v else f"{v:.4g}" for v in effects.features.tolist()]
    names, of_column = _names(len(row))
    written = [_value(column, listing) for column in _COLUMNS]
    values = [*row, *map(written.__getitem__, _COLUMN_OF_TERM)]
    by_column = np.bincount(of_column, weights=dollars)
    columns = _sorted(_COLUMNS, written, by_column.tolist())
    return Explanation(
        price,
        base,
        _sorted(names, values, dollars.tolist()),
        columns,
        effects.comparables,
        _sentence(price, base, columns),
        effects.prediction["prices"],
        effects.prediction["intervals"],
        effects.prediction["confidence"],
        effects.prediction["warnings"],
    )


@cache
def _names(features: int) -> tuple[tuple[str, ...], Array]:
    """The names of what contributes, and the place of their columns in _COLUMNS, for a bundle with
    so many features: older bundles lack the last ones."""
    contributing = (*FEATURES[:features], *_TERMS)
    places = np.array([_COLUMNS.index(feature.column) for feature in contributing])
    return tuple(feature.name for feature in contributing), places


def _to_dollars(effects: LogEffects) -> tuple[float, float, Array]:
    """The price, the base price and the contributions [len(FEATURES) + len(TERMS) + 1]."""
    logs = np.concatenate(
        [effects.of_trees + effects.of_premiums, effects.of_terms, [effects.of_support]]
    )
    price, base = math.exp(effects.log_price), math.exp(effects.base)
    total = float(logs.sum())
    dollars = logs * base * (math.expm1(total) / total if total else 1.0)
    size = float(np.abs(dollars).sum())
    if size == 0:
        return price, price, dollars
    # The engine sums in 32 bits. The rounding error is distributed by size, so the sum is exact.
    return price, base, dollars + (price - base - float(dollars.sum())) * np.abs(dollars) / size


def _sorted(
    names: Sequence[str], values: Sequence[str], dollars: Sequence[float]
) -> list[Contribution]:
    """By size, and by name where two are equal."""
    ranked = sorted(zip([-abs(amount) for amount in dollars], names, values, dollars, strict=True))
    return [Contribution(name, value, amount) for _, name, value, amount in ranked]


def _value(column: str, listing: Listing) -> str:
    if column == "place":
        names = [value for name in PLACE if (value := getattr(listing, name)) is not None]
        return ", ".join(names) or "not given"
    if column == "comparables":
        return "nearby"
    value = getattr(listing, column)
    if value is None:
        return "not given"
    acres = " acre" if value == 1 else " acres"
    unit = {"house_size": " sq ft", "acre_lot": acres}.get(column, "")
    return value if isinstance(value, str) else f"{value:,.10g}{unit}"


def _sentence(price: float, base: float, columns: list[Contribution]) -> str:
    named = [c for c in columns[:_NAMED_IN_SENTENCE] if round(abs(c.dollars)) > 0]
    rest = price - base - sum(c.dollars for c in named)
    clauses = [f"{_NAMES[c.feature]} ({c.value}) {_moves(c.dollars)}" for c in named]
    if round(abs(rest)) > 0:
        clauses.append(f"everything else {_moves(rest)}")
    listed = " and ".join([", ".join(clauses[:-1]), clauses[-1]] if len(clauses) > 1 else clauses)
    from_base = f"Priced at ${price:,.0f}, starting from a base of ${base:,.0f}"
    return f"{from_base}: {listed}." if clauses else f"{from_base}."


def _moves(dollars: float) -> str:
    return f"{'adds' if dollars >= 0 else 'takes off'} ${abs(dollars):,.0f}"
