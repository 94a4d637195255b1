"""The metrics of a process on a port apart from its requests.

Scrapers of a cluster address pods: a request to a Service would start a process at zero, and show
one of several. So the metrics are not a route of the function, and no ingress shows them.
"""

from __future__ import annotations

import select
import socket
import threading

from functions.metric_families import metrics_text

_PATH = "/metrics"
# A scraper that does not send its request in time is cut off, since scrapes are answered in turn.
_REQUEST_SECONDS = 5.0


def start(host: str, port: int) -> None:
    """Listen at once, and answer ``GET /metrics`` in a thread; raises OSError if the port is taken.

    The HTTP server is imported with the first scrape: its imports would delay a function's start.
    """
    listener = socket.create_server((host, port), backlog=16)
    threading.Thread(target=_serve, args=(listener,), name="metrics", daemon=True).start()


def _serve(listener: socket.socket) -> None:
    select.select([listener], [], [])
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_SECONDS
        server_version, sys_version = "tasador", ""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != _PATH:
                self.send_error(404, explain=f"the metrics are at {_PATH}")
                return
            accept = self.headers.get("accept", "")
            body, content_type = metrics_text(accept)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not logged, as probes are not."""

    server = HTTPServer(listener.getsockname()[:2], Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()
