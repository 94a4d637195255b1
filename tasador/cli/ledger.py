"""The command that shows what each version said of the next batches."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.cli.output import print_json
from tasador.machine.reachable import require_running
from tasador.settings import Settings


def ledger(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest verdicts to read.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show each version's error on the batches after its training.

    The other error is that on the permanent holdout, which the version was promoted with.
    """
    settings = require_running(Settings.load(), "database_url")
    from tasador.warehouse.ledger import read_ledger
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        entries = read_ledger(warehouse, settings.model_name, limit)
    if json:
        print_json(entries)
        return
    from tasador.cli.console import console
    from tasador.cli.tables import ledger_report

    console.print(ledger_report(entries))


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(ledger)
