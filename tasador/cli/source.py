"""``tasador source``: run a batch source that has the course's API."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tasador.errors import ConfigurationError

app = typer.Typer(help="Run a batch source that has the course's API.", no_args_is_help=True)


class Order(StrEnum):
    """How a CSV is split into six batches."""

    course = "course"
    random = "random"


class Form(StrEnum):
    """How a row is sent: as an object or, like older servers, as a list of strings."""

    object = "object"
    list = "list"


@app.callback()
def _group() -> None:
    """Keep ``source`` a group although it has only one command."""


@app.command()
def serve(
    csv: Annotated[
        Path | None, typer.Option(help="Kaggle's USA Real Estate CSV (.csv, .csv.gz or .zip).")
    ] = None,
    simulate: Annotated[
        int | None, typer.Option(metavar="SEED", help="Simulate a market from this seed.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="How the simulated market changes.")] = "steady",
    order: Annotated[
        Order, typer.Option(help="Split the CSV by the course's rule, or at random.")
    ] = Order.course,
    form: Annotated[Form, typer.Option(help="Send rows as objects or as lists.")] = Form.object,
    rows: Annotated[int | None, typer.Option(help="Rows per simulated batch.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8000,
    every_seconds: Annotated[
        float, typer.Option(help="Minimum seconds between two batches (the course: 300).")
    ] = 0.0,
) -> None:
    """Serve six batches: GET /data, /restart_data_generation and /health."""
    from tasador.source.verbs import serve_source

    if (csv is None) == (simulate is None):
        raise ConfigurationError("give either --csv FILE or --simulate SEED")
    serve_source(
        csv=csv,
        simulate=simulate,
        scenario=scenario,
        order=order.value,
        form=form.value,
        rows=rows,
        host=host,
        port=port,
        every_seconds=every_seconds,
        on_ready=lambda url: typer.echo(f"serving batches at {url}"),
    )
