"""Commands about events that could not be delivered."""

from __future__ import annotations

from typing import Annotated

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
    from tasador.local.letters import dead_letters

    letters = dead_letters(Settings.load())
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
    from tasador.local.letters import replay as replay_letters

    count = replay_letters(Settings.load(), ids or ())
    console.print(f"{count} event{'' if count == 1 else 's'} delivered again")
