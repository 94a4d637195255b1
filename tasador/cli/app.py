"""The commands, grouped by who calls them; each module adds its own."""

from __future__ import annotations

import typer

from tasador.cli import dead_letters, loop, models, platform, source


def make_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="tasador",
        help="Price models that notice a market move and put their successors into service.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
    )
    app.add_typer(source.app, name="source")
    app.add_typer(dead_letters.app, name="dead-letters")
    for module in (platform, loop, models):
        module.add_to(app)
    return app
