"""Commands that decide something are recorded, as actions of the web app are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tasador.settings import Settings


def _named(context: typer.Context, by: str) -> str:
    source = context.get_parameter_source("by")
    if source is not None and source.name == "COMMANDLINE" and not by.strip():
        raise typer.BadParameter("is empty: name who decides, or leave --by out for your user name")
    return by.strip()


By = Annotated[str, typer.Option(help="Who decides; default: your user name.", callback=_named)]


@contextmanager
def acting(
    settings: Settings, action: str, target: str, *, by: str = "", note: str = ""
) -> Iterator[None]:
    """Record what a command does, by whom (default: the user), and how it ended."""
    from tasador.accounts.verbs import recorded
    from tasador.machine.environment import whoami
    from tasador.warehouse.warehouse import Warehouse

    with (
        Warehouse(settings.database_url) as warehouse,
        recorded(warehouse, by or whoami(), action, target, note=note),
    ):
        yield
