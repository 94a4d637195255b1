"""Commands about the embedded platform: up, down, status, doctor."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from tasador.cli.console import console, print_json
from tasador.settings import Settings


def up(
    web: Annotated[bool, typer.Option(help="Start the web app and the card server too.")] = True,
) -> None:
    """Start Postgres, S3, MLflow and the functions' gateway on this machine (no Docker)."""
    from tasador.local.platform import Platform

    settings = Settings.load()
    with console.status("starting"):
        Platform(settings.home).up(
            web=web, progress=lambda text: console.print(text, highlight=False)
        )
    print_addresses(Settings.load())


def down() -> None:
    """Stop the embedded platform; its data stays."""
    from tasador.local.platform import Platform

    with console.status("stopping"):
        Platform(Settings.load().home).down()
    console.print("stopped")


def status(
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a script.")] = False,
) -> None:
    """What of the embedded platform runs, and where."""
    from tasador.local.platform import Platform

    parts = Platform(Settings.load().home).status()
    if json:
        print_json(parts)
        return
    table = Table("part", "", Column("address", overflow="fold"), Column("log", overflow="fold"))
    for part in parts:
        table.add_row(part.name, "up" if part.running else "[red]down", part.url, str(part.log))
    console.print(table)


def doctor() -> None:
    """Check each part that a command may need, and say what to do about what is wrong."""
    from tasador.operations.doctor import diagnose

    failed = 0
    for diagnosis in diagnose(Settings.load()):
        failed += not diagnosis.healthy
        mark = "[green]ok  [/]" if diagnosis.healthy else "[red]fail[/]"
        console.print(f"{mark} {diagnosis.part:<10} {diagnosis.message}", highlight=False)
    if failed:
        raise typer.Exit(1)


def print_addresses(settings: Settings) -> None:
    """The addresses that people open, one a line."""
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
            console.print(f"{name:<14} {url}", highlight=False)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (up, down, status, doctor):
        app.command()(command)
