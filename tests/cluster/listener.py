"""A subscriber for tests: keeps the ids of the predictions that it hears of, and tells them."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HEARD = []


class Listener(BaseHTTPRequestHandler):
    """POST / takes a prediction.made event; GET / gives every id heard, in order."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["content-length"])))
        made = data.get("predictions", [data])
        HEARD.extend(each["prediction_id"] for each in made)
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        body = json.dumps(HEARD).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", 8000), Listener).serve_forever()
