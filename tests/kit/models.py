"""Small real models, trained without a search."""

import fcntl
import os
import shutil
from pathlib import Path

from tasador.listings.table import frame_of
from tasador.model import bundle_writer
from tasador.model.bundle import Bundle
from tasador.training import fitting, search, splits
from tests.kit.checkout import RUN_FOLDER
from tests.kit.listings import simulated_listings

# Results that a search might return: the defaults, and a model that is fitted at once.
DEFAULT = search.SearchResult(dict(search.KNOWN_GOOD), 0.0, [])
QUICK = search.SearchResult({**search.KNOWN_GOOD, "max_depth": 4, "eta": 0.3}, 0.0, [])


def train_bundle(frame, folder, search_result=QUICK):
    """Train on ``frame``, write the bundle to ``folder`` and load it."""
    fitting.write(fitting.fit(splits.prepare(frame), search_result), folder)
    return Bundle.load(folder)


def make_bundle(folder, *, version=3, rows=900, seed=7):
    """Write a bundle of simulated listings as the registered ``version``; returns its manifest."""

    def write(new):
        prepared = splits.prepare(frame_of(simulated_listings(rows, seed)))
        fitting.write(fitting.fit(prepared, QUICK, seed=seed), new)

    shutil.copytree(written_once(f"bundle-{rows}-{seed}", write), folder, dirs_exist_ok=True)
    return bundle_writer.stamp_version(folder, "tasador-price", version)


def written_once(name, write):
    """The folder of this name, which ``write`` fills once for all processes of a test run."""
    folder = Path(os.environ[RUN_FOLDER]) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            new = folder.with_suffix(".new")
            write(new)
            new.rename(folder)
    return folder
