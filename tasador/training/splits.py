"""The rows that a model is trained on, and how they are split.

Rows are put into an order of their own, so that the order in which batches arrived leaves no trace,
and are split by property: one in ten is the permanent holdout (never trained on), and of the rest a
slice says when to stop and how far off the prices of unseen properties are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array
from tasador.errors import TrainingError
from tasador.listings.arrays import Columns
from tasador.listings.listing import MARKET_PRICE, in_holdout
from tasador.listings.table import columns_of
from tasador.progress import Progress

if TYPE_CHECKING:
    import pandas as pd


LEAST_ROWS = 200
_FOLDS = 5
# Of the properties, so many say when to stop and how far off prices are.
CALIBRATION_SHARE = 0.15
# 16 bytes, so that the splits of training have nothing to do with the holdout's hash.
_SPLIT_KEY = "tasador.splits.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The usable training rows in their own order, and how they are split.

    ``place`` [n] is a number in [0, 1) by property, from which every split is taken. ``left_out``
    counts the rows that were not used, by reason. ``holdout`` is the frame of the rows within
    MARKET_PRICE whose property is in the permanent holdout.
    """

    columns: Columns
    place: Array
    left_out: dict[str, int]
    holdout: pd.DataFrame
    data: dict[str, Any]
    states: list[str]

    @property
    def calibration(self) -> Array:
        """Which rows are held back to stop and to calibrate, bool [n]."""
        return self.place < CALIBRATION_SHARE

    @property
    def folds(self) -> Array:
        """The fold of each row for encoding, int [n]."""
        return (self.place * 1e6).astype(np.int64) % _FOLDS


def prepare(frame: pd.DataFrame, *, progress: Progress | None = None) -> Prepared:
    """Choose the usable rows of a frame (see ``tasador.listings.table``) and split them by
    property.

    Rows priced outside MARKET_PRICE and properties in the permanent holdout are left out and
    counted. Raises TrainingError when fewer than LEAST_ROWS are left.
    """
    import pandas as pd

    if progress is not None:
        progress("prepare", 0.0, f"{len(frame):,} rows")
    low, high = MARKET_PRICE
    on_market = frame["price"].between(low, high).to_numpy(dtype=bool)
    if "holdout" in frame:
        held = frame["holdout"].to_numpy(dtype=bool)
    else:
        held = np.array([in_holdout(key) for key in frame["property_key"]], dtype=bool)
    usable = frame[on_market & ~held]
    left_out = {
        "price outside the market": int((~on_market).sum()),
        "permanent holdout": int((on_market & held).sum()),
    }
    if len(usable) < LEAST_ROWS:
        told = ", ".join(f"{count:,} left out ({why})" for why, count in left_out.items())
        raise TrainingError(
            f"only {len(usable):,} of {len(frame):,} rows can be trained on, "
            f"at least {LEAST_ROWS} are needed: {told}"
        )
    plain = pd.DataFrame(columns_of(usable))
    row_hash = pd.util.hash_pandas_object(plain, index=False).to_numpy()
    order = np.argsort(row_hash, kind="stable")
    columns = {name: values[order] for name, values in columns_of(plain).items()}
    keys = usable["property_key"].to_numpy(dtype=object)[order]
    key_hash = pd.util.hash_array(keys, hash_key=_SPLIT_KEY, categorize=False)
    digest = hashlib.sha256(row_hash[order].astype("<u8").tobytes()).hexdigest()
    data: dict[str, Any] = {
        "rows": len(usable),
        "properties": len(np.unique(key_hash)),
        "left_out": left_out,
        "fingerprint": digest,
        "batch_ids": sorted(set(frame["batch_id"])) if "batch_id" in frame else [],
    }
    if progress is not None:
        progress("prepare", 1.0, f"{len(usable):,} rows of {data['properties']:,} properties")
    return Prepared(
        columns=columns,
        place=(key_hash >> np.uint64(11)) / 2.0**53,
        left_out=left_out,
        holdout=frame[on_market & held],
        data=data,
        states=sorted({state for state in columns["state"] if state is not None}),
    )
