"""The entry point of the ``tasador`` command."""

from __future__ import annotations

import sys

import typer

from tasador.cli.app import make_app
from tasador.errors import TasadorError


def main() -> None:
    """Run the command line; a TasadorError is one line on stderr and exit status 1."""
    try:
        make_app()()
    except TasadorError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
