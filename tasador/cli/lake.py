"""Commands for the Iceberg table of clean listings."""

from __future__ import annotations

import typer

from tasador.machine.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(
    help="The clean listings as an Iceberg table for Spark, Trino and DuckDB.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Keep ``sync`` a command of its group, although it is the only one."""


@app.command()
def sync() -> None:
    """Add the files of newly ingested batches to the Iceberg table clean.listings.

    Copies nothing. Safe to repeat, to interrupt and to run twice at once.
    """
    settings = require_running(Settings.load(), "database_url", "s3_endpoint")
    from tasador.operations.lake_table import TABLE
    from tasador.operations.lake_table import sync as add_files

    done = add_files(settings)
    if not done.metadata:
        typer.echo("there is no table yet: no batch with clean rows was ingested")
        return
    typer.echo(
        f"{done.added:,} files added: {TABLE} has {done.rows:,} rows in {done.files:,} files"
    )
    typer.echo(f"metadata: {done.metadata}")
