"""Servers for the tests of the source: the course's API, and one that misbehaves."""

import json
import socket
import threading
from contextlib import contextmanager

from tasador.source.server import SourceServer, build_app
from tasador.source.stored import StoredBatch


@contextmanager
def served(batches, *, form="object", **options):
    """Serve batches (lists of rows, or StoredBatch) by the course's API; yields the URL."""
    stored = [b if isinstance(b, StoredBatch) else StoredBatch.of(b, form) for b in batches]
    ready = threading.Event()
    app = build_app(stored, **options)
    server = SourceServer(app, "127.0.0.1", 0, on_ready=lambda url: ready.set())
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert ready.wait(20), "the server does not start"
        yield server.url
    finally:
        server.should_exit = True
        thread.join(20)
        for batch in stored:
            batch.close()


def http(status, body, *, head="", length=None):
    """The bytes of an HTTP answer; ``length`` claims another Content-Length, "" claims none."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    claimed = f"content-length: {len(body) if length is None else length}\r\n"
    if length == "":
        claimed = ""
    return f"HTTP/1.1 {status} X\r\nconnection: close\r\n{claimed}{head}\r\n".encode() + body


@contextmanager
def scripted(*answers):
    """A server that gives each request the next of these answers, and repeats the last one.

    Yields its URL and the list of the request lines that it received.
    """
    requests = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request and (chunk := connection.recv(65536)):
                    request += chunk
                if not request:
                    continue
                requests.append(request.split(b"\r\n")[0].decode())
                connection.sendall(answers[min(len(requests), len(answers)) - 1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
