"""The entry point of the ``tasador`` command."""

from __future__ import annotations

import errno
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from tasador.errors import TasadorError
from tasador.machine import blas, environment
from tasador.machine.collector import collect_seldom
from tasador.machine.disk import disk_full

# States of the machine, not faults of the code: a full disk, another account's folder, too many
# open files.
_OF_THE_MACHINE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE),
        *(errno.ENFILE, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ENOMEM),
    }
)


def main() -> None:
    """Run the command line; an error that a user can correct is one line and exit status 1."""
    try:
        # kubectl needs the user's environment: KUBECONFIG, and what its login programs read.
        if sys.argv[1:2] != ["connect"]:
            environment.enter(("-m", "tasador", *sys.argv[1:]))
        collect_seldom()
        blas.sleep_soon()
        _end_in_order()
        # Somebody waits: a command asks MLflow once more, flows ask longer.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        _run()
    except TasadorError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        if error.filename is not None and (full := disk_full(error)) is not None:
            _fail(str(full))
        named = "" if error.filename is None else f": {os.fsdecode(error.filename)}"
        _fail(f"{error.strerror}{named}")
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> NoReturn:
    import typer

    typer.secho(f"error: {message}", fg="red", err=True)
    try:
        sys.stdout.flush()
    except OSError:  # Python would try again at the end, and print a traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


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
