"""The command line, assembled from the modules that declare its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.cli import (
    approval,
    backup,
    batch,
    connect,
    db,
    dead_letters,
    events,
    lake,
    ledger,
    loop,
    models,
    platform,
    ratio_study,
    review,
    rollout,
    source,
    user,
)
from tasador.settings import git_sha


def make_app() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="tasador",
        help="Ingest listings, judge drift, and train, serve and monitor price models.",
        no_args_is_help=True,
        rich_markup_mode=None,  # importing Rich takes longer than everything else for --help
        pretty_exceptions_show_locals=False,
    )
    app.callback()(_options)
    app.add_typer(source.app, name="source")
    app.add_typer(batch.app, name="batch")
    app.add_typer(dead_letters.app, name="dead-letters")
    app.add_typer(events.app, name="events")
    app.add_typer(rollout.app, name="rollout")
    app.add_typer(db.app, name="db")
    app.add_typer(lake.app, name="lake")
    app.add_typer(review.app, name="review")
    app.add_typer(user.app, name="user")
    for module in (platform, loop, models, ledger, approval, ratio_study, connect, user, backup):
        module.add_to(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"tasador {version('tasador')}")
        except PackageNotFoundError:  # an image holds the files only, and names their commit
            typer.echo(f"tasador at commit {git_sha() or '(unknown)'}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Declare the options of ``tasador`` itself."""
