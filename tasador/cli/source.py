"""``tasador source``: serve batches with the course's API."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tasador.cli.console import console
from tasador.errors import ConfigurationError

app = typer.Typer(help="A source of batches that speaks the course's API.", no_args_is_help=True)


class Order(StrEnum):
    """How a CSV is cut into six batches."""

    course = "course"
    random = "random"


class Form(StrEnum):
    """How a row is sent: an object of values, or (older servers) a list of strings."""

    object = "object"
    list = "list"


@app.callback()
def _group() -> None:
    """Keep ``source`` a group while it has one command."""


@app.command()
def serve(
    csv: Annotated[
        Path | None, typer.Option(help="Kaggle's USA Real Estate CSV, or a .gz of it.")
    ] = None,
    simulate: Annotated[
        int | None, typer.Option(metavar="SEED", help="A simulated market from this seed.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="What happens to the simulated market.")] = "steady",
    order: Annotated[Order, typer.Option(help="By the course's rule, or evenly.")] = Order.course,
    form: Annotated[Form, typer.Option(help="How rows are sent.")] = Form.object,
    rows: Annotated[int | None, typer.Option(help="Rows of a simulated batch.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8000,
    every_seconds: Annotated[
        float, typer.Option(help="Hand out a new batch only this often (the course: 300).")
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
        on_ready=lambda url: console.print(f"serving batches at {url}", highlight=False),
    )
