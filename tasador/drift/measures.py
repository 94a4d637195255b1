"""The columns that drift is measured on, on scales where distances are meaningful.

Amounts are compared as log(1 + x). Otherwise one estate of 200 million dollars or 100,000 acres
would stretch the scale until everything else fell into one bin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasador.errors import TasadorError
from tasador.listings.listing import COLUMNS, INPUTS, MARKET_PRICE

if TYPE_CHECKING:
    import pandas as pd

AMOUNTS = ("price", "house_size", "acre_lot", "bed", "bath")
RATIO = "price_ratio"  # log(price / the champion's prediction)
PREDICTED = "predicted"  # the champion's price, dollars
ANSWER = "answer"  # log(the champion's price), compared if there is no label
CATEGORIES = ("status", "state", "zip_area")
BROKER = "brokered_by"
MOVED_BROKERS = 10  # how many brokers are "a few"
_FEWEST_OF_KIND = 30  # rows of the reference
_LAND = " land"
_EDGES = (0.2, 0.4, 0.6, 0.8)  # quantiles of lots and prices
_MIXTURE_STEPS = 100


class DriftError(TasadorError):
    """Drift could not be judged: the input is not a batch or reference, or a detector failed."""


def measures_of(frame: pd.DataFrame, predicted: np.ndarray) -> pd.DataFrame:
    """The measured columns of the rows, in their order.

    AMOUNTS, RATIO, ANSWER, CATEGORIES, PREDICTED. ``predicted`` [n] is in dollars, NaN for a row
    without a prediction. RATIO is NaN there, and for a price that is unknown or outside
    MARKET_PRICE, where the model makes no claim.
    """
    import pandas as pd

    absent = np.full(len(frame), np.nan)
    numbers = {
        name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) if name in frame else absent
        for name in AMOUNTS
    }
    measured: dict[str, object] = {name: np.log1p(values) for name, values in numbers.items()}
    price = numbers["price"]
    priced = in_market(price) & np.isfinite(predicted) & (predicted > 0)
    ratio = np.full(len(frame), np.nan)
    ratio[priced] = np.log(price[priced] / predicted[priced])
    measured[RATIO] = ratio
    measured[ANSWER] = np.log(np.where(predicted > 0, predicted, np.nan))
    measured[PREDICTED] = predicted
    measured["status"] = _text(frame["status"])
    measured["state"] = _text(frame["state"])
    measured["zip_area"] = _text(
        frame["zip_code"].astype("str").str[:3].where(frame["zip_code"].notna())
    )
    return pd.DataFrame(measured)


def expected_missing(
    reference: pd.DataFrame, batch: pd.DataFrame, *, given_land: bool = False
) -> dict[str, float]:
    """How often each input is expected to be missing in the batch, given its mix of statuses.

    A sold home has a date of sale and one that is to be built has none, so a batch of sold homes
    only is another mix, not another rate. ``given_land`` also takes the share of land as given:
    listings without rooms and size, except those that have the lots and prices of homes. Kinds with
    few rows in the reference count as usual.
    """
    kinds, now = _kinds(reference, given_land), _kinds(batch, given_land)
    counts = kinds.value_counts()
    mix = now.value_counts() / max(len(now), 1)
    if given_land and (homes := _homes_without_rooms(reference, batch)):
        land = mix[[kind for kind in mix.index if kind.endswith(_LAND)]]
        mix = mix.sub(land * homes, fill_value=0)
        mix = mix.add((land * homes).rename(lambda kind: kind.removesuffix(_LAND)), fill_value=0)
    mix = mix[[kind for kind in mix.index if counts.get(kind, 0) >= _FEWEST_OF_KIND]]
    expected = {}
    for column in INPUTS:
        absent = reference[column].isna()
        usual = float(absent.mean())
        rates = absent.groupby(kinds).mean()
        known = sum(share * float(rates[kind]) for kind, share in mix.items())
        expected[column] = usual if column == "status" else known + (1 - float(mix.sum())) * usual
    return expected


def _kinds(frame: pd.DataFrame, given_land: bool) -> pd.Series:
    """The status of each row, and whether it is land; NaN without a status."""
    status = frame["status"].astype(object)
    return status.where(~_is_land(frame), status + _LAND) if given_land else status


def _is_land(frame: pd.DataFrame) -> pd.Series:
    land: pd.Series = frame[["bed", "bath", "house_size"]].isna().all(axis=1)
    return land


def _homes_without_rooms(reference: pd.DataFrame, batch: pd.DataFrame) -> float:
    """The share of the batch's land that are homes whose rooms and size were lost, at least.

    The lots and prices of its land are a mixture of those of the reference's land and homes. This
    is the share of homes of the greatest likelihood, by expectation and maximisation, less two
    standard errors.
    """
    was_land, is_land = _is_land(reference), _is_land(batch)
    if min(was_land.sum(), (~was_land).sum(), is_land.sum()) < _FEWEST_OF_KIND:
        return 0.0
    cells, cells_now = _cells(reference, reference), _cells(reference, batch[is_land])
    size = int(cells.max()) + 1
    land, home = (
        (np.bincount(cells[rows], minlength=size) + 0.5) / (rows.sum() + 0.5 * size)
        for rows in (was_land.to_numpy(), ~was_land.to_numpy())
    )
    counts = np.bincount(cells_now[cells_now < size], minlength=size)
    if not counts.sum():
        return 0.0
    share = 0.5
    for _ in range(_MIXTURE_STEPS):
        weights = share * home / (share * home + (1 - share) * land)
        share = float(counts @ weights / counts.sum())
    mixed = share * home + (1 - share) * land
    information = float(counts @ ((home - land) / mixed) ** 2)
    return max(share - 2 / np.sqrt(information), 0.0) if information else 0.0


def _cells(reference: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray:
    """The cell of each row in a grid of lots and prices with as many reference rows a column."""
    cells = np.zeros(len(frame), dtype=np.intp)
    for name in ("acre_lot", "price"):
        known = reference[name].to_numpy(dtype=np.float64, na_value=np.nan)
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        known = known[np.isfinite(known)]
        edges = np.unique(np.quantile(known, _EDGES)) if len(known) else known
        place = np.searchsorted(edges, values, side="right")
        cells = cells * (len(_EDGES) + 2) + np.where(np.isnan(values), len(_EDGES) + 1, place)
    return cells


def require_columns(frame: pd.DataFrame, what: str, columns: tuple[str, ...] = COLUMNS) -> None:
    """Raise DriftError unless the frame has these columns, by default a listing's twelve."""
    absent = [name for name in columns if name not in frame]
    if absent:
        raise DriftError(f"the {what} has no column {', '.join(absent)}")


def in_market(price: np.ndarray) -> np.ndarray:
    """Which prices (dollars) lie in the range that models are trained and judged on; bool [n]."""
    low, high = MARKET_PRICE
    inside: np.ndarray = (price >= low) & (price <= high)
    return inside


def _text(values: pd.Series) -> np.ndarray:
    column: np.ndarray = values.astype(object).where(values.notna(), None).to_numpy(dtype=object)
    return column
