"""The gateway as a daemon of the embedded platform, and the processes that it starts."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from tasador.local.probe import status_of
from tasador.local.process import Daemon, Running
from tasador.settings import Settings

# One file for each running function process, next to the files of the daemons.
FUNCTION_PROCESSES = Path("run", "functions")


def daemon(settings: Settings) -> Daemon:
    """The gateway of ``settings.functions_url``."""
    return Daemon(
        name="gateway",
        command=(
            *(sys.executable, "-m", "tasador.local.gateway"),
            *("--home", str(settings.home)),
            *("--port", str(urlsplit(settings.functions_url).port)),
        ),
        env=_environ(settings),
        cwd=settings.home,
        ready=lambda: status_of(f"{settings.functions_url}/_admin/health") == 200,
        url=settings.functions_url,
        # Its functions have 25 s to finish the requests that they are answering.
        stop_seconds=40,
    )


def _environ(settings: Settings) -> dict[str, str]:
    """The settings, without those that a function never gets: the gateway outlives their change."""
    others = ("TASADOR_WEB_", "TASADOR_CARDS_", "TASADOR_SOURCE_")
    return {n: v for n, v in settings.as_environ().items() if not n.startswith(others)}


def end_functions(home: Path) -> None:
    """End the function processes that a killed gateway left running."""
    files = sorted((home / FUNCTION_PROCESSES).glob("*.json"))
    left = [running for file in files if (running := Running.read(file)) is not None]
    if left:
        with ThreadPoolExecutor(len(left)) as pool:
            list(pool.map(Running.end, left))
    for file in files:
        file.unlink(missing_ok=True)
