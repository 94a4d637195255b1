"""Metaflow's card server for one flow, on this machine only.

``python -m tasador.local.cards train 8324`` is ``python flows/train.py card server --port 8324``,
but listens on 127.0.0.1 (Metaflow's listens on all interfaces), shows the newest run whenever the
page is loaded (Metaflow's shows an older one after several runs), and has the pages of
``run_pages``: a list of runs, and the log of each.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tasador.flowkit import WEB_FONTS
from tasador.local import run_pages
from tasador.settings import CHECKOUT

_STYLE = """
:root { color-scheme: light dark; }
@media (max-width: 40rem) {
  header > * { min-width: 0; padding: 10px; }
  header h1 { overflow: hidden; text-overflow: ellipsis; }
  .selectorContainer { margin: 0.75rem 0; padding: 0; }
}
@media (prefers-color-scheme: dark) {
  body { background: #12181d; color: #e4eaee; }
  header { background: #1a2127; }
  .selectorContainer { background: #232b32; }
  header select { color: inherit; }
  option { background: #232b32; }
  .taskStatus { color: #9fadb8; }
}
"""


class _LocalServer(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], *more: Any) -> None:
        super().__init__(("127.0.0.1", address[1]), *more)


def main(flow: str, port: str) -> None:
    """Serve the cards of a flow's runs until a signal arrives."""
    serve(CHECKOUT / "flows" / f"{flow}.py", port)


def serve(path: Path, port: str) -> None:
    """Serve the cards of the flow in a file."""
    from metaflow.plugins.cards import card_server

    card_server.ThreadingHTTPServer = _LocalServer
    card_server.CardServerOptions.refresh_run = _refresh
    viewer = card_server.CardViewerRoutes
    viewer.do_GET = _at_the_root(viewer.do_GET, card_server.CARD_VIEWER_HTML)
    routes = viewer.ROUTES
    routes.update(
        runinfo=_of_run(routes["runinfo"], _named_by_the_page),
        data=_of_run(routes["data"], _named_by_the_path),
        runs=run_pages.list_runs,
        log=run_pages.show_log,
        turn=run_pages.lead_to_run,
    )
    sys.argv = [str(path), "card", "server", "--port", port]
    runpy.run_path(str(path), run_name="__main__")


def _at_the_root(answer: Callable[[Any], None], viewer: str) -> Callable[[Any], None]:
    """The page around the cards as the cards: dark scheme, fit for phones, no web fonts."""
    page = WEB_FONTS.sub("", viewer).replace("</head>", f"<style>{_STYLE}</style></head>", 1)

    def answered(handler: Any) -> None:
        if urlsplit(handler.path).path == "/":
            handler._response(page.encode())
        else:
            answer(handler)

    return answered


def _refresh(options: Any) -> bool:
    """Take the newest run, in place of the next one in Metaflow's queue; whether it is another."""
    from metaflow.plugins.cards.card_server import CardViewerRoutes

    if not options.follow_new_runs:
        return False
    newest = CardViewerRoutes.run_watcher.get_run_id()
    shown = options.run_object
    run = _run(options.flow_name, newest) if newest and (not shown or shown.id != newest) else None
    if run is None:
        return False
    options.run_object = run
    return True


def _run(flow: str, run_id: str) -> Any:
    """A run of the flow, of whichever user; None if there is none."""
    from metaflow import Run, namespace
    from metaflow.exception import MetaflowException

    namespace(None)
    try:
        return Run(f"{flow}/{run_id}")
    except MetaflowException:
        return None


def _of_run(
    answer: Callable[[Any, Any], None], named: Callable[[Any], str]
) -> Callable[[Any, Any], None]:
    """Answers for the run that a request names, else for the newest."""

    def answered(handler: Any, suffix: Any) -> None:
        shared = handler.card_options
        name = named(handler)
        run = _run(shared.flow_name, name) if name else None
        if run is not None:
            handler.card_options = _Chosen(shared, run)
        answer(handler, suffix)

    return answered


class _Chosen:
    """The server's options with another run, for one request."""

    def __init__(self, options: Any, run: Any) -> None:
        self._options = options
        self.run_object = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)

    def refresh_run(self) -> bool:
        """A chosen run stays."""
        return False


def _named_by_the_page(handler: Any) -> str:
    """The run in the address of the page that asks: ``/?run=ID``."""
    query = urlsplit(handler.headers.get("referer", "")).query
    return str(parse_qs(query).get("run", [""])[0])


def _named_by_the_path(handler: Any) -> str:
    """The run in ``/data/FLOW/RUN/STEP/TASK/HASH``."""
    parts = urlsplit(handler.path).path.strip("/").split("/")
    return str(parts[2]) if len(parts) > 2 else ""


if __name__ == "__main__":
    main(*sys.argv[1:])
