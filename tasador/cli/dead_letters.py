"""Commands for events that could not be delivered."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tasador.cli.output import print_json
from tasador.errors import TasadorError
from tasador.machine.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(help="List and replay events that could not be delivered.", no_args_is_help=True)


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the undelivered events, oldest first, with the reason."""
    settings = _reachable_settings()
    undelivered = _backend(settings).dead_letters(settings)
    if json:
        print_json(undelivered)
        return
    from tasador.cli.console import console
    from tasador.cli.tables import dead_letters_report

    console.print(dead_letters_report(undelivered))


@app.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of events to replay; default: all.")
    ] = None,
) -> None:
    """Deliver events again, once the cause is fixed. Safe to repeat."""
    settings = _reachable_settings()
    backend = _backend(settings)
    if ids:
        known = {letter["event"]["id"] for letter in backend.dead_letters(settings)}
        if unknown := [name for name in ids if name not in known]:
            raise TasadorError(
                f"no dead letter has the id {', '.join(unknown)}; `tasador dead-letters list` "
                "shows them"
            )
    count = backend.replay(settings, ids or ())
    typer.echo(f"{count} event{'' if count == 1 else 's'} delivered")


def _reachable_settings() -> Settings:
    settings = Settings.load()
    where = "gateway_admin_url" if settings.platform == "embedded" else "database_url"
    return require_running(settings, where)


def _backend(settings: Settings) -> Any:
    """Where dead letters are: in the gateway and the database; on a cluster in the database."""
    if settings.platform == "embedded":
        from tasador.local import dead_letters as gateway_dead_letters

        return gateway_dead_letters
    from tasador.operations import dead_letters

    return dead_letters
