"""Start the loop on the next batch in the background, as `tasador pipeline --batches 1` does."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tasador.errors import TasadorError
from tasador.machine.environment import for_child
from tasador.settings import CHECKOUT, Settings

# Whose names Metaflow and getpass give to who started a training.
_USER = ("SUDO_USER", "USERNAME", "USER", "LOGNAME")
_LOCK = "next-batch.lock"
_PAUSES = (0.0, 0.05, 0.1, 0.2)  # seconds before each attempt to take it
_COMMAND = (sys.executable, "-m", "tasador", "pipeline", "--batches", "1")


def can_start(settings: Settings) -> bool:
    """Whether this machine runs the flows and knows the batch source; a cluster has a schedule."""
    return settings.platform == "embedded" and bool(settings.source_url)


def is_ingesting(settings: Settings) -> bool:
    """Whether a next batch that was started by ``start_next_batch`` is still on its way."""
    try:
        with (settings.home / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _take(lock: IO[str]) -> bool:
    """Take the lock; False while a batch holds it. ``is_ingesting`` holds it for a moment only."""
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def start_next_batch(settings: Settings, by: str, command: Sequence[str] = _COMMAND) -> Path:
    """Ingest the next batch, and run the flows that it starts; returns the log at once.

    ``by`` is who started the trainings that follow. Raises TasadorError if one that was started
    like this still runs, or if it cannot be started here.
    """
    if settings.platform != "embedded":
        raise TasadorError(
            "on a cluster the ingest flow runs on a schedule: `argo -n tasador cron list`"
        )
    settings.require("source_url", "database_url", "s3_endpoint", "mlflow_url", "broker_url")
    log = settings.home / "log" / "next-batch.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environ = for_child(settings.home, os.environ, **dict.fromkeys(_USER, by))
    with (settings.home / _LOCK).open("w") as lock, log.open("ab") as output:
        if not _take(lock):
            raise TasadorError(f"the next batch is being ingested already: see {log}")
        # The child inherits the lock, and holds it until it and all its flows have ended.
        child = subprocess.Popen(
            list(command),
            cwd=CHECKOUT,
            env=environ,
            umask=0o077,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
    # Otherwise it would stay as a zombie while this process runs.
    threading.Thread(target=child.wait, name="next-batch", daemon=True).start()
    return log
