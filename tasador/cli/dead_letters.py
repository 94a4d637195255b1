"""Commands about events that could not be delivered."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from tasador.cli.console import console, print_json
from tasador.settings import Settings

app = typer.Typer(help="Events that no function took: see why, and deliver them again.")


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a script.")] = False,
) -> None:
    """The dead letters, the oldest first, with the reason of each."""
    settings = Settings.load()
    letters = _kept_by(settings).dead_letters(settings)
    if json:
        print_json(letters)
        return
    table = Table("given up", "event", Column("id", overflow="fold"), "for", "status", "reason")
    for letter in letters:
        event = letter["event"]
        table.add_row(
            letter["time"][:19],
            event["type"],
            event["id"],
            letter["subscriber"],
            str(letter["status"] or ""),
            letter["reason"][:200],
        )
    console.print(table)


@app.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of events; all where none is given.")
    ] = None,
) -> None:
    """Deliver dead letters again, once what was wrong is mended. Doing it twice does no harm."""
    settings = Settings.load()
    count = _kept_by(settings).replay(settings, ids or ())
    console.print(f"{count} event{'' if count == 1 else 's'} delivered again")


def _kept_by(settings: Settings) -> Any:
    """Who keeps the dead letters: the gateway of one machine, or the database of a cluster."""
    if settings.platform == "embedded":
        from tasador.local import dead_letters as local_dead_letters

        return local_dead_letters
    from tasador.operations import dead_letters

    return dead_letters
