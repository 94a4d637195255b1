"""Many users at once on the whole surface of an embedded platform: does any request fail?"""

from __future__ import annotations

import itertools
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.report import machine, table
from tasador.local.platform import Platform
from tasador.model.bundle import Bundle
from tasador.rollout.backend import Revision, Target
from tasador.rollout.local import LocalBackend
from tasador.settings import Settings

HOME = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}
EVENT = {
    "ce-specversion": "1.0",
    "ce-source": "/bench",
    "ce-type": "tasador.prediction.requested",
}
HISTORIES = ("/models", "/batches", "/rollouts", "/monitoring", "/ledger", "/changes")
_HISTORY = "GET /predictions/history?limit=50"
# Seconds that a user looks at an answer, at most.
_PAUSE = 0.2
_TIMEOUT = 30.0


def run(bundle: Path, users: int, seconds: float) -> str:
    """``users`` threads send every kind of request for ``seconds``; the result as Markdown."""
    home = Path(tempfile.mkdtemp(prefix="tasador-users-"))
    platform = Platform(home)
    try:
        settings = platform.up(web=False)
        with _serving(settings, bundle):
            crowd = [User(settings, number, seconds) for number in range(users)]
            for user in crowd:
                user.start()
            for user in crowd:
                user.join()
    finally:
        platform.down()
        shutil.rmtree(home)
    failures = sum((user.failures for user in crowd), Counter[str]())
    times: dict[str, list[float]] = {}
    for user in crowd:
        for kind, took in user.times:
            times.setdefault(kind, []).append(1000 * took)
    rows = [
        [kind, f"{len(took):,}", f"{statistics.median(took):,.0f}", f"{_p99(took):,.0f}"]
        for kind, took in sorted(times.items())
    ]
    requests = sum(map(len, times.values()))
    verdict = "no failure" if not failures else f"FAILURES: {dict(failures)}"
    return (
        f"`./taskw bench:serve -- --users {users}` on {machine()}: {users} users for "
        f"{seconds:g} s, {requests:,} requests, {verdict}.\n\n"
        + table(["request", "answers", "p50, ms", "p99, ms"], rows)
    )


@contextmanager
def _serving(settings: Settings, bundle: Path) -> Iterator[None]:
    manifest = Bundle.load(bundle).manifest
    env = {"MODEL_URI": str(bundle), "MODEL_DIGEST": manifest.digest}
    with LocalBackend(settings) as backend:
        for service in ("predict", "explain"):
            name = f"{service}-00001"
            backend.create(service, Revision(name=name, env=env))
            backend.direct(service, (Target(name, 100, ""),))
            started, reason = backend.start(service, name, 60)
            if not started:
                raise SystemExit(reason)
        yield


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))]


class User(threading.Thread):
    """Sends one request after another, each kind in turn, with short pauses."""

    def __init__(self, settings: Settings, number: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._settings, self._number, self._seconds = settings, number, seconds
        self.times: list[tuple[str, float]] = []
        self.failures: Counter[str] = Counter()
        self._recorded = ""

    def run(self) -> None:
        """Until the time is over."""
        until = time.monotonic() + self._seconds
        pause = random.Random(self._number)
        url = self._settings.functions_url
        with httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=False) as client:
            kinds = itertools.islice(itertools.cycle(self._kinds(client)), self._number, None)
            for kind, send in kinds:
                if time.monotonic() >= until:
                    return
                self._send(kind, send)
                time.sleep(pause.uniform(0, _PAUSE))

    def _send(self, kind: str, send: Callable[[], httpx.Response]) -> None:
        began = time.perf_counter()
        try:
            answer = send()
        except httpx.HTTPError as error:
            self.failures[f"{kind}: {type(error).__name__}"] += 1
            return
        self.times.append((kind, time.perf_counter() - began))
        if not answer.is_success:
            self.failures[f"{kind}: {answer.status_code}"] += 1
        elif kind == _HISTORY and (known := answer.json()["predictions"]):
            self._recorded = known[0]["prediction_id"]

    def _kinds(self, client: httpx.Client) -> list[tuple[str, Callable[[], httpx.Response]]]:
        def get(path: str) -> tuple[str, Callable[[], httpx.Response]]:
            return f"GET {path}", lambda: client.get(path)

        def of_one(path: str) -> tuple[str, Callable[[], httpx.Response]]:
            """A request about a recorded prediction; the history while none is known."""
            history = _HISTORY.partition(" ")[2]
            return (
                f"GET {path.format('ID')}",
                lambda: client.get(path.format(self._recorded) if self._recorded else history),
            )

        def post(path: str, body: Any) -> tuple[str, Callable[[], httpx.Response]]:
            return f"POST {path}", lambda: client.post(path, json=body)

        broker = self._settings.broker_url
        numbers = itertools.count()

        def event() -> httpx.Response:
            headers = {**EVENT, "ce-id": f"{self._number}-{next(numbers)}"}
            return client.post(broker, json=HOME, headers=headers)

        return [
            post("/predict", HOME),
            post("/batch_predict", [HOME] * 50),
            post("/explain", HOME),
            *map(get, ("/", "/health", "/ready", "/model", "/states", "/places")),
            ("POST /broker", event),
            get(_HISTORY.partition(" ")[2]),
            *map(of_one, ("/predictions/{}", "/predictions/{}/lineage", "/report/{}")),
            get("/metrics/summary"),
            *map(get, HISTORIES),
            *map(get, ("/openapi.json", "/docs")),
        ]
