"""A subscriber for tests: keeps the prediction ids of the events that it receives."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECEIVED = []


class Listener(BaseHTTPRequestHandler):
    """POST / accepts a prediction.made event; GET / returns every id received, in order."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["content-length"])))
        predictions = data.get("predictions", [data])
        RECEIVED.extend(each["prediction_id"] for each in predictions)
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        body = json.dumps(RECEIVED).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", 8000), Listener).serve_forever()
