"""Commands that pause and resume rollouts."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.cli.acting import acting
from tasador.cli.output import print_json
from tasador.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(help="Pause and resume rollouts, and show what serves.", no_args_is_help=True)


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why; shown by status, doctor and the web app.")],
    by: Annotated[str, typer.Option(help="Who; default: your user name.")] = "",
) -> None:
    """Stop rollouts: promotions wait, and traffic that was split by hand stays."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.rollout.pause import pause as pause_rollouts

    with acting(settings, "rollout pause", "", by=by, note=reason):
        paused = pause_rollouts(settings, reason, by)
    typer.echo(paused.message)


@app.command()
def resume(
    by: Annotated[str, typer.Option(help="Who; default: your user name.")] = "",
) -> None:
    """Continue with rollouts; the newest promotion is brought into service."""
    settings = require_running(Settings.load().require("broker_url"), "database_url")
    from tasador.rollout.pause import resume as resume_rollouts

    with acting(settings, "rollout resume", "", by=by):
        ended, announce_error = resume_rollouts(settings, by)
    typer.echo(
        f"rollouts continue; they were paused by {ended.paused_by} since "
        f"{ended.paused_at:%Y-%m-%d %H:%M} UTC ({ended.reason})"
    )
    if announce_error:
        typer.echo(f"{announce_error}: reload finds the newest promotion at its next check")


@app.command()
def status(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what serves, what is to serve, and whether rollouts are paused."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.rollout.status import read_status
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        found = read_status(warehouse, settings.model_name)
    if json:
        print_json(found)
        return
    for sentence in found.message.split("; "):
        typer.echo(sentence)
