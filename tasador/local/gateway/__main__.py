"""``python -m tasador.local.gateway --home HOME --port PORT``."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
from pathlib import Path

import uvicorn

from tasador.local.gateway.app import Gateway
from tasador.local.gateway.options import Options
from tasador.settings import Settings


def main() -> None:
    """Serve on 127.0.0.1 until SIGTERM, then let the functions finish their requests."""
    parser = argparse.ArgumentParser(prog="python -m tasador.local.gateway")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--command", default="", help="command of a function; {name} is its name")
    arguments = parser.parse_args()
    home = arguments.home.resolve()
    settings = Settings.load({**os.environ, "TASADOR_HOME": str(home)})
    settings.require("gateway_token", "broker_url")
    (home / "run").mkdir(parents=True, exist_ok=True)
    with (home / "run" / "gateway.lock").open("w") as lock:
        # Two gateways with one journal would deliver every event twice.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another gateway is running in {home}") from None
        options = Options.load(os.environ, tuple(shlex.split(arguments.command)))
        uvicorn.run(
            Gateway(settings, options).app,
            host="127.0.0.1",
            port=arguments.port,
            access_log=False,
            log_level="warning",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=20,
            ws="none",
        )


if __name__ == "__main__":
    main()
