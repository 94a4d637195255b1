"""A bundle's folder, served over the S3 protocol."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

URI = "s3://bucket/run 1/bundle"


@contextmanager
def store(folder, fail=lambda count, name: None):
    """Serve a folder as s3://bucket/run 1/bundle; ``fail`` may name a status for a request."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.removeprefix("/bucket/run%201/bundle/")
            requests.append(name)
            status = fail(len(requests), name) or (200 if (folder / name).is_file() else 404)
            self.send_response(status)
            self.end_headers()
            if status == 200:
                self.wfile.write((folder / name).read_bytes())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
