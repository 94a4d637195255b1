"""Metaflow's card server for one flow, on this machine only.

``python -m tasador.local.cards train 8324`` is ``python flows/train.py card server --port 8324``,
but listens on 127.0.0.1 (Metaflow's listens on all interfaces), shows the newest run whenever the
page is loaded (Metaflow's shows an older one after several runs), and lists all runs at ``/runs``.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from html import escape
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tasador.settings import CHECKOUT

_LISTED = 50
_RUNS = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Runs of {flow}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark; }} body {{ font: 16px/1.6 system-ui, sans-serif;
margin: 2rem auto; max-width: 40rem; padding: 0 1rem; }} td {{ padding-right: 1.5rem; }}</style>
<h1>Runs of {flow}</h1><table>{rows}</table></html>"""


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
    routes = card_server.CardViewerRoutes.ROUTES
    routes.update(
        runinfo=_of_run(routes["runinfo"], _named_by_the_page),
        data=_of_run(routes["data"], _named_by_the_path),
        runs=_list_runs,
    )
    sys.argv = [str(path), "card", "server", "--port", port]
    runpy.run_path(str(path), run_name="__main__")


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


def _list_runs(handler: Any, _suffix: Any) -> None:
    from itertools import islice

    from metaflow import Flow, namespace
    from metaflow.exception import MetaflowException

    namespace(None)
    flow = handler.card_options.flow_name
    try:
        runs = list(islice(Flow(flow), _LISTED))
    except MetaflowException:
        runs = []
    rows = [
        f'<tr><td><a href="/?run={quote(run.id, safe="")}">{escape(run.id)}</a></td>'
        f"<td>{run.created_at:%Y-%m-%d %H:%M}</td>"
        f"<td>{'done' if run.successful else 'failed' if run.finished else 'running'}</td></tr>"
        for run in runs
    ]
    listed = "".join(rows) or "<tr><td>There is none yet.</td></tr>"
    handler._response(_RUNS.format(flow=escape(flow), rows=listed).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
