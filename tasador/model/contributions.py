"""Why a price: exact contributions of one listing, in dollars.

A price is a local regression, whose terms are its contributions as they stand, corrected by trees,
whose contributions are the exact Tree-SHAP values. Both add up in log price. Going from the base
price to the listing's price along a straight line in log price, and giving every feature its share
of each step (Aumann and Shapley), makes them dollars that add up to the price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tasador.listings.listing import Listing
from tasador.model.bundle import Bundle
from tasador.model.comparables import Comparable
from tasador.model.features import FEATURES, PLACE, TERMS

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
_TOLD = 3


class Contribution(NamedTuple):
    """What one feature adds to (or takes off) the price, in dollars; ``value`` is for people."""

    feature: str
    value: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A price taken apart: ``base`` + the sum of ``contributions`` = ``price`` (dollars).

    ``contributions`` is by model feature (and, named ``local_...``, by term of the local
    regression) and ``columns`` the same grouped by listing column (city, state and zip code
    together are "place", what like listings nearby cost is "comparables"); both are sorted by the
    size of their effect. ``comparables`` are those listings, the most alike first.
    """

    price: float
    base: float
    contributions: list[Contribution]
    columns: list[Contribution]
    comparables: list[Comparable]
    sentence: str


def explain(bundle: Bundle, listing: Listing) -> Explanation:
    """Explain the price that ``bundle.predict_one`` gives the listing."""
    found = bundle.log_effects(listing)
    effects = np.concatenate([found.of_trees, found.of_terms])
    price, base = math.exp(found.log_price), math.exp(found.base)
    total = float(effects.sum())
    dollars = effects * base * (math.expm1(total) / total if total else 1.0)
    # The engine sums in 32 bits; what that leaves is shared out by size, so that the sum is exact.
    size = float(np.abs(dollars).sum())
    if size > 0:
        dollars = dollars + (price - base - float(dollars.sum())) * np.abs(dollars) / size
    else:
        base = price
    values = ["missing" if math.isnan(v) else f"{v:.4g}" for v in found.features.tolist()]
    parts = [*FEATURES, *(term._replace(name=f"local_{term.name}") for term in TERMS)]
    told = [*values, *(_value(term.column, listing) for term in TERMS)]
    by_feature = [
        Contribution(part.name, value, amount)
        for part, value, amount in zip(parts, told, dollars.tolist(), strict=True)
    ]
    by_column: dict[str, float] = {}
    for part, moved in zip(parts, by_feature, strict=True):
        by_column[part.column] = by_column.get(part.column, 0.0) + moved.dollars
    columns = _sorted(
        [Contribution(name, _value(name, listing), amount) for name, amount in by_column.items()]
    )
    return Explanation(
        price,
        base,
        _sorted(by_feature),
        columns,
        found.comparables,
        _sentence(price, base, columns),
    )


def _sorted(contributions: list[Contribution]) -> list[Contribution]:
    return sorted(contributions, key=lambda part: (-abs(part.dollars), part.feature))


def _value(column: str, listing: Listing) -> str:
    if column == "place":
        parts = [value for name in PLACE if (value := getattr(listing, name)) is not None]
        return ", ".join(parts) or "not given"
    if column == "comparables":
        return "nearby"
    value = getattr(listing, column)
    if value is None:
        return "not given"
    unit = {"house_size": " sq ft", "acre_lot": " acres"}.get(column, "")
    return value if isinstance(value, str) else f"{value:,.10g}{unit}"


def _sentence(price: float, base: float, columns: list[Contribution]) -> str:
    told = [part for part in columns[:_TOLD] if round(abs(part.dollars)) > 0]
    rest = price - base - sum(part.dollars for part in told)
    parts = [f"{_NAMES[part.feature]} ({part.value}) {_moves(part.dollars)}" for part in told]
    if round(abs(rest)) > 0:
        parts.append(f"everything else {_moves(rest)}")
    listed = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    from_base = f"Priced at ${price:,.0f}, starting from a base of ${base:,.0f}"
    return f"{from_base}: {listed}." if parts else f"{from_base}."


def _moves(dollars: float) -> str:
    return f"{'adds' if dollars >= 0 else 'takes off'} ${abs(dollars):,.0f}"
