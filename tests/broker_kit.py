"""A broker that the tests can slow down and make refuse."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tasador.events import read


class Broker:
    """A broker that keeps what it is sent; ``delay`` makes it slow, ``status`` makes it refuse."""

    def __init__(self):
        self.events = []
        self.delay = 0.0
        self.status = 202

    def ids(self):
        """The prediction ids of all events, in the order of their arrival."""
        found = []
        for event in self.events:
            found += [r["prediction_id"] for r in event.data.get("predictions", [event.data])]
        return found


@contextmanager
def listening():
    broker = Broker()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(broker.delay)
            if broker.status == 202:
                broker.events.append(read.parse(dict(self.headers), body))
            self.send_response(broker.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        broker.url = f"http://127.0.0.1:{server.server_port}"
        yield broker
    finally:
        server.shutdown()
        server.server_close()
