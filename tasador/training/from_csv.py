"""Training a bundle from a CSV file and pricing a CSV file, without any service."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tasador.errors import TrainingError
from tasador.listings.arrays import arrays_of
from tasador.listings.listing import COLUMNS, INPUTS, FieldProblem, Listing, read_listing
from tasador.listings.table import TableError, open_csv, read_csv
from tasador.model.bundle import Bundle
from tasador.model.intervals import LEVELS
from tasador.model.manifest import Manifest
from tasador.progress import Progress
from tasador.settings import git_sha

OUTPUT = ("price", *(f"{end}{level}" for level in LEVELS for end in ("lo", "hi")), "missing")
_CHUNK = 20_000


def train_to_folder(
    csv_path: str | Path,
    out: str | Path,
    *,
    trials: int = 12,
    seed: int = 0,
    progress: Progress | None = None,
) -> Manifest:
    """Train on a CSV of listings and write the bundle into the folder ``out``.

    The same file, trials and seed give the same digest. Raises TrainingError if the folder is not
    empty or too few rows are usable, TableError for a bad file.
    """
    from tasador.training import fitting
    from tasador.training.search import SearchOptions

    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} is not an empty folder: choose another one for the bundle")
    if progress is not None:
        progress("read", 0.0, str(csv_path))
    frame, rejected = read_csv(csv_path)
    if progress is not None:
        progress("read", 1.0, f"{len(frame):,} rows, {len(rejected):,} rejected")
    model = fitting.train(frame, SearchOptions(trials=trials, seed=seed), progress=progress)
    # Write next to the target, then rename, so that the bundle appears complete.
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    fitting.write(model, part, git_sha=git_sha())
    if out.exists():
        out.rmdir()
    part.rename(out)
    return Bundle.load(out).manifest


def score_csv(
    bundle_folder: str | Path,
    csv_path: str | Path,
    out: str | Path,
    *,
    progress: Progress | None = None,
) -> int:
    """Price every row of a CSV in order; returns the number of rows.

    ``out`` gets one line per row: price and interval bounds in dollars, and ``missing``, the fields
    without a usable value joined by ";" (an unreadable value counts as missing). The price and
    columns other than a listing's are ignored. Raises TableError if the file is not a CSV of
    listings.
    """
    bundle = Bundle.load(bundle_folder)
    out = Path(out)
    header, rows = open_csv(csv_path)
    known = [name for name in header if name in INPUTS]
    if not known:
        raise TableError(
            f"{csv_path} has none of the columns of a listing; its columns are "
            f"{', '.join(header)[:300]}, those of a listing are {', '.join(COLUMNS)}"
        )
    places = [(name, header.index(name)) for name in known]

    def listings() -> Iterator[Listing]:
        for _, values in rows:
            if isinstance(values, FieldProblem):
                yield Listing()
            else:
                yield read_listing({name: values[place] for name, place in places})[0]

    done = 0
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    remaining = listings()
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(OUTPUT)
            while chunk := list(islice(remaining, _CHUNK)):
                predictions = bundle.predict(arrays_of(chunk))
                columns = [predictions.price]
                for level in LEVELS:
                    columns += [predictions.low[level], predictions.high[level]]
                dollars = zip(*(column.round(2).tolist() for column in columns), strict=True)
                writer.writerows(
                    (*row, ";".join(missing))
                    for row, missing in zip(dollars, predictions.missing, strict=True)
                )
                done += len(chunk)
                if progress is not None:
                    progress("score", 0.0, f"{done:,} rows")
        part.replace(out)
    except OSError as error:
        raise TableError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    if progress is not None:
        progress("score", 1.0, f"{done:,} rows")
    return done
