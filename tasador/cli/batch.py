"""Commands for batches: list them, and accept one whose feed broke."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.cli.output import print_json
from tasador.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(help="List batches, and accept one whose feed broke.", no_args_is_help=True)


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
    batch_id: Annotated[
        str, typer.Argument(help="Id of the batch, as `tasador batch list` shows.")
    ],
) -> None:
    """Use a batch although its feed broke.

    Drift judges it again, without the rules of a broken feed. Safe to repeat.
    """
    settings = require_running(Settings.load(), "database_url", "broker_url")
    from tasador.drift.verbs import accept as accept_batch

    batch = accept_batch(settings, batch_id)
    next_step = (
        "the drift flow judges it again"
        if settings.argo_events_url
        else f"`tasador pipeline` or `python flows/drift.py run --batch-id {batch_id}` judges it "
        "again"
    )
    typer.echo(f"batch {batch.batch_number} is accepted ({batch.rows_clean:,} rows); {next_step}")
