"""The commands, grouped by who calls them; each module adds its own to ``app``."""

from __future__ import annotations

import typer

from tasador.cli import loop, models, platform, source

app = typer.Typer(
    name="tasador",
    help="Price models that notice when the market moves and put their successors into service.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
app.add_typer(source.app, name="source")
for module in (platform, loop, models):
    module.add_to(app)
