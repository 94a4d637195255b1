"""Small real models, trained without a search."""

import shutil
from functools import cache

from tasador.listings.arrays import arrays_of
from tasador.listings.table import frame_of
from tasador.model import bundle_writer
from tasador.model.bundle import Bundle
from tasador.training import fitting, search, splits
from tasador.training.encoding import fit_all_rows
from tasador.training.rows import prepare_rows
from tests.kit.listings import simulated_listings
from tests.kit.once import written_once

# Results that a search might return: the defaults, and a model that is fitted at once.
DEFAULT = search.SearchResult(dict(search.KNOWN_GOOD), 0.0, [])
QUICK = search.SearchResult({**search.KNOWN_GOOD, "max_depth": 4, "eta": 0.3}, 0.0, [])


def train_bundle(frame, folder, search_result=QUICK):
    """Train on ``frame``, write the bundle to ``folder`` and load it."""
    fitting.write(fitting.fit(splits.prepare(frame), search_result), folder)
    return Bundle.load(folder)


@cache
def known_encoders():
    """Encoders fitted to ``known_listings``, when a test first needs them; must not be changed."""
    return fit_all_rows(prepare_rows(arrays_of(known_listings())))


@cache
def known_listings():
    """Eight hundred simulated listings."""
    return simulated_listings(800, seed=5)


def make_bundle(folder, *, version=3, rows=900, seed=7):
    """Write a bundle of simulated listings as the registered ``version``; returns its manifest."""

    def write(new):
        prepared = splits.prepare(frame_of(simulated_listings(rows, seed)))
        fitting.write(fitting.fit(prepared, QUICK, seed=seed), new)

    shutil.copytree(written_once(f"bundle-{rows}-{seed}", write), folder, dirs_exist_ok=True)
    return bundle_writer.stamp_version(folder, "tasador-price", version)
