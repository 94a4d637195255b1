"""Listings as tables: read from CSV files, as pandas frames, and from frames to arrays.

A frame has the twelve columns of ``listing.COLUMNS`` plus ``property_key`` (str) and ``holdout``
(bool). pandas is imported where it is used, because serving imports this module without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasador.listings.arrays import Columns, arrays_of
from tasador.listings.csv_file import TableError, open_csv
from tasador.listings.listing import (
    COLUMNS,
    INPUTS,
    NUMBERS,
    FieldProblem,
    Listing,
    in_holdout,
    property_key,
    read_row,
)
from tasador.listings.rules import RULES
from tasador.listings.value_reader import read_value

if TYPE_CHECKING:
    import pandas as pd

_NUMERIC = frozenset({"price", *NUMBERS})
_CHUNK = 100_000


class Rejected(NamedTuple):
    """A row that training cannot use: its line in the file (the header is line 1) and why."""

    line: int
    problems: list[FieldProblem]


def read_csv(path: str | Path) -> tuple[pd.DataFrame, list[Rejected]]:
    """Read a Kaggle-style CSV (plain, .gz, or alone in a .zip) exactly as ingestion reads a batch.

    Returns the frame of accepted rows in the order of the file, and the rejected rows. A column
    that the file lacks is missing in each row, as ``brokered_by`` and ``street`` are in older
    editions; columns beyond the twelve are ignored. Raises TableError for a file that is not such a
    CSV, or has no price or no input.
    """
    import pandas as pd

    header, rows = open_csv(path, require=("price",))
    places = places_of(path, header)
    rejected: list[Rejected] = []

    def accepted() -> Iterator[Listing]:
        for line, values, _ in rows:
            if isinstance(values, FieldProblem):
                rejected.append(Rejected(line, [values]))
                continue
            listing, problems = read_row({name: values[place] for name, place in places})
            if problems:
                rejected.append(Rejected(line, problems))
            else:
                yield listing

    listings = accepted()
    frames = []
    while chunk := list(islice(listings, _CHUNK)):
        frames.append(frame_of(chunk))
    if not frames:
        return frame_of([]), rejected
    return pd.concat(frames, ignore_index=True), rejected


def places_of(path: str | Path, header: Sequence[str]) -> list[tuple[str, int]]:
    """The columns of a listing that a CSV has, and the place of each in its rows.

    Raises TableError if it has no input of a listing.
    """
    if set(INPUTS).isdisjoint(header):
        raise TableError(
            f"{path} has none of the columns of a listing; its columns are "
            f"{', '.join(header)[:300]}, those of a listing are {', '.join(COLUMNS)}"
        )
    return [(name, place) for place, name in enumerate(header) if name in COLUMNS]


def frame_of(listings: Iterable[Listing]) -> pd.DataFrame:
    """The frame of the listings, in their order, with property_key and holdout."""
    import pandas as pd

    listings = list(listings)
    frame = pd.DataFrame(arrays_of(listings))
    keys = [property_key(listing) for listing in listings]
    frame["property_key"] = np.array(keys, dtype=object)
    frame["holdout"] = np.array([in_holdout(key) for key in keys], dtype=bool)
    return frame


def read_again(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its texts read by the rules, whichever version of them wrote it.

    Older versions stored "TX" as another state than "Texas", and zip codes in other digits than
    0 to 9, at which training stops. A text that is refused today is missing. Codes stay unchanged:
    no reader depends on their form.
    """
    for rule in RULES:
        if rule.kind in ("number", "code") or rule.column not in frame:
            continue
        column = frame[rule.column]
        read = {text: read_value(rule.column, text)[0] for text in column.dropna().unique()}
        changed = {text: value for text, value in read.items() if value != text}
        if changed:
            values = column.astype(object)
            found = values.isin(list(changed))
            frame[rule.column] = values.where(~found, values.map(changed))
    return frame


def columns_of(frame: pd.DataFrame) -> Columns:
    """The frame's twelve columns as arrays; every value of an absent column is missing.

    Rows with the same text share one object: a text for each row would take several times the
    frame's memory.
    """
    import pandas as pd

    columns: Columns = {}
    for name in COLUMNS:
        if name not in frame:
            rows = len(frame)
            columns[name] = (
                np.full(rows, np.nan) if name in _NUMERIC else np.full(rows, None, dtype=object)
            )
        elif name in _NUMERIC:
            columns[name] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            codes, texts = pd.factorize(frame[name])
            # The code of a missing one is -1, the last place.
            columns[name] = np.array([*texts, None], dtype=object)[codes]
    return columns
