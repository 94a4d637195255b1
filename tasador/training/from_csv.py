"""Training a bundle from a CSV file, without any service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasador.errors import TrainingError
from tasador.listings.listing import INPUTS
from tasador.listings.table import Rejected, read_csv
from tasador.machine.files import whole_folder
from tasador.model.bundle import Bundle
from tasador.model.manifest import Manifest
from tasador.progress import Progress
from tasador.settings import git_sha

if TYPE_CHECKING:
    import pandas as pd


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
    from tasador.training.search_options import SearchOptions
    from tasador.training.splits import describe_refused, prepare

    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} is not an empty folder: choose another one for the bundle")
    if progress is not None:
        progress("read", 0.0, str(csv_path))
    options = SearchOptions(trials=trials, seed=seed)
    frame, rejected = read_csv(csv_path)
    if progress is not None:
        progress("read", 1.0, describe_read(frame, rejected))
    try:
        with whole_folder(out, last="manifest.json") as part:
            prepared = prepare(frame, progress=progress)
            del frame  # its memory is needed for the fit
            model = fitting.train(prepared, options, progress=progress)
            fitting.write(model, part, git_sha=git_sha())
    except TrainingError as error:
        raise TrainingError(f"{csv_path}: {error}{describe_refused(_reasons(rejected))}") from error
    except OSError as error:
        raise TrainingError(f"the bundle {out} was not written: {error}") from error
    return Bundle.load(out).manifest


def describe_read(frame: pd.DataFrame, rejected: Sequence[Rejected]) -> str:
    """What was read from a CSV: accepted and rejected rows, why, and the inputs without a value."""
    from tasador.training.splits import most_refused

    reasons = most_refused(_reasons(rejected))
    empty = [name for name in INPUTS if len(frame) and frame[name].isna().all()]
    return (
        f"{len(frame):,} rows, {len(rejected):,} rejected{reasons and f' ({reasons})'}"
        f"{'; no row has a value of ' + ', '.join(empty) if empty else ''}"
    )


def _reasons(rejected: Sequence[Rejected]) -> Counter[tuple[str, str]]:
    return Counter((p.field, p.reason) for row in rejected for p in row.problems)
