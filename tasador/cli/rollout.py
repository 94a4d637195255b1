"""Commands that pause, resume and repeat rollouts, and let a version shadow what serves."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.cli.acting import By, acting
from tasador.cli.output import print_json
from tasador.machine.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(
    help="Pause, resume and retry rollouts, show what serves, let a version shadow it.",
    no_args_is_help=True,
)


@app.command()
def pause(
    reason: Annotated[str, typer.Option(help="Why; shown by status, doctor and the web app.")],
    by: By = "",
) -> None:
    """Stop rollouts: promotions wait, and traffic that was split by hand stays."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.rollout.pause import pause as pause_rollouts

    with acting(settings, "rollout pause", "", by=by, note=reason):
        paused = pause_rollouts(settings, reason, by)
    typer.echo(paused.message)


@app.command()
def resume(
    by: By = "",
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
def retry(
    by: By = "",
) -> None:
    """Try the newest promotion now, instead of when reload would."""
    settings = require_running(Settings.load().require("broker_url"), "database_url")
    from tasador.rollout.pause import retry as retry_rollout

    with acting(settings, "rollout retry", "", by=by):
        newest = retry_rollout(settings)
    typer.echo(
        f"reload tries promotion {newest.promotion} ({newest.model}); "
        "`tasador rollout status` says how it ended"
    )


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
        shadowing = warehouse.open_shadow()
    if json:
        print_json(found)
        return
    for sentence in found.message.split("; "):
        typer.echo(sentence)
    if shadowing is not None:
        typer.echo(f"version {shadowing.version} shadows; `tasador rollout shadow` reports")


@app.command()
def shadow(
    version: Annotated[
        int | None, typer.Argument(help="Let this version shadow; default: show the report.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the shadow.")] = False,
    digest: Annotated[
        str, typer.Option(help="First digits of the digest, if several versions have the number.")
    ] = "",
    by: By = "",
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Mirror live requests to a version at 0 % of the traffic, and compare.

    Nobody is answered by it. Its prices are recorded apart from predictions. The report shows
    differences, latency and errors. A rollout ends the shadow.
    """
    if version is not None and stop:
        raise typer.BadParameter("give a VERSION or --stop")
    settings = require_running(Settings.load(), "database_url")
    if version is None and not stop:
        _report(settings, as_json=json)
        return
    from tasador.rollout import shadow as shadows

    require_running(settings.require("broker_url"), "database_url")
    if stop:
        with acting(settings, "rollout shadow", "stop", by=by):
            ended, left = shadows.stop(settings, by)
        typer.echo(f"version {ended.version} shadows no longer; `tasador rollout shadow` reports")
    else:
        require_running(settings, "s3_endpoint", "mlflow_url")
        with acting(settings, "rollout shadow", str(version), by=by):
            started, left = shadows.start(settings, version or 0, by, digest=digest)
        typer.echo(
            f"version {started.version} shadows what serves as soon as reload has it ready; "
            "`tasador rollout shadow` reports"
        )
    if left:
        typer.echo(f"{left}: reload notices at its next check")


def _report(settings: Settings, *, as_json: bool) -> None:
    from tasador.rollout.shadow_report import read_shadow_report
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        found = read_shadow_report(warehouse)
    if as_json:
        print_json(found)
        return
    if found is None:
        typer.echo("no version has shadowed yet: `tasador rollout shadow VERSION` starts one")
        return
    from tasador.cli.console import console
    from tasador.cli.tables import moves_report

    for sentence in found.sentences:
        typer.echo(sentence)
    if found.churn is not None:
        console.print(moves_report(found.churn.worst))
