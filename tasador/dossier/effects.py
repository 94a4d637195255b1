"""The effects of columns and features on the prices of a holdout sample, by exact Tree-SHAP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import COLUMNS, NUMBERS, Listing
from tasador.listings.table import columns_of
from tasador.model.contributions import explain

if TYPE_CHECKING:
    import pandas as pd

    from tasador.model.bundle import Bundle


# An exact explanation takes about ten milliseconds; more dots would only overlap.
_LISTINGS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The effects of each column and feature on each sampled listing, as shares of its price.

    ``columns`` and ``features`` map a name to [listings]; ``values`` maps a
    numeric column to its values (NaN = missing).
    """

    columns: dict[str, Array]
    features: dict[str, Array]
    values: dict[str, Array]


def effects_of(bundle: Bundle, holdout: pd.DataFrame, seed: int = 0) -> Effects:
    """Explain a random sample of the holdout's rows."""
    picked = np.random.default_rng(seed).permutation(len(holdout))[:_LISTINGS]
    columns = columns_of(holdout.iloc[np.sort(picked)])
    by_column: dict[str, list[float]] = {}
    by_feature: dict[str, list[float]] = {}
    for row in range(len(picked)):
        explanation = explain(bundle, _listing(columns, row))
        for parts, into in (
            (explanation.columns, by_column),
            (explanation.contributions, by_feature),
        ):
            for part in parts:
                into.setdefault(part.feature, []).append(part.dollars / explanation.price)
    return Effects(
        columns=_by_size(by_column),
        features=_by_size(by_feature),
        values={name: columns[name] for name in NUMBERS},
    )


def _by_size(effects: dict[str, list[float]]) -> dict[str, Array]:
    arrays = {name: np.array(values) for name, values in effects.items()}
    return dict(sorted(arrays.items(), key=lambda item: -float(np.abs(item[1]).mean())))


def _listing(columns: dict[str, Array], row: int) -> Listing:
    values: dict[str, Any] = {}
    for name in COLUMNS:
        value = columns[name][row]
        if name == "price" or value is None or value != value:
            continue
        values[name] = value if isinstance(value, str) else float(value)
    return Listing(**values)
