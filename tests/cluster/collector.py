"""An OpenTelemetry collector for tests: keeps the spans that it receives as OTLP in JSON."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SPANS = []


class Collector(BaseHTTPRequestHandler):
    """POST /v1/traces keeps spans; GET /TRACE_ID returns those of a trace, with their service."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        for resource in body["resourceSpans"]:
            named = {each["key"]: each["value"] for each in resource["resource"]["attributes"]}
            service = named["service.name"]["stringValue"]
            for scope in resource["scopeSpans"]:
                SPANS.extend({**span, "service": service} for span in scope["spans"])
        self._reply({})

    def do_GET(self):
        trace_id = urlsplit(self.path).path.lstrip("/")
        self._reply([span for span in list(SPANS) if span["traceId"] == trace_id])

    def _reply(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", 8000), Collector).serve_forever()
