"""Commands for the embedded platform: up, down, status, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.cli.output import print_json
from tasador.settings import Settings


def up(
    web: Annotated[bool, typer.Option(help="Also start the web app and the card servers.")] = True,
) -> None:
    """Start the embedded platform; needs no Docker.

    Starts Postgres, an S3 server, MLflow and the gateway of the functions on this machine. Safe to
    repeat.
    """
    from tasador.cli.console import console
    from tasador.local.platform import Platform

    with console.status("starting"):
        Platform(Settings.load().home).up(
            web=web, progress=lambda text: console.print(text, highlight=False)
        )
    print_addresses(Settings.load())


def down() -> None:
    """Stop the embedded platform; its data is kept."""
    from tasador.cli.console import console
    from tasador.local.platform import Platform

    with console.status("stopping"):
        Platform(Settings.load().home).down()
    typer.echo("stopped")


def status(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which parts of the embedded platform run, and where."""
    from tasador.local.platform import Platform

    parts = Platform(Settings.load().home).status()
    if json:
        print_json(parts)
        return
    url_width = max(len("address"), *(len(part.url) for part in parts))
    typer.echo(f"{'part':<14}state  {'address':<{url_width}}  log")
    for part in parts:
        state = "up   " if part.running else typer.style("down ", fg="red")
        typer.echo(f"{part.name:<14}{state}  {part.url:<{url_width}}  {part.log}")


def doctor() -> None:
    """Check what commands need, and say how to fix what fails."""
    from tasador.operations.doctor import diagnose

    failed = 0
    for diagnosis in diagnose(Settings.load()):
        failed += not diagnosis.healthy
        mark, colour = ("ok  ", "green") if diagnosis.healthy else ("fail", "red")
        typer.echo(f"{typer.style(mark, fg=colour)} {diagnosis.part:<10} {diagnosis.message}")
    if failed:
        raise typer.Exit(1)


def print_addresses(settings: Settings) -> None:
    """Print the URLs that a user opens, one per line."""
    for name, url in (
        ("web app", settings.web_url),
        ("MLflow", settings.mlflow_url),
        ("ingest cards", settings.cards_ingest_url),
        ("drift cards", settings.cards_drift_url),
        ("train cards", settings.cards_train_url),
        ("monitor cards", settings.cards_monitor_url),
        ("functions", settings.functions_url),
    ):
        if url:
            typer.echo(f"{name:<14} {url}")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (up, down, status, doctor):
        app.command()(command)
