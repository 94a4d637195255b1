"""Listings as tables: read from CSV files, as pandas frames, and from frames to arrays.

A frame has the twelve columns of ``listing.COLUMNS`` plus ``property_key`` (str) and ``holdout``
(bool). pandas is imported where it is used, because serving imports this module without it.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasador.errors import TasadorError
from tasador.listings.arrays import Columns, arrays_of
from tasador.listings.listing import (
    COLUMNS,
    NUMBERS,
    FieldProblem,
    Listing,
    in_holdout,
    property_key,
    read_row,
)

if TYPE_CHECKING:
    import pandas as pd

_NUMERIC = frozenset({"price", *NUMBERS})
_CHUNK = 100_000


class TableError(TasadorError):
    """A file is not a table of listings; the message names the file, the place and the columns."""


class Rejected(NamedTuple):
    """A row that training cannot use: its line in the file (the header is line 1) and why."""

    line: int
    problems: list[FieldProblem]


def read_csv(path: str | Path) -> tuple[pd.DataFrame, list[Rejected]]:
    """Read a Kaggle-style CSV (or a .gz of one) exactly as ingestion reads a batch.

    Returns the frame of accepted rows in the order of the file, and the rejected rows.
    Columns beyond the twelve are ignored. Raises TableError for a file that is not such a CSV.
    """
    import pandas as pd

    header, rows = open_csv(path, require=COLUMNS)
    positions = [header.index(column) for column in COLUMNS]
    rejected: list[Rejected] = []

    def accepted() -> Iterator[Listing]:
        for line, values in rows:
            if isinstance(values, FieldProblem):
                rejected.append(Rejected(line, [values]))
                continue
            listing, problems = read_row([values[position] for position in positions])
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


def open_csv(
    path: str | Path, require: Sequence[str] = ()
) -> tuple[list[str], Iterator[tuple[int, list[str] | FieldProblem]]]:
    """Open a CSV with a header: its column names, and an iterator over (line, values).

    A row with more or fewer values than the header gives a FieldProblem instead of values. Raises
    TableError, naming the file, when it cannot be read or lacks a column of ``require``.
    """
    path = Path(path)
    rows = _lines(path)
    first = next(rows, None)
    if first is None:
        raise TableError(f"{path} is empty: a CSV with a header line is expected")
    header = [name.strip() for name in first[1]]
    absent = [name for name in require if name not in header]
    if absent:
        raise TableError(
            f"{path} has no column {', '.join(absent)}; its columns are {', '.join(header)[:300]}"
        )
    duplicates = sorted({name for name in header if name in COLUMNS and header.count(name) > 1})
    if duplicates:
        raise TableError(f"{path} has the column {', '.join(duplicates)} more than once")

    def read() -> Iterator[tuple[int, list[str] | FieldProblem]]:
        for line, values in rows:
            # A blank line is not a row, unless the table has one column and the value is missing.
            if not values and len(header) == 1:
                yield line, [""]
            elif len(values) == len(header):
                yield line, values
            elif values:
                reason = f"has {len(values)} values where the header has {len(header)}"
                yield line, FieldProblem("row", reason, ",".join(values)[:200])

    return header, read()


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    line = 1
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            binary = gzip.GzipFile(fileobj=raw) if zipped else raw
            with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
                reader = csv.reader(text)
                for values in reader:
                    yield line, values
                    line = reader.line_num + 1
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise TableError(f"{path} is a damaged .gz file: it breaks off near line {line}") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise TableError(f"{path} is not UTF-8 text: byte {byte:#x} after line {line}") from error
    except csv.Error as error:
        raise TableError(f"{path}, line {line}: {error}") from error


def frame_of(listings: Iterable[Listing]) -> pd.DataFrame:
    """The frame of the listings, in their order, with property_key and holdout."""
    import pandas as pd

    listings = list(listings)
    frame = pd.DataFrame(arrays_of(listings))
    keys = [property_key(listing) for listing in listings]
    frame["property_key"] = np.array(keys, dtype=object)
    frame["holdout"] = np.array([in_holdout(key) for key in keys], dtype=bool)
    return frame


def columns_of(frame: pd.DataFrame) -> Columns:
    """The frame's twelve columns as arrays; every value of an absent column is missing."""
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
            values = frame[name].astype(object)
            columns[name] = values.where(values.notna(), None).to_numpy(dtype=object)
    return columns
