"""The batch source: a client of the course's API, and a server that speaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tasador.errors import ConfigurationError
from tasador.source.client import FetchedBatch, SourceClient
from tasador.source.payload import rows

if TYPE_CHECKING:
    from tasador.source.course import Order
    from tasador.source.stored import Form

__all__ = ["FetchedBatch", "SourceClient", "rows", "serve_source"]


def serve_source(
    *,
    csv: Path | None = None,
    simulate: int | None = None,
    scenario: str = "steady",
    order: Order = "course",
    form: Form = "object",
    host: str = "127.0.0.1",
    port: int = 0,
    every_seconds: float = 0.0,
    rows: int | None = None,
    on_ready: Callable[[str], object] = lambda url: None,
) -> None:
    """Serve the six batches of a CSV, or of a market simulated from a seed, until a signal comes.

    ``rows`` is the size of a simulated batch (the scenario's own by default); ``on_ready`` gets the
    URL once it answers. Raises TasadorError for a file, scenario or address that cannot be used.
    """
    # The server's packages are no part of the images that only fetch batches.
    from tasador.source.course import cut
    from tasador.source.scenarios import BATCHES
    from tasador.source.server import build_app, serve
    from tasador.source.simulator import generate
    from tasador.source.stored import StoredBatch

    if csv is not None and simulate is None:
        batches = cut(csv, order, form).batches
    elif simulate is not None and csv is None:
        batches = tuple(
            StoredBatch.of(generate(simulate, scenario, number, rows), form)
            for number in range(BATCHES)
        )
    else:
        raise ConfigurationError("give either a CSV file or a seed to simulate a market from")
    try:
        serve(build_app(batches, every_seconds=every_seconds), host, port, on_ready)
    finally:
        for batch in batches:
            batch.close()
