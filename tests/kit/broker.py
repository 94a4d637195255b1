"""Brokers for tests: one that records what it receives, one that is slow or refuses on request."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tasador.events import read
from tests.kit.listener import http_sink


def recording_broker():
    """Context manager: a broker's URL, and the (type, id) of every event that it received."""
    return http_sink(note=lambda headers, _: (headers["ce-type"], headers["ce-id"]))


class Broker:
    """Keeps its events and counts its requests (``received``).

    An event that is sent again, because the answer took too long, is kept once: a broker promises
    no more, and consumers recognise an event's id.

    ``delay`` makes it slow (seconds), ``status`` lets it refuse. While ``open`` is not set, it
    holds every request.
    """

    def __init__(self):
        self.events = []
        self._lock = threading.Lock()
        self.delay = 0.0
        self.open = threading.Event()
        self.open.set()
        self.received = 0
        self.status = 202
        self.url = ""

    def keep(self, event):
        """Keep an event unless it is known."""
        with self._lock:
            if event.id not in {known.id for known in self.events}:
                self.events.append(event)

    def ids(self):
        """The prediction ids of all events, in the order of arrival."""
        return [
            prediction["prediction_id"]
            for event in self.events
            for prediction in event.data.get("predictions", [event.data])
        ]


@contextmanager
def adjustable_broker():
    """Yields a ``Broker`` that listens on a port of 127.0.0.1."""
    broker = Broker()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            broker.received += 1
            time.sleep(broker.delay)
            broker.open.wait(30)
            if broker.status == 202:
                broker.keep(read.parse(dict(self.headers), body))
            self.send_response(broker.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        broker.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield broker
        finally:
            server.shutdown()
