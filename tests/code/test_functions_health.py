"""Probes: /ready is strict, /health/readiness routes callers to the reason, /health restarts."""

import itertools
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from functions import endpoints as module
from functions import model as served
from functions import peers
from functions.endpoints import UNREADY_SECONDS, Endpoints
from functions.function import Function
from functions.http import REASON_SECONDS, HttpProblem, Request, not_ready, reply
from tasador.errors import BundleError, ConfigurationError, StoreRefused, StoreUnavailable
from tasador.events.event import MODEL_UNAVAILABLE


class Clock:
    """Stands for ``time`` in the endpoints."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    perf_counter = monotonic


@pytest.fixture
def probed(monkeypatch):
    """Endpoints of a function in a state that the test sets, its clock, and their probes."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    state = {"problem": not_ready("is being loaded")}

    def check_ready():
        if state["problem"] is not None:
            raise state["problem"]

    view = lambda _request: reply({})  # noqa: E731
    function = Function(
        name="tiny", index=view, on_json=view, on_event=view, check_ready=check_ready
    )
    endpoints = Endpoints(function)

    def probe(path):
        return endpoints.probe(Request(method="GET", path=path, headers={}))

    return endpoints, state, clock, probe


PROBES = ("/health", "/ready", "/health/readiness")


def test_process_that_fails_gets_requests_after_a_while_and_is_started_again_later(probed):
    _, state, clock, probe = probed
    assert [probe(path).status for path in PROBES] == [200, 503, 503]
    state["problem"] = not_ready("the key is refused", failures=3)
    clock.now += REASON_SECONDS
    assert [probe(path).status for path in PROBES] == [200, 503, 200]
    assert b"the key is refused" in probe("/health/readiness").body
    clock.now += UNREADY_SECONDS
    assert [probe(path).status for path in PROBES] == [503, 503, 200]
    assert b"not ready for 305 s: the key is refused" in probe("/health").body
    state["problem"] = None
    assert [probe(path).status for path in PROBES] == [200, 200, 200]
    # The time counts from the last answer that was ready.
    state["problem"] = not_ready("the database is away", failures=1)
    assert [probe(path).status for path in PROBES] == [200, 503, 503]


def test_process_that_fails_gets_no_requests_while_another_serves(probed):
    _, state, clock, probe = probed
    state["problem"] = not_ready("the key is refused", failures=3, has_peer=True)
    clock.now += UNREADY_SECONDS
    assert [probe(path).status for path in PROBES] == [503, 503, 503]


@pytest.mark.parametrize(
    ("statuses", "serves"), [([200], True), ([503, 200], True), ([503], False)]
)
def test_peers_are_asked_as_probes_through_the_private_service(monkeypatch, statuses, serves):
    answers, seen = itertools.chain(statuses, itertools.repeat(statuses[-1])), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers["user-agent"]))
            self.send_response(next(answers))
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        is_ready = peers._is_ready
        monkeypatch.setattr(
            peers,
            "_is_ready",
            lambda host: hosts.append(host) or is_ready("127.0.0.1", server.server_port),
        )
        hosts = []
        assert peers.another_serves() is False  # outside Knative
        monkeypatch.setenv("K_REVISION", "predict-00007")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        assert peers.another_serves() is serves
        server.shutdown()
    assert set(hosts) == {"predict-00007-private"}
    assert all(path == "/ready" and agent.startswith("kube-probe/") for path, agent in seen)
    # The server is gone: nothing answers.
    assert is_ready("127.0.0.1", server.server_port) is False


def test_first_attempt_keeps_callers_waiting_however_long_it_takes(probed):
    _, _, clock, probe = probed
    clock.now += 10 * REASON_SECONDS
    assert probe("/health/readiness").status == 503


def test_wrong_setting_is_given_to_callers_and_ends_the_process_too(probed):
    _, state, clock, probe = probed
    state["problem"] = ConfigurationError("TASADOR_RECORDING is 'x'")
    clock.now += UNREADY_SECONDS
    assert [probe(path).status for path in PROBES] == [503, 503, 200]


def test_ending_process_is_alive_and_gets_no_requests(probed):
    endpoints, state, clock, probe = probed
    state["problem"] = not_ready("the key is refused", failures=3)
    clock.now += 2 * UNREADY_SECONDS
    endpoints.end()
    assert [probe(path).status for path in PROBES] == [200, 503, 503]


# -- loading the model: whatever failed before, it loads once it can ------------------------------

ERRORS = (
    StoreUnavailable("no answer"),
    StoreRefused("HTTP 403"),
    BundleError("manifest.json does not exist"),
    BundleError("model.ubj is damaged"),
    BundleError("holds the bundle with digest 0000"),
    OSError(28, "No space left on device"),
    MemoryError(),
    RuntimeError("xgboost"),
)


@pytest.mark.parametrize("seed", range(5))
def test_load_gets_over_every_failure_in_any_order(monkeypatch, seed):
    failures = random.Random(seed).sample(ERRORS, len(ERRORS))
    pauses = []
    answers = itertools.chain(failures, itertools.repeat(None))

    def load(_environ):
        if (error := next(answers)) is not None:
            raise error
        raise _Loaded

    # Loading itself needs a real bundle; here the attempt ends with it.
    model = served.ServedModel()

    def sleep(seconds):
        pauses.append(seconds)
        with pytest.raises(HttpProblem) as raised:
            model.require()
        assert raised.value.extra["final"] is False
        assert raised.value.extra["failures"] == len(pauses)
        assert raised.value.headers["Retry-After"]
        error = failures[len(pauses) - 1]
        assert str(error) in raised.value.detail or repr(error) in raised.value.detail

    monkeypatch.setattr(served.time, "sleep", sleep)
    monkeypatch.setattr(served, "_load", load)
    with pytest.raises(_Loaded):
        model.load()
    assert len(pauses) == len(ERRORS)
    assert pauses == sorted(pauses)
    assert max(pauses) <= 15


def test_outage_is_published_once(monkeypatch):
    seconds, published = itertools.count(0, 2), []
    answers = itertools.chain([StoreRefused("HTTP 403")] * 9, itertools.repeat(None))

    def load(_environ):
        raise next(answers) or _Loaded

    monkeypatch.setattr(served.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(served.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(served, "_load", load)
    monkeypatch.setenv("K_SINK", "http://broker")
    monkeypatch.setenv("K_SERVICE", "predict")
    monkeypatch.setattr(
        "tasador.events.publish.publish", lambda event, url, key: published.append((event, url))
    )
    with pytest.raises(_Loaded):
        served.ServedModel().load()
    ((event, url),) = published
    assert (event.type, url) == (MODEL_UNAVAILABLE, "http://broker")
    assert event.data["service"] == "predict"
    assert "HTTP 403" in event.data["reason"]


class _Loaded(BaseException):
    """Ends ``load`` where the bundle would be there."""
