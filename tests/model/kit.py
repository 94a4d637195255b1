"""Listings and models for the tests of the model core; the listings are the simulator's."""

import os
from pathlib import Path

from tasador.listings.listing import read_row
from tasador.listings.table import frame_of
from tasador.model.bundle import Bundle
from tasador.source.simulator import generate
from tasador.training import fitting, splits, study

# What a search might have found: the defaults, and a model that is fitted in no time.
DEFAULT = study.Search(dict(study.KNOWN_GOOD), 0.0, [])
QUICK = study.Search({**study.KNOWN_GOOD, "max_depth": 4, "eta": 0.3}, 0.0, [])


def simulated(rows, seed=3, batch=0):
    """Clean simulated listings as a frame; refused rows are left out."""
    read = [read_row(raw) for raw in generate(seed, "steady", batch, rows)]
    return frame_of([listing for listing, problems in read if not problems])


def bundle_of(frame, folder, found=QUICK):
    """A written and loaded bundle, trained without a search."""
    fitting.write(fitting.fit(splits.prepare(frame), found), folder)
    return Bundle.load(folder)


def dev_listings():
    """The real listings for development, or None where this machine has none."""
    given = os.environ.get("TASADOR_LISTINGS_CSV")
    beside = Path(__file__).parents[3] / "shared" / "data" / "listings-dev.csv.gz"
    path = Path(given) if given else beside
    return path if path.is_file() else None
