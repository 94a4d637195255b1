"""The permanent holdout: the rows that champion and challenger are compared on.

These are the permanent-holdout rows of all clean batches so far, whatever the challenger was
trained on, and those in the champion's drift reference, which is a sample of the champion's own
data. So a platform with few or narrow batches (a new database, one state, only cheap houses) still
judges on all the states that the champion was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from tasador.listings.listing import COLUMNS, Listing, in_holdout, property_key
from tasador.listings.table import columns_of

if TYPE_CHECKING:
    import pandas as pd

NEWEST = "newest_batch"


def holdout_of(frames: Iterable[pd.DataFrame], kept: pd.DataFrame | None = None) -> pd.DataFrame:
    """The holdout rows of clean frames, and those of a champion's reference that the frames lack.

    ``frames``, oldest batch first, have property_key and holdout (see ``tasador.listings.table``)
    and are read one at a time; ``kept`` has the twelve columns. The column NEWEST says which rows
    are of the last frame. A property in the frames is taken from the frames only.
    """
    import pandas as pd

    parts = [frame[frame["holdout"].to_numpy(dtype=bool)] for frame in frames]
    parts = [part.assign(**{NEWEST: part is parts[-1]}) for part in parts]
    if kept is not None:
        known = {key for part in parts for key in part["property_key"]}
        parts.append(_only_new(kept, known))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def holdout_mask(frame: pd.DataFrame) -> np.ndarray:
    """Which rows are in the permanent holdout, bool [n]; computed if there is no such column."""
    if "holdout" in frame:
        return np.asarray(frame["holdout"], dtype=bool)
    return np.array([in_holdout(key) for key in frame["property_key"]], dtype=bool)


def _only_new(kept: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    columns = columns_of(kept)
    parts = zip(columns["street"], columns["city"], columns["zip_code"], strict=True)
    keys = [property_key(Listing(street=s, city=c, zip_code=z)) for s, c, z in parts]
    wanted = np.array([key not in known and in_holdout(key) for key in keys], dtype=bool)
    rows = kept.loc[wanted, list(COLUMNS)].copy()
    rows["property_key"] = np.array(keys, dtype=object)[wanted]
    rows["holdout"] = True
    rows[NEWEST] = False
    return rows
