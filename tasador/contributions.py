"""Why a price: exact Tree-SHAP contributions of one listing, in dollars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tasador.bundle import Bundle
from tasador.listing import Listing


class Contribution(NamedTuple):
    """What one feature adds to (or takes off) the price, in dollars; ``value`` is for people."""

    feature: str
    value: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A price taken apart: ``base`` + the sum of ``contributions`` = ``price`` (dollars).

    ``contributions`` is by model feature and ``columns`` the same grouped by listing column; both
    are sorted by the size of their effect.
    """

    price: float
    base: float
    contributions: list[Contribution]
    columns: list[Contribution]
    sentence: str


def explain(bundle: Bundle, listing: Listing) -> Explanation:
    """Explain the price that ``bundle.predict_one`` gives the listing."""
    raise NotImplementedError
