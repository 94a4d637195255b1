"""What the model's benchmarks share: the rows they judge on, their models, the error measure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tasador.model.bundle import Bundle
from tasador.training import fitting, search, splits
from tasador.training.search_options import SearchOptions

Figures = dict[str, list[float]]
Log = Callable[[str], None]

_HELD_OUT = 0.1


def held_out(frame: pd.DataFrame, seed: int) -> np.ndarray:
    """Which rows are judged, bool [n]: one property in ten, sampled by ``seed``."""
    keys = frame["property_key"].to_numpy(dtype=object)
    place = pd.util.hash_array(keys, hash_key=f"model bench {seed:04d}", categorize=False) / 2.0**64
    return np.asarray(place < _HELD_OUT)


def median_error(actual: np.ndarray, predicted: np.ndarray) -> float:
    """The median of the relative errors."""
    return float(np.median(np.abs(predicted - actual) / actual))


def parameters(frame: pd.DataFrame, trials: int, seed: int) -> search.SearchResult:
    """Training parameters: known good ones if ``trials`` is 0, else those of a search."""
    if trials == 0:
        return search.SearchResult(dict(search.KNOWN_GOOD), 0.0, [])
    return fitting.search(splits.prepare(frame), SearchOptions(trials=trials, seed=seed))


def trained(frame: pd.DataFrame, folder: Path, *, trials: int = 0, seed: int = 0) -> Bundle:
    """A bundle trained on the frame's rows outside the holdout."""
    model = fitting.fit(splits.prepare(frame), parameters(frame, trials, seed), seed=seed)
    fitting.write(model, folder)
    return Bundle.load(folder)


def kept_figures(path: Path) -> dict[str, Figures]:
    """The figures that ``keep`` wrote, by their keys; none without the file."""
    found: dict[str, Figures] = json.loads(path.read_text()) if path.exists() else {}
    return found


def keep(path: Path | None, kept: dict[str, Figures], key: str, figures: Figures) -> None:
    """Add figures to ``kept`` and, with a ``path``, write all of them there."""
    kept[key] = figures
    if path is not None:
        written = path.with_suffix(".part")
        written.write_text(json.dumps(kept))
        written.replace(path)
