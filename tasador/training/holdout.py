"""The rows that champion and challenger are compared on.

They are the permanent-holdout rows of every clean batch known so far, whatever the challenger was
trained on, and those that the champion brings with it: its drift reference is a sample of its own
data, so that a platform whose batches are few or narrow (a new database, one state, cheap houses
alone) still judges on the country that the champion knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from tasador.listings.listing import COLUMNS, Listing, in_holdout, property_key
from tasador.listings.table import columns_of

if TYPE_CHECKING:
    import pandas as pd


def holdout_of(frames: Iterable[pd.DataFrame], kept: pd.DataFrame | None = None) -> pd.DataFrame:
    """The holdout rows of clean frames, and those of a champion's reference that they lack.

    ``frames`` have property_key and holdout (see ``tasador.listings.table``) and are read one at a
    time;
    ``kept`` has the twelve columns. A property that the frames hold is taken from them alone.
    """
    import pandas as pd

    parts = [frame[frame["holdout"].to_numpy(dtype=bool)] for frame in frames]
    if kept is not None:
        known = {key for part in parts for key in part["property_key"]}
        parts.append(_only_new(kept, known))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _only_new(kept: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    columns = columns_of(kept)
    parts = zip(columns["street"], columns["city"], columns["zip_code"], strict=True)
    keys = [property_key(Listing(street=s, city=c, zip_code=z)) for s, c, z in parts]
    wanted = np.array([key not in known and in_holdout(key) for key in keys], dtype=bool)
    rows = kept.loc[wanted, list(COLUMNS)].copy()
    rows["property_key"] = np.array(keys, dtype=object)[wanted]
    rows["holdout"] = True
    return rows
