"""The ``tasador`` command: Typer and Rich around one verb of the library a command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit status 1."""
    from tasador.cli.app import make_app
    from tasador.errors import TasadorError

    try:
        make_app()()
    except TasadorError as error:
        from rich.console import Console

        Console(stderr=True).print("error:", str(error), style="red", markup=False, highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
