"""The rows that a model is trained on, and how they are split.

Rows are sorted by a hash, so the order of arrival of the batches does not matter, and are split by
property. One property in ten is the permanent holdout, which is never trained on. The rest is in
slices: the errors in each, of a model of the others, are those on unseen properties. The first one
also determines the number of rounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array
from tasador.errors import TrainingError
from tasador.listings.arrays import Columns
from tasador.listings.listing import MARKET_PRICE
from tasador.listings.table import columns_of
from tasador.progress import Progress
from tasador.training.holdout import holdout_mask
from tasador.training.sampling import place_of

if TYPE_CHECKING:
    import pandas as pd


LEAST_ROWS = 200
# Every split is by property; with fewer of them one side of a split may be empty.
LEAST_PROPERTIES = 50
_SHOWN = 5
_PROPERTY = ("street", "city", "zip_code")
_FOLDS = 5
# Parts of the properties: the errors in each are those of a model of the others.
_SLICES = 5
# 16 bytes; makes the training splits independent of the holdout's hash.
_SPLIT_KEY = "tasador.splits.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The usable training rows, sorted by hash, and how they are split.

    ``place`` [n] is a number in [0, 1) per property; every split is derived from it. ``left_out``
    counts the unused rows by reason. ``holdout`` is the frame of the permanent-holdout rows within
    MARKET_PRICE.
    """

    columns: Columns
    place: Array
    left_out: dict[str, int]
    holdout: pd.DataFrame
    data: dict[str, Any]
    states: list[str]

    @property
    def slices(self) -> Array:
        """The part of each row for the errors on unseen properties, int [n]."""
        return (self.place * _SLICES).astype(np.int64)

    @property
    def second_half(self) -> Array:
        """Which rows are in the second half of their slice, bool [n]."""
        return np.asarray((self.place * _SLICES) % 1 >= 0.5)

    @property
    def calibration(self) -> Array:
        """Which rows are not searched on, and determine the number of rounds, bool [n]."""
        return np.asarray(self.slices == 0)

    @property
    def folds(self) -> Array:
        """The fold of each row for out-of-fold encoding, int [n]."""
        return (self.place * 1e6).astype(np.int64) % _FOLDS


def prepare(
    frame: pd.DataFrame, *, share: float = 1.0, progress: Progress | None = None
) -> Prepared:
    """Select the usable rows of a frame (see ``tasador.listings.table``) and split them by
    property.

    Rows priced outside MARKET_PRICE and properties in the permanent holdout are left out and
    counted. A column without values is no problem. ``share``: of the properties, if the frame is a
    sample of them; it is recorded. Raises TrainingError if fewer than LEAST_ROWS
    or LEAST_PROPERTIES remain, or all prices are equal.
    """
    import pandas as pd

    if progress is not None:
        progress("prepare", 0.0, f"{len(frame):,} rows")
    low, high = MARKET_PRICE
    on_market = frame["price"].between(low, high).to_numpy(dtype=bool)
    held = holdout_mask(frame)
    _check_properties(frame)
    usable = frame[on_market & ~held]
    left_out = {
        "price outside the market": int((~on_market).sum()),
        "permanent holdout": int((on_market & held).sum()),
    }
    if len(usable) < LEAST_ROWS:
        reasons = ", ".join(f"{n:,} left out ({why})" for why, n in left_out.items() if n)
        raise TrainingError(
            f"only {len(usable):,} of {len(frame):,} rows can be trained on, "
            f"at least {LEAST_ROWS} are needed{': ' if reasons else ''}{reasons}"
        )
    if usable["price"].nunique() == 1:
        raise TrainingError(
            f"every one of the {len(usable):,} rows that can be trained on has the price "
            f"{usable['price'].iloc[0]:,.0f}: there is nothing to learn from them"
        )
    unsorted = columns_of(usable)
    row_hash = pd.util.hash_pandas_object(pd.DataFrame(unsorted), index=False).to_numpy()
    order = np.argsort(row_hash, kind="stable")
    columns = {name: values[order] for name, values in unsorted.items()}
    keys = usable["property_key"].to_numpy(dtype=object)[order]
    place = place_of(keys, _SPLIT_KEY)
    digest = hashlib.sha256(row_hash[order].astype("<u8").tobytes()).hexdigest()
    data: dict[str, Any] = {
        "rows": len(usable),
        "properties": len(np.unique(place)),
        "left_out": left_out,
        "fingerprint": digest,
        "batch_ids": sorted(set(frame["batch_id"])) if "batch_id" in frame else [],
    }
    if share < 1:
        data["share_of_properties"] = round(share, 6)
    if progress is not None:
        progress("prepare", 1.0, f"{len(usable):,} rows of {data['properties']:,} properties")
    return Prepared(
        columns=columns,
        place=place,
        left_out=left_out,
        holdout=frame[on_market & held],
        data=data,
        states=sorted({state for state in columns["state"] if state is not None}),
    )


def describe_refused(refused: Mapping[tuple[str, str], int]) -> str:
    """The most frequent reasons, by (field, reason), for the end of an error; "" without any."""
    shown = most_refused(refused)
    return f"; rows were refused before: {shown}" if shown else ""


def most_refused(refused: Mapping[tuple[str, str], int]) -> str:
    """The most frequent reasons, by (field, reason); "" without any."""
    most = sorted(refused.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    return ", ".join(f"{name} {reason} ({rows:,})" for (name, reason), rows in most)


def _check_properties(frame: pd.DataFrame) -> None:
    properties = frame["property_key"].nunique()
    if len(frame) < LEAST_ROWS or properties >= LEAST_PROPERTIES:
        return
    empty = [name for name in _PROPERTY if frame[name].isna().all()]
    why = f"; no row has a value of {' or '.join(empty)}" if empty else ""
    of = "one property" if properties == 1 else f"only {properties:,} properties"
    raise TrainingError(
        f"the {len(frame):,} rows are of {of}, at least {LEAST_PROPERTIES} are needed to train on "
        f"some and judge on others; street, city and zip_code identify a property{why}"
    )
