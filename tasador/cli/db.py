"""Commands for the warehouse's database."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from tasador.errors import ConfigurationError
from tasador.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(help="Maintain the warehouse's database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep ``db`` a group although it has only one command."""


@app.command()
def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many would be deleted.")
    ] = False,
) -> None:
    """Delete recorded predictions that are older than TASADOR_KEEP_PREDICTIONS_DAYS.

    The summary still counts them, and reviews keep their copies. Safe to repeat and to interrupt.
    """
    settings = require_running(Settings.load(), "database_url")
    days = settings.keep_predictions_days
    if not days:
        raise ConfigurationError(
            "TASADOR_KEEP_PREDICTIONS_DAYS is 0, which keeps every prediction: set it to a number "
            "of days"
        )
    from tasador.clock import now
    from tasador.warehouse.warehouse import Warehouse

    before = now() - timedelta(days=days)
    with Warehouse(settings.database_url) as warehouse:
        if dry_run:
            count, what = warehouse.count_predictions(before), "would be deleted"
        else:
            count, what = 0, "deleted"
            while deleted := warehouse.delete_predictions(before):
                count += deleted
    typer.echo(f"{count:,} predictions from before {before:%Y-%m-%d %H:%M} UTC {what}")
