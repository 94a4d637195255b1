"""Commands for the embedded platform: up, down, status, doctor, exporter."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from tasador.cli.output import print_json
from tasador.errors import ConfigurationError
from tasador.settings import Settings


def up(
    web: Annotated[bool, typer.Option(help="Also start the web app and the card servers.")] = True,
) -> None:
    """Start the embedded platform; needs no Docker.

    Starts Postgres, an S3 server, MLflow and the gateway of the functions on this machine. Safe to
    repeat.
    """
    home = embedded_home()
    from tasador.cli.console import console
    from tasador.local.platform import Platform

    platform = Platform(home)
    with console.status("starting"):
        platform.up(web=web, progress=lambda text: console.print(text, highlight=False))
    # Without the web parts, their addresses may be those of an earlier start.
    running = {part.name for part in platform.status() if part.running}
    _print_lines(address for address in _addresses(Settings.load()) if address[2] in running)


def down() -> None:
    """Stop the embedded platform; its data is kept."""
    home = embedded_home()
    from tasador.cli.console import console
    from tasador.local.platform import Platform

    with console.status("stopping"):
        Platform(home).down()
    typer.echo("stopped")


def status(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which parts run, and where.

    Exits with status 1 if a part that the loop needs does not run. On a cluster the parts are the
    addresses in the environment.
    """
    settings = Settings.load()
    if settings.platform == "cluster":
        _print_cluster_status(settings, json)
        return
    from tasador.local.platform import CORE, Platform

    parts = Platform(settings.home).status()
    down = [part.name for part in parts if part.name in CORE and not part.running]
    if json:
        print_json(parts)
    else:
        _print_parts([(part.name, part.running, part.url, str(part.log)) for part in parts])
        running = {part.name for part in parts if part.running}
        if running:
            typer.echo()
            _print_lines(address for address in _addresses(settings) if address[2] in running)
        if down:
            typer.echo(f"\n{', '.join(down)} not running: start with `tasador up`", err=True)
    if down:
        raise typer.Exit(1)


def _print_cluster_status(settings: Settings, json: bool) -> None:
    """Print whether each address in the environment answers."""
    from tasador.machine.reachable import failure, without_password

    names = ["database_url", "s3_endpoint", "mlflow_url", "broker_url", "argo_events_url"]
    if settings.metaflow_service_url:
        names.append("metaflow_service_url")
    rows = []
    for name in names:
        url = getattr(settings, name)
        reason = failure(url) if url else f"TASADOR_{name.upper()} is not set"
        rows.append((name.rpartition("_")[0], not reason, without_password(url), reason))
    if json:
        print_json(
            [dict(zip(("name", "running", "url", "reason"), row, strict=True)) for row in rows]
        )
    else:
        _print_parts(rows, last="reason")
    if not all(running for _, running, _, _ in rows):
        raise typer.Exit(1)


def _print_parts(rows: list[tuple[str, bool, str, str]], last: str = "log") -> None:
    url_width = max(len("address"), *(len(url) for _, _, url, _ in rows))
    typer.echo(f"{'part':<14}state  {'address':<{url_width}}  {last}")
    for name, running, url, note in rows:
        state = "up   " if running else typer.style("down ", fg="red")
        typer.echo(f"{name:<14}{state}  {url:<{url_width}}  {note}".rstrip())


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


def exporter(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 9464,
) -> None:
    """Serve what the warehouse says about the loop as Prometheus metrics, at /metrics."""
    from tasador.machine.reachable import require_running
    from tasador.operations.exporter import run

    require_running(Settings.load(), "database_url")
    typer.echo(f"http://{host}:{port}/metrics")
    run(host, port)


def print_addresses(settings: Settings) -> None:
    """Print the URLs that a user opens, one per line."""
    _print_lines(_addresses(settings))


def _addresses(settings: Settings) -> list[tuple[str, str, str]]:
    """What a person opens or sends to: name, URL and the part behind it."""
    return [
        ("web app", settings.web_url, "web"),
        ("MLflow", settings.mlflow_url, "mlflow"),
        ("ingest cards", settings.cards_ingest_url, "cards-ingest"),
        ("drift cards", settings.cards_drift_url, "cards-drift"),
        ("train cards", settings.cards_train_url, "cards-train"),
        ("monitor cards", settings.cards_monitor_url, "cards-monitor"),
        ("functions", settings.functions_url, "gateway"),
        ("CloudEvents", settings.broker_url, "gateway"),
    ]


def _print_lines(addresses: Iterable[tuple[str, str, str]]) -> None:
    for name, url, _ in addresses:
        if url:
            typer.echo(f"{name:<14} {url}")


def embedded_home() -> Path:
    """The home folder; on a cluster there is no platform to start or stop."""
    settings = Settings.load()
    if settings.platform == "cluster":
        raise ConfigurationError(
            "TASADOR_PLATFORM is cluster: `kubectl apply` starts the platform there. Unset it to "
            "use the embedded platform of this machine"
        )
    return settings.home


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (up, down, status, doctor, exporter):
        app.command()(command)
