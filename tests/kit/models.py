"""Small real models, trained without a search."""

import shutil

from tasador.listings.table import frame_of
from tasador.model import bundle_writer
from tasador.model.bundle import Bundle
from tasador.training import fitting, search, splits
from tests.kit.listings import simulated_listings
from tests.kit.once import written_once

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
