"""An OTLP/HTTP collector for tests: it keeps the spans that it receives."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink:
    """``spans`` are the spans as sent, each with the ``service`` that sent it."""

    def __init__(self):
        self.spans = []
        self.headers = []
        self.url = ""
        self.refuses = False

    def of(self, trace_id):
        return [span for span in list(self.spans) if span["traceId"] == trace_id]


def attributes(span):
    """The attributes of a span, or of a resource, as a dictionary."""
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


@contextmanager
def otlp_sink():
    """Serve a sink on 127.0.0.1."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.path == "/v1/traces"
            if sink.refuses:
                self.send_error(503)
                return
            sink.headers.append(dict(self.headers))
            for resource in body["resourceSpans"]:
                service = attributes(resource["resource"])["service.name"]
                for scope in resource["scopeSpans"]:
                    sink.spans.extend({**span, "service": service} for span in scope["spans"])
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sink.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
