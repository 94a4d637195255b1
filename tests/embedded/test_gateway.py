"""The gateway with small real function processes."""

import asyncio
import contextlib
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tasador.clock import now
from tasador.local import dead_letters
from tasador.local.gateway.daemon import end_functions
from tasador.local.probe import status_of
from tasador.local.process import started_at
from tasador.settings import Settings
from tests.kit.listener import http_sink
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

TINY = Path(__file__).parent / "functions" / "tiny.py"
TOKEN = "a-token-of-this-test"
PROMOTED = "tasador.model.promoted"
MADE = "tasador.prediction.made"
REQUESTED = "tasador.prediction.requested"


class Gateway:
    """A gateway process that may be killed and started again."""

    def __init__(
        self, home: Path, command: str = f"{sys.executable} -S {TINY} {{name}}", **environ: str
    ) -> None:
        self.home = home
        self.command = command
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {
            "TASADOR_BROKER_URL": f"{self.url}/broker",
            "TASADOR_FUNCTIONS_URL": self.url,
            "TASADOR_GATEWAY_ADMIN_URL": f"{self.url}/_admin",
            "TASADOR_GATEWAY_TOKEN": TOKEN,
            "TASADOR_DATABASE_URL": "postgresql://a-secret",
            "TASADOR_S3_SECRET_KEY": "another-secret",
            "TASADOR_DELIVERY_BACKOFF_SECONDS": "0.05",
            "TASADOR_DELIVERY_RETRIES": "3",
            "TASADOR_COLD_START_SECONDS": "8",
            **environ,
        }
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self.start()

    def start(self) -> None:
        log = (self.home / "gateway.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                (
                    *(sys.executable, "-m", "tasador.local.gateway"),
                    *("--home", str(self.home), "--port", str(self.port)),
                    *("--command", self.command),
                ),
                env={**os.environ, **self.environ},
                stderr=log,
            )
        wait_for(lambda: status_of(f"{self.url}/_admin/health") == 200, 120)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        try:
            assert self.process.wait(30) in (0, -signal.SIGTERM)
        finally:
            self.process.kill()
            end_functions(self.home)

    def admin(self, method: str, path: str, body: object = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {TOKEN}"}
        return self.client.request(method, f"/_admin{path}", json=body, headers=headers)

    def serve(self, service: str, *shares: tuple[str, int, str], **env: str) -> None:
        for revision, _, _ in shares:
            path = f"/services/{service}/revisions"
            assert self.admin("POST", path, {"revision": revision, "env": env}).status_code == 201
        traffic = [{"revision": r, "percent": p, "tag": t} for r, p, t in shares]
        answer = self.admin("PUT", f"/services/{service}/traffic", traffic)
        assert answer.status_code == 200, answer.text

    def publish(self, type_: str, id_: str, data: object, **more: str) -> httpx.Response:
        headers = {"ce-specversion": "1.0", "ce-id": id_, "ce-source": "/test", "ce-type": type_}
        headers |= {f"ce-{k}": v for k, v in more.items()}
        return self.client.post("/broker", headers=headers, json=data)

    def lines(self, function: str, name: str) -> list[str]:
        path = self.home / "functions" / function / name
        return path.read_text().splitlines() if path.exists() else []

    def seen(self, function: str) -> list[str]:
        return [json.loads(line)["id"] for line in self.lines(function, "seen.jsonl")]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    made: list[Gateway] = []

    def build(**environ: str) -> Gateway:
        made.append(Gateway(tmp_path, **environ))
        return made[-1]

    yield build
    for gateway in made:
        gateway.stop()


@pytest.fixture
def gateway(make: Callable[..., Gateway]) -> Gateway:
    return make()


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all requests that change nothing."""
    gateway = Gateway(tmp_path_factory.mktemp("refusing"))
    yield gateway
    gateway.stop()


def test_no_revision_answers_503(refusing):
    for path in ("/", "/ready", "/predict", "/explain", "/fn/predict/anything"):
        answer = refusing.client.get(path)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "no model is in service yet"
        assert int(answer.headers["retry-after"]) > 0
    assert refusing.client.get("/nowhere").status_code == 404
    assert refusing.client.get("/fn/nobody/x").json()["status"] == 404


def test_concurrent_cold_requests_start_one_process(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""), START_SECONDS="0.5")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: gateway.client.get("/model"), range(20)))
    assert {a.status_code for a in answers} == {200}
    assert len(gateway.lines("predict", "starts")) == 1


def test_requests_beyond_capacity_get_503_with_retry_after(make):
    gateway = make(TASADOR_COLD_START_SECONDS="240")
    gateway.serve("predict", ("predict-00001", 100, ""), NOT_READY="loading")

    async def ask_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=gateway.url, limits=limits, timeout=240, trust_env=False
        ) as client:
            asking = [asyncio.create_task(client.get("/model")) for _ in range(300)]
            # The process is not ready before all requests have come, however long that takes.
            while not (gateway.lines("predict", "starts") and sum(a.done() for a in asking) >= 44):
                await asyncio.sleep(0.03)
            (gateway.home / "functions" / "predict" / "store").touch()
            return await asyncio.gather(*asking)

    answers = asyncio.run(ask_all())
    statuses = [a.status_code for a in answers]
    assert statuses.count(200) == 256
    assert statuses.count(503) == 44
    assert all(a.headers["retry-after"] == "1" for a in answers if a.status_code == 503)
    assert gateway.client.get("/model").status_code == 200


def test_function_that_cannot_start_answers_503(make):
    gateway = make(command="/no/such/program {name}")
    gateway.publish(MADE, "p-1", {})
    answer = gateway.client.get("/reload")
    assert answer.status_code == 503
    assert "reload-00001 cannot be started" in answer.json()["detail"]
    letters = lambda: gateway.admin("GET", "/dead-letters").json()  # noqa: E731
    wait_for(letters)
    assert letters()[0]["status"] == 503


def test_request_and_response_are_proxied_unchanged(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    answer = gateway.client.post(
        "/fn/predict/a%20b/c?x=1&y=%26",
        content=b"x" * 1_000_000,
        headers={"x-request-id": "abc", "x-mine": "1", "content-type": "text/plain"},
    )
    described = gateway.client.get("/predict?seconds=0", headers={"x-mine": "2"}).json()
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "abc"
    assert described["path"] == "/predict?seconds=0"
    assert described["headers"]["x-mine"] == "2"
    assert len(described["headers"]["x-request-id"]) == 32
    path = gateway.client.get("/fn/predict/a%20b/c?x=1&y=%26").json()["path"]
    assert path == "/a%20b/c?x=1&y=%26"


def test_function_environment_has_only_the_settings_it_needs(gateway, checkout):
    gateway.serve("predict", ("predict-00001", 100, ""), MODEL_URI="s3://b/m")
    described = gateway.client.get("/model").json()
    assert described["env"]["MODEL_URI"] == "s3://b/m"
    assert described["env"]["K_SINK"] == f"{gateway.url}/broker"
    # Secrets are in a file, because an environment cannot be changed when they are rotated.
    assert "TASADOR_S3_SECRET_KEY=another-secret" in described["granted"]
    assert "a-secret" not in str(described)
    assert TOKEN not in str(described)
    assert described["env"]["TASADOR_HOME"] != str(gateway.home)
    assert described["cwd"] == str(checkout)
    granted = gateway.home / "functions" / "predict" / "endpoints.env"
    assert granted.stat().st_mode & 0o777 == 0o600
    reload_described = gateway.client.get("/reload").json()
    assert f"TASADOR_GATEWAY_TOKEN={TOKEN}" in reload_described["granted"]
    assert TOKEN not in str(reload_described["env"])


def test_rotated_secret_reaches_running_and_new_processes(make):
    gateway = make(TASADOR_LIVENESS_SECONDS="0.2")
    gateway.serve("predict", ("predict-00001", 100, ""))
    pid = gateway.client.get("/model").json()["pid"]
    (gateway.home / "endpoints.env").write_text("TASADOR_S3_SECRET_KEY=rotated\n")

    def granted():
        described = gateway.client.get("/model").json()
        assert described["pid"] == pid
        return "TASADOR_S3_SECRET_KEY=rotated" in described["granted"]

    wait_for(granted)
    record = gateway.client.get("/metrics/summary").json()
    assert "TASADOR_DATABASE_URL=postgresql://a-secret" in record["granted"]
    assert "S3_SECRET_KEY" not in str(record)


def test_process_that_fails_its_liveness_probe_is_started_again(make):
    gateway = make(TASADOR_LIVENESS_SECONDS="0.2")
    gateway.serve("predict", ("predict-00001", 100, ""), UNHEALTHY="1")
    assert gateway.client.get("/model").status_code == 200
    wait_for(lambda: gateway.lines("predict", "ended"))
    first, second = wait_for(
        lambda: (
            gateway.client.get("/model").status_code == 200
            and len(gateway.lines("predict", "starts")) == 2
            and gateway.lines("predict", "starts")
        )
    )
    assert gateway.lines("predict", "ended") == [first]
    assert str(gateway.client.get("/model").json()["pid"]) == second
    assert "function is started again" in (gateway.home / "gateway.log").read_text()


def test_process_that_fails_gives_its_reason_in_seconds_and_serves_once_it_can(make):
    gateway = make(TASADOR_COLD_START_SECONDS="60")
    why = {"NOT_READY": "the store is away", "FAILURES": "2"}
    gateway.serve("predict", ("predict-00001", 100, ""), **why)
    began = time.monotonic()
    answer = gateway.client.get("/model")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["detail"] == "predict-00001 is not ready: the store is away"
    assert time.monotonic() - began < 20
    (gateway.home / "functions" / "predict" / "store").touch()
    wait_for(lambda: gateway.client.get("/model").status_code == 200)
    assert len(gateway.lines("predict", "starts")) == 1


def test_body_over_the_limit_answers_413(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    for path in ("/predict", "/broker"):
        answer = gateway.client.post(path, content=b"x" * 16_000_001)
        assert answer.status_code == 413
        assert answer.json()["title"] == "Content Too Large"

    def pieces() -> Iterator[bytes]:
        yield from (b"x" * 1_000_000 for _ in range(17))

    assert gateway.client.post("/predict", content=pieces()).status_code == 413


def test_traffic_split_is_exact_and_tags_have_addresses(gateway):
    gateway.serve("predict", ("predict-00001", 90, ""), ("predict-00002", 10, "candidate"))
    served = [gateway.client.get("/model").json()["revision"] for _ in range(200)]
    assert served.count("predict-00001") == 180
    assert served.count("predict-00002") == 20
    # The ten percent are spread over time, not served in a lump.
    assert all(served[i : i + 10].count("predict-00002") == 1 for i in range(0, 200, 10))
    tagged = gateway.client.get("/fn/candidate-predict/model").json()
    assert tagged["revision"] == "predict-00002"


def test_killed_process_is_replaced_on_the_next_request(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    pid = gateway.client.get("/model").json()["pid"]
    for _ in range(3):
        os.kill(pid, signal.SIGKILL)
        answer = gateway.client.get("/model")
        assert answer.status_code == 200
        assert answer.json()["pid"] != pid
        pid = answer.json()["pid"]


def test_request_is_retried_when_its_process_dies(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    answer = gateway.client.get("/fn/predict/die")
    assert answer.status_code == 200
    assert len(gateway.lines("predict", "starts")) == 2
    # One that kills every process is given up, and the others are served on.
    assert gateway.client.get("/fn/predict/always-die").status_code == 502
    assert gateway.client.get("/model").status_code == 200


def test_scale_to_zero_waits_for_requests(make):
    gateway = make(TASADOR_SCALE_TO_ZERO_SECONDS="0.4")
    gateway.serve("predict", ("predict-00001", 100, ""))
    pid = gateway.client.get("/predict?seconds=1.5").json()["pid"]
    # Had its process ended, another one would have answered.
    assert gateway.lines("predict", "starts") == [str(pid)]
    wait_for(lambda: gateway.lines("predict", "ended") == [str(pid)])
    wait_for(lambda: started_at(pid) is None)
    assert gateway.client.get("/model").json()["pid"] != pid


def test_unready_candidate_reports_why(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    body = {"revision": "predict-00002", "env": {"NOT_READY": "the digest differs", "FINAL": "1"}}
    gateway.admin("POST", "/services/predict/revisions", body)
    path = "/services/predict/revisions/predict-00002/start"
    result = gateway.admin("POST", path, {"timeout_seconds": 20}).json()
    assert result == {"ready": False, "reason": "the digest differs"}
    # The gateway did not wait for the timeout: the function said that its answer is final.
    assert "function is not ready" in (gateway.home / "gateway.log").read_text()
    described = gateway.admin("GET", "/services/predict").json()["revisions"]
    assert [(r["name"], r["ready"]) for r in described] == [
        ("predict-00001", None),
        ("predict-00002", False),
    ]
    traffic = [
        {"revision": "predict-00001", "percent": 100, "tag": ""},
        {"revision": "predict-00002", "percent": 0, "tag": "candidate"},
    ]
    gateway.admin("PUT", "/services/predict/traffic", traffic)
    answer = gateway.client.get("/fn/candidate-predict/model")
    assert answer.status_code == 503
    assert "the digest differs" in answer.json()["detail"]
    assert gateway.client.get("/model").json()["revision"] == "predict-00001"


def test_process_that_exits_at_start_is_reported_with_its_log(gateway):
    body = {"revision": "explain-00001", "env": {"BROKEN": "1"}}
    gateway.admin("POST", "/services/explain/revisions", body)
    result = gateway.admin("POST", "/services/explain/revisions/explain-00001/start", {}).json()
    assert result["ready"] is False
    assert "broken on purpose" in result["reason"]


def test_other_process_on_the_port_gets_no_request(gateway, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    gateway.serve("predict", ("predict-00001", 100, ""), TAKEN=str(elsewhere))
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: gateway.client.get("/model"), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.json()["revision"] for answer in answers} == {"predict-00001"}
    assert len(gateway.lines("predict", "starts")) == 2
    assert (elsewhere / "starts").exists()


def test_unready_process_is_scaled_to_zero(make):
    gateway = make(TASADOR_SCALE_TO_ZERO_SECONDS="0.4", TASADOR_COLD_START_SECONDS="0.5")
    gateway.serve("predict", ("predict-00001", 100, ""), NOT_READY="the store is away")
    reason = "predict-00001 is not ready: the store is away"
    # On a busy machine a first answer may come before the process could give its reason.
    wait_for(lambda: gateway.client.get("/model").json()["detail"] == reason)
    wait_for(lambda: gateway.lines("predict", "ended"))


def test_slow_start_times_out(make):
    gateway = make(TASADOR_COLD_START_SECONDS="1")
    gateway.serve("predict", ("predict-00001", 100, ""), START_SECONDS="2.5")
    answer = gateway.client.get("/model")
    assert answer.status_code == 503
    # A busy machine may not have started the interpreter by then.
    reasons = [f"predict-00001 is not ready: {reason}" for reason in ("loading", "is starting")]
    assert answer.json()["detail"] in reasons
    assert answer.headers["retry-after"] == "1"
    wait_for(lambda: gateway.client.get("/model").status_code == 200)
    assert len(gateway.lines("predict", "starts")) == 1


def test_admin_api_checks_token_and_rules(gateway):
    assert gateway.client.get("/_admin/services").status_code == 401
    wrong = {"authorization": "Bearer wrong"}
    assert gateway.client.get("/_admin/events", headers=wrong).status_code == 401
    gateway.serve("predict", ("predict-00001", 100, ""), MODEL_VERSION="1")
    path = "/services/predict/revisions"
    same = {"revision": "predict-00001", "env": {"MODEL_VERSION": "1"}}
    assert gateway.admin("POST", path, same).status_code == 200
    other = {"revision": "predict-00001", "env": {"MODEL_VERSION": "2"}}
    assert gateway.admin("POST", path, other).status_code == 409
    assert gateway.admin("DELETE", f"{path}/predict-00001").status_code == 409
    lone = [{"revision": "predict-00001", "percent": 50}]
    assert gateway.admin("PUT", "/services/predict/traffic", lone).status_code == 400
    assert gateway.admin("PUT", "/services/predict/traffic", []).status_code == 200
    assert gateway.admin("DELETE", f"{path}/predict-00001").status_code == 204
    assert [s["name"] for s in gateway.admin("GET", "/services").json()] == [
        "predict",
        "explain",
        "reload",
        "record",
    ]


def test_services_survive_kill_9_of_the_gateway(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""), MODEL_VERSION="7")
    pid = gateway.client.get("/model").json()["pid"]
    gateway.kill()
    gateway.start()
    assert started_at(pid) is None
    answer = gateway.client.get("/model").json()
    assert answer["env"]["MODEL_VERSION"] == "7"
    assert answer["pid"] != pid


def nothing_is_pending(gateway: Gateway) -> bool:
    """Whether the gateway has noted the answer to every delivery."""
    return not any(event["pending"] for event in gateway.admin("GET", "/events").json())


def test_event_is_delivered_in_both_content_modes(gateway):
    assert gateway.publish(PROMOTED, "decision-1", {}).status_code == 202
    structured = {
        "specversion": "1.0",
        "id": "p-1",
        "source": "/test",
        "type": MADE,
        "correlationid": "c-1",
        "data": {"price": 1},
    }
    answer = gateway.client.post(
        "/broker",
        content=json.dumps(structured),
        headers={"content-type": "application/cloudevents+json"},
    )
    assert answer.status_code == 202
    wait_for(lambda: gateway.seen("reload") == ["decision-1"])
    wait_for(lambda: gateway.seen("record") == ["p-1"])
    wait_for(lambda: nothing_is_pending(gateway))
    newest, oldest = gateway.admin("GET", "/events?limit=10").json()
    assert (newest["id"], newest["correlationid"], oldest["type"]) == ("p-1", "c-1", PROMOTED)


@pytest.mark.parametrize("missing", ["ce-id", "ce-type", "ce-source", "ce-specversion"])
def test_broker_refuses_what_is_not_an_event(refusing, missing):
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t", "ce-type": MADE}
    del headers[missing]
    answer = refusing.client.post("/broker", headers=headers, json={})
    assert answer.status_code == 400
    assert missing.removeprefix("ce-") in answer.json()["detail"]
    assert refusing.admin("GET", "/events").json() == []


def accepted_before(gateway: Gateway, subscriber: str, *bodies: str) -> None:
    """Start the gateway again with the events, in JSON, that an earlier gateway accepted."""
    gateway.kill()
    with contextlib.closing(sqlite3.connect(gateway.home / "events.sqlite")) as journal, journal:
        for seq, body in enumerate(bodies, 1):
            journal.execute("INSERT INTO events VALUES (?, 0, ?)", (seq, body))
            journal.execute("INSERT INTO deliveries VALUES (?, ?, 0)", (seq, subscriber))
    gateway.start()


def test_delivery_is_retried_without_blocking_others(make):
    gateway = make(TASADOR_DELIVERY_BACKOFF_SECONDS="0.5")
    event = {"specversion": "1.0", "source": "/t", "type": PROMOTED}
    # Published one after the other, the second could come later than the first one's next attempt.
    accepted_before(
        gateway,
        "reload",
        json.dumps({**event, "id": "stubborn", "data": {"statuses": [500, 503, 200]}}),
        json.dumps({**event, "id": "easy", "data": {}}),
    )
    wait_for(lambda: gateway.seen("reload").count("stubborn") == 3)
    assert gateway.seen("reload") == ["stubborn", "easy", "stubborn", "stubborn"]
    times = [json.loads(line)["at"] for line in gateway.lines("reload", "seen.jsonl")]
    # A busy machine makes both longer, and neither shorter.
    assert times[2] - times[0] > 0.45
    assert times[3] - times[2] > 0.9, "the pause grows"
    assert gateway.admin("GET", "/dead-letters").json() == []


def test_broker_refuses_an_event_that_nobody_reads(refusing):
    answer = refusing.publish("com.example.other", "o-1", {})
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert "'com.example.other'" in detail
    assert all(name in detail for name in (MADE, PROMOTED, REQUESTED))
    assert refusing.admin("GET", "/events").json() == []


@pytest.mark.parametrize(
    ("headers", "body", "named"),
    [
        ({"ce-id": "z%FF"}, b"{}", "id"),
        ({"ce-time": "now"}, b"{}", "time"),
        ({"content-type": "application/json"}, b'{"bed": NaN}', "bed"),
        ({"content-type": "application/cloudevents+json"}, b'{"id": "\\ud800"}', "id"),
    ],
)
def test_broker_refuses_what_it_could_not_deliver(refusing, headers, body, named):
    whole = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t", "ce-type": MADE} | headers
    answer = refusing.client.post("/broker", headers=whole, content=body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert refusing.admin("GET", "/events").json() == []


def test_broker_reads_gzip_and_names_what_it_does_not_read(gateway):
    event = {"specversion": "1.0", "id": "p-1", "source": "/t", "type": MADE, "data": {}}
    headers = {"content-type": "application/cloudevents+json", "content-encoding": "gzip"}
    body = gzip.compress(json.dumps(event).encode())
    assert gateway.client.post("/broker", content=body, headers=headers).status_code == 202
    wait_for(lambda: gateway.seen("record") == ["p-1"])
    bomb = gzip.compress(bytes(100_000_000), 9)
    assert gateway.client.post("/broker", content=bomb, headers=headers).status_code == 413
    other = gateway.client.post(
        "/broker", content=body, headers=headers | {"content-encoding": "br"}
    )
    assert (other.status_code, other.headers["accept-encoding"]) == (415, "gzip")
    batch = {"content-type": "application/cloudevents-batch+json"}
    assert gateway.client.post("/broker", content=b"[]", headers=batch).status_code == 415


def test_event_that_cannot_be_sent_becomes_a_dead_letter_after_counted_attempts(gateway):
    """Older gateways accepted such events; then they were tried for ever, uncounted."""
    event = {"specversion": "1.0", "source": "/t", "type": MADE, "data": {"bed": 3}}
    accepted_before(
        gateway,
        "record",
        json.dumps({**event, "id": "not-finite", "data": float("nan")}),
        json.dumps({**event, "id": "lone-\ud800"}),
        json.dumps({**event, "id": "good"}),
    )
    letters = lambda: gateway.admin("GET", "/dead-letters").json()  # noqa: E731
    wait_for(lambda: len(letters()) == 2)
    wait_for(lambda: gateway.seen("record") == ["good"])
    by_id = {letter["event"]["id"]: letter["reason"] for letter in letters()}
    assert "it could not be sent" in by_id["not-finite"]
    assert "id" in by_id["lone-\ud800"]
    log = [json.loads(x) for x in (gateway.home / "gateway.log").read_text().splitlines()]
    attempts = [x["attempt"] for x in log if x.get("id") == "not-finite" and "attempt" in x]
    assert attempts == [1, 2, 3, 4], "once and three times more"
    wait_for(lambda: nothing_is_pending(gateway))
    # A replay counts again, and ends again.
    assert gateway.admin("POST", "/dead-letters/replay", {"ids": []}).json() == {"replayed": 2}
    wait_for(lambda: len(letters()) == 2)


def test_reply_that_is_no_event_is_a_failed_delivery(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    gateway.publish(REQUESTED, "ask", {"reply": "", "statuses": [200]})
    letters = lambda: gateway.admin("GET", "/dead-letters").json()  # noqa: E731
    wait_for(lambda: len(letters()) == 1)
    assert "the reply is not a readable event: type" in letters()[0]["reason"]


@pytest.mark.parametrize(
    "path", ["/_admin/events?limit=", "/_admin/dead-letters?x=", "/predictions/"]
)
@pytest.mark.parametrize(
    "value", ["%00", "%ED%A0%80", "%B2", "%C2%B2", "9" * 5000, "0" * 5000, "-1", "a" * 60_000]
)
def test_no_get_of_the_gateway_is_a_500(refusing, path, value):
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = refusing.client.get(f"{path}{value}", headers=headers)
    assert answer.status_code < 500, answer.text
    odd = refusing.client.get(path, headers=headers | {"host": "[::"})
    assert odd.status_code < 500, odd.text


def tasador(gateway: Gateway, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tasador", "dead-letters", *arguments],
        env={**os.environ, **gateway.environ, "TASADOR_HOME": str(gateway.home), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_dead_letters_are_stored_and_replayed(gateway):
    gateway.publish(MADE, "refused", {"statuses": [422, 200]}, correlationid="c-9")
    gateway.publish(MADE, "hopeless", {"statuses": [500, 500, 500, 500, 200]})
    letters = lambda: gateway.admin("GET", "/dead-letters").json()  # noqa: E731
    wait_for(lambda: len(letters()) == 2)
    assert gateway.seen("record").count("refused") == 1, "422 is not tried again"
    assert gateway.seen("record").count("hopeless") == 4, "once and three times more"
    by_id = {letter["event"]["id"]: letter for letter in letters()}
    assert by_id["refused"]["status"] == 422
    assert by_id["refused"]["event"]["correlationid"] == "c-9"
    assert "of the answer" in by_id["hopeless"]["reason"]
    assert len((gateway.home / "dead-letters.jsonl").read_text().splitlines()) == 2
    listed = json.loads(tasador(gateway, "list", "--json"))
    assert listed == letters()
    assert "422" in tasador(gateway, "list")
    # A letter for a function that is no more is kept, and does not end the replay.
    orphan = {**listed[0], "subscriber": "gone"}
    with (gateway.home / "dead-letters.jsonl").open("a") as file:
        file.write(json.dumps(orphan) + "\n")
    old = {**orphan, "time": (now() - timedelta(days=40)).isoformat()}
    with (gateway.home / "dead-letters.jsonl").open("a") as file:
        file.write(json.dumps(old) + "\n")
    settings = Settings.load({**gateway.environ, "TASADOR_HOME": str(gateway.home)})
    assert list(dead_letters.prune(settings)) == []
    settings = settings._replace(keep_dead_letters_days=30)
    for dry_run, left in ((True, 4), (False, 3)):
        (pruned,) = dead_letters.prune(settings, dry_run=dry_run)
        assert (pruned.what, pruned.count) == ("dead letters of the gateway", 1)
        assert len(letters()) == left
    assert [pruned.count for pruned in dead_letters.prune(settings)] == [0]
    for before in ("", "?before=soon", "?before=2026-01-01"):
        assert gateway.admin("DELETE", f"/dead-letters{before}").status_code == 400
    assert "1 event " in tasador(gateway, "replay", "hopeless")
    wait_for(lambda: gateway.seen("record").count("hopeless") == 5)
    assert [letter["event"]["id"] for letter in letters()] == ["refused", "refused"]
    assert "1 event " in tasador(gateway, "replay")
    wait_for(lambda: gateway.seen("record").count("refused") == 2)
    assert letters() == [orphan]
    assert "0 events " in tasador(gateway, "replay")


def test_event_reply_is_published(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    gateway.publish(REQUESTED, "ask", {"reply": MADE}, correlationid="c-3")
    wait_for(lambda: gateway.seen("record") == ["reply-ask"])
    assert gateway.admin("GET", "/events?limit=1").json()[0]["correlationid"] == "c-3"


def test_pending_events_survive_kill_9(make):
    gateway = make(TASADOR_DELIVERY_RETRIES="50", TASADOR_DELIVERY_BACKOFF_SECONDS="0.2")
    ids = [f"ask-{n}" for n in range(30)]
    for id_ in ids:  # No model serves, so they wait.
        assert gateway.publish(REQUESTED, id_, {"reply": MADE}).status_code == 202
    # One is being worked on when the gateway dies.
    gateway.publish(PROMOTED, "in-work", {"seconds": 1.0})
    wait_for(lambda: gateway.seen("reload") == ["in-work"])
    gateway.kill()
    gateway.start()
    gateway.serve("predict", ("predict-00001", 100, ""))
    wait_for(lambda: sorted(gateway.seen("predict")) == sorted(ids), 60)
    wait_for(lambda: len(set(gateway.seen("record"))) == 30, 60)
    wait_for(lambda: gateway.seen("reload") == ["in-work", "in-work"], 30)


def test_sigterm_finishes_requests_and_ends_functions(gateway):
    gateway.serve("predict", ("predict-00001", 100, ""))
    pid = gateway.client.get("/model").json()["pid"]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(gateway.client.get, "/predict?seconds=1.5")
        wait_for(lambda: gateway.lines("predict", "begun"))
        gateway.process.terminate()
        assert answer.result().status_code == 200
    assert gateway.process.wait(20) in (0, -signal.SIGTERM)
    assert started_at(pid) is None
    assert gateway.lines("predict", "ended") == [str(pid)]


def test_gateway_logs_json_with_correlation_id(gateway):
    gateway.publish(MADE, "p-1", {}, correlationid="c-7")
    wait_for(lambda: gateway.seen("record") == ["p-1"])
    lines = [json.loads(x) for x in (gateway.home / "gateway.log").read_text().splitlines()]
    event = next(x for x in lines if x["message"] == "event")
    assert event["correlation_id"] == "c-7"
    assert event["time"].endswith("+00:00")


def test_subscribers_outside_the_platform_get_their_events(make):
    with http_sink(note=lambda h, body: (h["ce-type"], json.loads(body))) as (made, all_made):
        with http_sink() as (everything, all_events):
            gateway = make(TASADOR_SUBSCRIBERS=f"{MADE}={made}, {everything}")
            assert gateway.publish(MADE, "m1", {"price": 1}).status_code == 202
            assert gateway.publish("tasador.model.rejected", "r1", {}).status_code == 202
            wait_for(lambda: len(all_events) == 2 and len(all_made) == 1)
            assert all_made == [(MADE, {"price": 1})]
            wait_for(lambda: gateway.seen("record") == ["m1"])
        # One that is down gets its events later, and holds up nobody else.
        gateway.publish(MADE, "m2", {})
        wait_for(lambda: len(all_made) == 2 and gateway.seen("record") == ["m1", "m2"])
        letter = wait_for(lambda: gateway.admin("GET", "/dead-letters").json())[0]
        assert (letter["subscriber"], letter["event"]["id"]) == (everything, "m2")
        # A subscriber that is configured no more is forgotten.
        wait_for(lambda: nothing_is_pending(gateway))
        gateway.kill()
        gateway.environ["TASADOR_SUBSCRIBERS"] = ""
        gateway.start()
        assert gateway.publish(MADE, "m3", {}).status_code == 202
        wait_for(lambda: gateway.seen("record") == ["m1", "m2", "m3"])
        assert len(all_made) == 2


def test_events_are_tailed_as_they_arrive(gateway, tmp_path):
    gateway.publish("tasador.model.rejected", "r1", {"version": 4})
    gateway.publish("tasador.model.waiting", "w1", {})
    tail = [sys.executable, "-m", "tasador", "events", "tail"]
    environ = {**os.environ, **gateway.environ, "TASADOR_HOME": str(tmp_path)}
    once = [*tail, "--no-follow", "--json", "--type", "model.rejected"]
    shown = subprocess.run(once, env=environ, capture_output=True, text=True, check=True).stdout
    (event,) = map(json.loads, shown.splitlines())
    assert (event["id"], event["type"], event["data"]) == (
        "r1",
        "tasador.model.rejected",
        {"version": 4},
    )
    assert "seq" not in event
    with subprocess.Popen(
        [*tail, "--last", "1"], env=environ, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert "tasador.model.waiting" in process.stdout.readline()
        gateway.publish("tasador.model.rejected", "r2", {})
        line = process.stdout.readline()
        assert "tasador.model.rejected" in line
        assert "/test" in line
        process.terminate()
    wrong = subprocess.run([*tail, "--type", "x"], env=environ, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "tasador.prediction.made" in wrong.stderr
