"""A small function that behaves as its environment says: ``python tiny.py NAME``.

Variables of its revision: START_SECONDS, NOT_READY (the reason; while the file ``store`` exists in
its home, it is ready), FINAL, FAILURES (so many attempts), UNHEALTHY (its first process fails its
liveness probe), BROKEN, TAKEN (its first process finds another one at its port). It writes files in
its home: starts (one line for each process), begun (slow requests), seen.jsonl (events), ended (by
SIGTERM).
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HOME = Path(os.environ["TASADOR_HOME"])
READY_AT = time.monotonic() + float(os.environ.get("START_SECONDS", "0"))


def append(name: str, line: str) -> None:
    with (HOME / name).open("a") as file:
        file.write(line + "\n")


def lines(name: str) -> list[str]:
    path = HOME / name
    return path.read_text().splitlines() if path.exists() else []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # One packet per answer, or each would wait 40 ms for an acknowledgement.

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if parts.path == "/ready":
            self.ready()
        elif parts.path == "/health":
            is_first = len(lines("starts")) == 1
            self.say(503 if is_first and "UNHEALTHY" in os.environ else 200, {"detail": "stuck"})
        elif parts.path == "/die":
            # Without an answer, as after kill -9. The second process answers.
            if len(lines("starts")) == 1:
                os._exit(9)
            self.say(200, self.description())
        elif parts.path == "/always-die":
            os._exit(9)
        else:
            if "seconds" in query:
                append("begun", self.path)
                time.sleep(float(query["seconds"]))
            self.say(200, self.description())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if "ce-id" not in self.headers:
            self.say(200, {**self.description(), "body": len(body)})
            return
        data = json.loads(body)
        before = sum(
            json.loads(line)["id"] == self.headers["ce-id"] for line in lines("seen.jsonl")
        )
        append("seen.jsonl", json.dumps({"id": self.headers["ce-id"], "at": time.time()}))
        time.sleep(data.get("seconds", 0))
        statuses = data.get("statuses", [200])
        status = statuses[min(before, len(statuses) - 1)]
        headers = {}
        if status == 200 and "reply" in data:
            headers = {
                "ce-specversion": "1.0",
                "ce-id": f"reply-{self.headers['ce-id']}",
                "ce-source": "/tiny",
                "ce-type": data["reply"],
                "ce-correlationid": self.headers.get("ce-correlationid", ""),
            }
        self.say(status, {"data": "of the answer"}, headers)

    def ready(self) -> None:
        if time.monotonic() < READY_AT:
            self.say(503, {"detail": "loading", "final": False})
        elif (reason := os.environ.get("NOT_READY")) and not (HOME / "store").exists():
            failures = int(os.environ.get("FAILURES", "0"))
            is_final = "FINAL" in os.environ
            self.say(503, {"detail": reason, "final": is_final, "failures": failures})
        else:
            self.say(200, {})

    def description(self) -> dict:
        return {
            "pid": os.getpid(),
            "revision": os.environ["K_REVISION"],
            "path": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "env": {k: v for k, v in os.environ.items() if k.startswith(("TASADOR_", "K_", "MO"))},
            "granted": (HOME / "endpoints.env").read_text().splitlines(),
            "cwd": os.getcwd(),
        }

    def say(self, status: int, content: dict, headers: dict | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def end(*_: object) -> None:
    append("ended", str(os.getpid()))
    os._exit(0)


append("starts", str(os.getpid()))
signal.signal(signal.SIGTERM, end)
if sys.argv[1] == "explain" and "BROKEN" in os.environ:
    sys.exit("tiny: broken on purpose")
if "LIFE" in os.environ:
    signal.alarm(int(os.environ["LIFE"]))
if "TAKEN" in os.environ and len(lines("starts")) == 1:
    # By a process that the gateway did not start.
    another = {k: v for k, v in os.environ.items() if k != "TAKEN"}
    another |= {"K_REVISION": "of somebody else", "TASADOR_HOME": os.environ["TAKEN"], "LIFE": "8"}
    shell = ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, __file__, sys.argv[1]]
    subprocess.run(shell, env=another, check=True)
    time.sleep(1.5)
    sys.exit("tiny: the port is taken")
ThreadingHTTPServer.request_queue_size = 512
ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
