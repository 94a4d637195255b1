"""The entry point of the ``tasador`` command."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from tasador import environment
from tasador.errors import TasadorError


def main() -> None:
    """Run the command line; a TasadorError is one line on stderr and exit status 1."""
    try:
        # kubectl needs the user's environment: KUBECONFIG, and what its login programs read.
        if sys.argv[1:2] != ["connect"]:
            environment.enter(("-m", "tasador", *sys.argv[1:]))
        _end_in_order()
        # Somebody waits: a command asks MLflow once more, flows ask longer.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        _run()
    except TasadorError as error:
        import typer

        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_in_order() -> None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, so that it stops what it started."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)


def _run() -> None:
    # Imported in the environment that ``enter`` has made, without the user's PYTHONPATH.
    from tasador.cli.app import make_app

    make_app()()
