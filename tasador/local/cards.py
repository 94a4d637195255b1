"""Metaflow's card server for one flow, on this machine only.

``python -m tasador.local.cards train 8324`` is ``python flows/train.py card server --port 8324``,
but listens on 127.0.0.1: Metaflow's server listens on all interfaces.
"""

from __future__ import annotations

import runpy
import sys
from http.server import ThreadingHTTPServer
from typing import Any

from tasador.settings import CHECKOUT


class _LocalServer(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], *more: Any) -> None:
        super().__init__(("127.0.0.1", address[1]), *more)


def main(flow: str, port: str) -> None:
    """Serve the cards of a flow's newest run until a signal arrives."""
    from metaflow.plugins.cards import card_server

    card_server.ThreadingHTTPServer = _LocalServer
    path = CHECKOUT / "flows" / f"{flow}.py"
    sys.argv = [str(path), "card", "server", "--port", port]
    runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
