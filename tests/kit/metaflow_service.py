"""A metadata service for tests, with the routes and the answers of Netflix/metaflow-service.

The real one is an image. A checkout of it is used in its place where TASADOR_METAFLOW_SERVICE names
its command and a Postgres (see tests/README.md), so that both are known to answer alike.
"""

import contextlib
import json
import os
import shlex
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.kit.network import free_port
from tests.kit.waiting import wait_for

VERSION = "2.5.0"
# What POST .../WORD creates, and the key that names it.
CREATED = {"run": "run_number", "task": "task_id"}


class Metadata:
    """Flows, runs, steps, tasks, artifacts and metadata by their paths."""

    def __init__(self):
        self.objects = {}  # ("flows", F, "runs", R, ...) -> object
        self.lists = {}  # (path of the task, "artifacts" or "metadata") -> objects
        self.number = 0

    def get(self, path, query):
        if path in self.objects:
            return self.objects[path]
        if path[-1] in ("artifacts", "metadata"):
            return self._list(path)
        if "artifacts" in path:  # one, by its name, perhaps of an attempt
            at = path.index("artifacts")
            task, (name, *attempt) = path[:at], path[at + 1 :]
            found = self._list((*task, *attempt, "artifacts"))
            return next((each for each in found if each["name"] == name), None)
        if path[-1] == "filtered_tasks":
            return self._filtered(path[:-1], query)
        parent = path[:-1]
        if parent and parent not in self.objects:
            return None
        return [each for key, each in self.objects.items() if key[:-1] == path]

    def _list(self, path):
        *task, kind = path
        attempt = None
        if task[-2] == "attempt":
            *task, _, attempt = task
        listed = [
            each
            for (owner, listed_kind), found in self.lists.items()
            if listed_kind == kind and owner[: len(task)] == tuple(task)
            for each in found
        ]
        if kind == "artifacts":
            newest = max((each["attempt_id"] for each in listed), default=0)
            wanted = newest if attempt is None else int(attempt)
            listed = [each for each in listed if each["attempt_id"] == wanted]
        return listed

    def _filtered(self, step, query):
        field = query.get("metadata_field_name", [None])[0]
        return [
            "/".join((key[1], key[3], key[5], key[7]))
            for key in self.objects
            if key[:-2] == step
            and (
                field is None
                or any(m["field_name"] == field for m in self._list((*key, "metadata")))
            )
        ]

    def post(self, path, body):
        kind = path[-1]
        if kind == "heartbeat":
            return json.dumps({"wait_time_in_seconds": 10})
        if kind in ("artifact", "metadata"):
            kind = {"artifact": "artifacts"}.get(kind, kind)
            task = path[:-1]
            known = self.lists.setdefault((task, kind), [])
            for each in body:
                self.number += 1
                known.append({**each, "id": self.number, "ts_epoch": epoch(), **ids(task)})
            return {f"{kind}_created": len(body)}
        if kind == "step":
            path = path[:-1]
        elif kind in CREATED:
            self.number += 1
            path = (*path[:-1], f"{kind}s", str(body.get(CREATED[kind]) or self.number))
        if path in self.objects:
            return 409
        self.objects[path] = {**body, **ids(path), "ts_epoch": epoch()}
        return self.objects[path]


def epoch():
    return round(time.time() * 1000)


def ids(path):
    """The ids of an object in its path."""
    names = {"flows": "flow_id", "runs": "run_number", "steps": "step_name", "tasks": "task_id"}
    return {names[kind]: name for kind, name in zip(path[::2], path[1::2], strict=True)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self):
        address = urlsplit(self.path)
        path = tuple(address.path.strip("/").split("/"))
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        store = self.server.metadata
        with store.lock:
            if path == ("ping",):
                found = "pong"
            elif self.command == "POST":
                found = store.post(path, json.loads(body or "{}"))
            else:
                found = store.get(path, parse_qs(address.query))
        status = 404 if found is None else 409 if found == 409 else 200
        text = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("METADATA_SERVICE_VERSION", VERSION)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _serve  # noqa: N815 (names of http.server)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def metadata_service(port=0):
    """A metadata service without runs; yields its URL."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    if command := os.environ.get("TASADOR_METAFLOW_SERVICE"):
        environ = {**os.environ, "MF_METADATA_HOST": "127.0.0.1", "MF_METADATA_PORT": str(port)}
        process = subprocess.Popen(shlex.split(command), env=environ)
        try:
            wait_for(lambda: httpx.get(f"{url}/ping").is_success)
            yield url
        finally:
            process.terminate()
            process.wait(20)
        return
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    server.metadata = Metadata()
    server.metadata.lock = threading.Lock()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
