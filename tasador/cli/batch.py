"""Commands for batches: list them, accept one whose feed broke, skip or retry one that fails."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.cli.acting import acting
from tasador.cli.output import print_json
from tasador.machine.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(
    help="List batches, accept one whose feed broke, skip or retry one that fails.",
    no_args_is_help=True,
)

BatchId = Annotated[str, typer.Argument(help="Id of the batch, as `tasador batch list` shows.")]


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the ingested batches, oldest first, with their newest verdict."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        batches = warehouse.batches()
        verdicts = warehouse.newest_verdicts()
    if json:
        print_json([{"batch": b, "verdict": verdicts.get(b.batch_id)} for b in batches])
        return
    from tasador.cli.console import console
    from tasador.cli.tables import batches_report

    console.print(batches_report(batches, verdicts))


@app.command()
def accept(
    batch_id: BatchId,
) -> None:
    """Use a batch although its feed broke.

    Drift judges it again, without the rules of a broken feed. Safe to repeat.
    """
    settings = require_running(Settings.load(), "database_url", "broker_url")
    from tasador.drift.verbs import accept as accept_batch

    with acting(settings, "batch accept", batch_id):
        batch = accept_batch(settings, batch_id)
    next_step = (
        "the drift flow judges it again"
        if settings.argo_events_url
        else f"`tasador pipeline` or `python flows/drift.py run --batch-id {batch_id}` judges it "
        "again"
    )
    typer.echo(f"batch {batch.batch_number} is accepted ({batch.rows_clean:,} rows); {next_step}")


@app.command()
def skip(batch_id: BatchId) -> None:
    """Set a batch aside whose ingestion fails, so that the ones after it are ingested.

    Its payload is kept. Safe to repeat.
    """
    settings = require_running(Settings.load(), "database_url")
    from tasador.ingestion import verbs

    with acting(settings, "batch skip", batch_id):
        batch = verbs.skip(settings, batch_id)
    typer.echo(f"batch {batch.batch_number} is set aside; its payload stays at {batch.raw_uri}")


@app.command()
def retry(batch_id: BatchId) -> None:
    """Try a batch again that was set aside: the next run of ingestion reads its stored payload."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.ingestion import verbs

    with acting(settings, "batch retry", batch_id):
        batch = verbs.retry(settings, batch_id)
    typer.echo(
        f"batch {batch.batch_number} is tried again by `tasador pipeline` or "
        "`python flows/ingest.py run`"
    )
