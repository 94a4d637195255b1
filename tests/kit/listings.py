"""Simulated listings: raw rows as a source sends them, parsed ones, and frames of them."""

from tasador.listings.listing import read_row
from tasador.listings.table import frame_of
from tasador.source.simulator import generate


def raw_batches(batches=3, rows=300, seed=5):
    """The raw rows of some batches, dirty and refused rows among them."""
    return [list(generate(seed, "steady", number, rows)) for number in range(batches)]


def simulated_listings(rows=900, seed=7, batch=0):
    """The listings of a batch, without the refused rows."""
    parsed = [read_row(raw) for raw in generate(seed, "steady", batch, rows)]
    return [listing for listing, problems in parsed if not problems]


def simulated_frame(rows, seed=3, batch=0):
    """The same as a frame."""
    return frame_of(simulated_listings(rows, seed, batch))
