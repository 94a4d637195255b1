"""``tasador source serve``: serve batches until a signal comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tasador.errors import ConfigurationError
from tasador.source.course import Order, split_csv
from tasador.source.scenarios import BATCHES
from tasador.source.server import build_app, serve
from tasador.source.simulator import generate
from tasador.source.stored import Form, StoredBatch


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

    ``rows`` is the size of a simulated batch (default: the scenario's). ``on_ready`` gets the URL
    once the server answers. Raises TasadorError for an unusable file, scenario or address.
    """
    if csv is not None and simulate is None:
        batches = split_csv(csv, order, form).batches
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
