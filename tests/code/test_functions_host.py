"""The host of the functions: overload, limits, HTTP, and the end of the process."""

import contextlib
import gzip
import importlib.util
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from functions import connection, host, json_text, limits
from functions.http import Response, reply
from functions.limits import MAX_INLINE_BYTES, MAX_INLINE_RUN
from functions.server import Server
from tests.kit.broker import adjustable_broker
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.waiting import wait_for

ROOT = Path(__file__).parents[2]
PROBES = ("/health", "/ready", "/health/liveness", "/health/readiness")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host") / "bundle"
    make_bundle(folder, rows=400)
    return folder


@pytest.fixture(scope="module")
def predict(folder, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with function("predict", home, MODEL_URI=str(folder)) as client:
        wait_for(lambda: is_ready(client))
        yield client


def connect(client):
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=40)


def answer_of(sock):
    """Status and head of one answer, its body read to the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65_536)
        assert piece, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(65_536)
    return int(head.split()[1]), head.decode().lower(), body


def metric(client, series):
    """The value of a series in the metrics; 0 where it does not exist yet."""
    lines = [x for x in client.metrics().splitlines() if x.startswith(series)]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0


def resident(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


# -- overload and limits --------------------------------------------------------------------------


def test_full_queue_answers_503_and_probes_still_answer(folder, tmp_path):
    env = {"TASADOR_RECORDING": "required", "QUEUE": "16"}
    with (
        adjustable_broker() as broker,
        function("predict", tmp_path, MODEL_URI=str(folder), K_SINK=broker.url, **env) as client,
    ):
        wait_for(lambda: is_ready(client))
        # One client for all: each would create a TLS context.
        shared = httpx.Client(
            base_url=client.base_url, timeout=20, limits=httpx.Limits(max_connections=200)
        )

        def refused():
            """How many requests were refused, by the metrics that operators see."""
            labels = '{method="POST",route="/predict",status="5xx"}'
            return metric(client, f"tasador_http_requests_total{labels}")

        def call():
            return [shared.post("/predict", json={"bed": 3}) for _ in range(5)]

        # Every worker waits for the broker until it opens.
        broker.open.clear()
        with ThreadPoolExecutor(100) as callers:
            calls = [callers.submit(call) for _ in range(100)]
            # The queue is full, and the probes are answered although no worker is free.
            wait_for(refused)
            assert broker.ids() == []
            for path in PROBES:
                assert client.get(path).status_code == 200
            broker.open.set()
            answers = [answer for call in calls for answer in call.result()]
        shared.close()
        counts = dict.fromkeys((200, 503), 0)
        for answer in answers:
            counts[answer.status_code] += 1
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "1"
                assert answer.json()["status"] == 503
        assert counts[200] >= 20
        assert counts[503] > 0
        assert len(broker.ids()) == counts[200]
        # Predictions that waited at the same time shared an event.
        assert len(broker.events) < counts[200]
        assert is_ready(client)
        assert resident(client.process) < 250
        assert refused() == counts[503]


def test_long_bodies_held_at_once_are_limited(predict):
    before = resident(predict.process)
    body = b'{"columns": {"bed": [' + b" " * (limits.MAX_BODY_BYTES - 200_000)
    head = (
        b"POST /batch_predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n" % (len(body) + 100)
    )
    socks = [connect(predict) for _ in range(20)]
    try:
        for sock in socks:
            sock.sendall(head + body)
        assert predict.get("/health").status_code == 200
        assert resident(predict.process) - before < 200
        for sock in socks:
            sock.sendall(b" " * 97 + b"]}}")
        statuses = [answer_of(sock)[0] for sock in socks]
    finally:
        for sock in socks:
            sock.close()
    # A held body is an invalid request; one beyond the limit is dropped.
    assert set(statuses) == {422, 503}
    assert statuses.count(503) == 20 - 64_000_000 // limits.MAX_BODY_BYTES
    assert predict.post("/predict", json={}).status_code == 200


@pytest.mark.parametrize("sent", ["length", "chunks"])
def test_body_over_the_limit_is_413(predict, sent):
    body = b" " * 9_000_000
    content = iter([body[:1_000_000]] * 9) if sent == "chunks" else body
    answer = predict.post("/batch_predict", content=content)
    assert answer.status_code == 413
    assert "9,000,000 bytes; the limit is 8,000,000" in answer.json()["detail"]


class Named:
    """A handler that answers with the name of the thread that answers; /long has a long answer."""

    probes = ()

    def answers_inline(self, method, path):
        return (method, path) == ("POST", "/inline")

    def answer(self, request):
        if request.path == "/long":
            return Response(b" " * 20_000_000, "text/plain")
        return reply([threading.current_thread().name, len(request.read())])

    def refuse(self, request, problem):
        return problem.response()


@pytest.fixture
def server():
    """A server in this process; its reading thread is named reader."""
    server = Server(Named(), None, host="127.0.0.1", port=0, threads=2, queue=64)
    reader = threading.Thread(target=server.run, name="reader", daemon=True)
    reader.start()
    yield server
    server.end()
    reader.join(10)
    assert server.drain(10) == 0
    server.trigger.close()


def test_request_that_arrives_too_slowly_is_408(server, monkeypatch):
    slow, silent = (
        socket.create_connection(("127.0.0.1", server.effective_port), timeout=40) for _ in range(2)
    )
    with slow, silent:
        silent.sendall(b"POST /predict HTTP/1.1\r\nhost:")
        slow.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{")
        monkeypatch.setattr("functions.server.ARRIVAL_SECONDS", 0.5)
        with selectors.DefaultSelector() as arriving:
            arriving.register(slow, selectors.EVENT_READ)
            # It keeps sending, a byte at a time, and is rejected nevertheless.
            while not arriving.select(0.05):
                slow.sendall(b" ")
        status, head, body = answer_of(slow)
        assert (status, json.loads(body)["status"]) == (408, 408)
        assert "connection: close" in head
        assert answer_of(silent)[0] == 408
        for sock in (slow, silent):
            assert sock.recv(1) == b""


def test_idle_connections_make_room_for_new_ones(predict):
    # More than the server accepts; the last of them wait in the listen queue.
    socks = [connect(predict) for _ in range(520)]
    try:
        wait_for(lambda: httpx.get(f"{predict.base_url}/health", timeout=20).status_code == 200)
        assert httpx.post(f"{predict.base_url}/predict", json={}, timeout=20).status_code == 200
    finally:
        for sock in socks:
            sock.close()


def test_inline_answers_run_in_the_reading_thread_and_others_in_workers(server):
    sizes = (0, MAX_INLINE_BYTES, MAX_INLINE_BYTES + 1)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.effective_port}", timeout=20) as client:
        inline = [client.post("/inline", content=b" " * size).json() for size in sizes]
        others = [client.put("/inline").json()[0], client.post("/worker").json()[0]]
    assert inline[:2] == [["reader", 0], ["reader", MAX_INLINE_BYTES]]
    assert inline[2][0].startswith("worker-")
    assert inline[2][1] == MAX_INLINE_BYTES + 1
    assert all(name.startswith("worker-") for name in others)


def test_pipelined_inline_and_worker_answers_keep_their_order(server):
    paths = [b"/inline", b"/worker", b"/inline", b"/inline", b"/worker"]
    with socket.create_connection(("127.0.0.1", server.effective_port), timeout=20) as sock:
        sock.sendall(
            b"".join(
                b"POST %s HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (path, n, b" " * n)
                for n, path in enumerate(paths)
            )
        )
        data = b""
        while data.count(b"]") < 5:
            data += sock.recv(65_536)
    assert re.findall(rb",(\d)\]", data) == [b"0", b"1", b"2", b"3", b"4"]


def test_long_run_of_pipelined_requests_is_left_to_workers(server):
    request = b"POST /inline HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.effective_port), timeout=20) as sock:
        sock.sendall(request * (MAX_INLINE_RUN + 5))
        data = b""
        while data.count(b"]") < MAX_INLINE_RUN + 5:
            data += sock.recv(65_536)
        threads = re.findall(rb"reader|worker", data)
        assert threads == [b"reader"] * MAX_INLINE_RUN + [b"worker"] * 5
        sock.sendall(request)
        assert b"reader" in sock.recv(65_536)


def test_reply_does_not_need_orjson(monkeypatch):
    monkeypatch.setitem(sys.modules, "orjson", ModuleType("orjson"))
    # Another test of this process may have switched to orjson.
    monkeypatch.setattr(json_text, "_encode", json_text._standard_answer)
    assert reply({"price": 1.5}).body == b'{"price":1.5}'


# -- HTTP -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /predict HTTP/1.1\r\ncontent-length: abc\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /predict HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 300_000 + b"\r\n\r\n", 431),
    ],
)
def test_malformed_http_is_a_problem_document(predict, sent, status):
    sock = connect(predict)
    sock.sendall(sent)
    answered, head, body = answer_of(sock)
    assert (answered, json.loads(body)["status"]) == (status, status)
    assert "application/problem+json" in head
    assert "x-request-id" in head
    # What the server did not read of it makes a reset of the end.
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""
    sock.close()
    assert predict.get("/health").status_code == 200


def test_pipelined_requests_are_answered_in_order(predict):
    sock = connect(predict)
    post = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    sock.sendall(b"GET /health HTTP/1.1\r\n\r\n" + post + b"GET /model HTTP/1.1\r\n\r\n" + post)
    data = b""
    while data.count(b"prediction_id") < 2:
        piece = sock.recv(65_536)
        assert piece, data
        data += piece
    places = [data.index(b'"alive"'), data.index(b"prediction_id"), data.index(b'"git_sha"')]
    assert places == sorted(places)
    sock.close()


def test_concurrent_connections_get_equal_shares(predict):
    post = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    asking = [connect(predict) for _ in range(16)]
    answered = dict.fromkeys(asking, 0)
    with selectors.DefaultSelector() as arriving:
        for sock in asking:
            arriving.register(sock, selectors.EVENT_READ)
            sock.sendall(post)
        # Each asks again as soon as it is answered.
        while sum(answered.values()) < 1_600:
            for key, _ in arriving.select(30):
                assert answer_of(key.fileobj)[0] == 200
                answered[key.fileobj] += 1
                key.fileobj.sendall(post)
    for sock in asking:
        sock.close()
    # In the order of connecting, the shares would range from 78 to 120.
    assert max(answered.values()) - min(answered.values()) <= 4, sorted(answered.values())


def test_closed_connection_is_not_logged_as_an_error(predict):
    for _ in range(3):
        with connect(predict) as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert answer_of(sock)[0] == 200
        # The reading thread has seen the end of that connection when it has answered this.
        assert predict.get("/health").status_code == 200
    # Once a later line is written, so are all before.
    predict.get("/model", headers={"x-request-id": "after-closing"})
    log = wait_for(lambda: "after-closing" in (text := predict.log.read_text()) and text)
    assert '"level": "error"' not in log


def test_connection_header_keeps_or_closes_the_connection(predict):
    for version, header, closes in (
        ("1.1", "", False),
        ("1.1", "connection: close\r\n", True),
        ("1.0", "", True),
        ("1.0", "connection: keep-alive\r\n", False),
    ):
        for request in ("POST /predict", "GET /health", "GET /model"):
            sock = connect(predict)
            content = "content-length: 2\r\n\r\n{}" if "POST" in request else "\r\n"
            sock.sendall(f"{request} HTTP/{version}\r\nhost: x\r\n{header}{content}".encode())
            assert answer_of(sock)[0] == 200
            if closes:
                assert sock.recv(1) == b""
            else:
                sock.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
                assert answer_of(sock)[0] == 200
            sock.close()


def test_head_has_no_body_and_wrong_method_is_405_with_allow(predict):
    for path in ("/health", "/ready"):
        answer = predict.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        refused = predict.post(path, content=b"{}")
        assert refused.status_code == 405
        assert "GET" in refused.headers["allow"]
    assert "POST" in predict.get("/batch_predict").headers["allow"]


def test_request_id_is_returned_by_every_route(predict):
    for method, path in (("POST", "/predict"), ("GET", "/model"), ("GET", "/nowhere")):
        answer = predict.request(method, path, json={}, headers={"x-request-id": "mine"})
        assert answer.headers["x-request-id"] == "mine"
        long = predict.request(method, path, json={}, headers={"x-request-id": "m" * 65})
        assert len(long.headers["x-request-id"]) == 32


# -- the end --------------------------------------------------------------------------------------


def test_sigterm_answers_requests_in_progress_and_closes_connections(folder, tmp_path):
    with adjustable_broker() as broker:
        env = {"K_SINK": broker.url, "TASADOR_RECORDING": "required"}
        with function("predict", tmp_path, MODEL_URI=str(folder), **env) as client:
            wait_for(lambda: is_ready(client))
            idle, busy = connect(client), [connect(client) for _ in range(8)]
            broker.open.clear()
            for sock in busy:
                sock.sendall(b"POST /predict HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
            wait_for(lambda: broker.received)
            os.kill(client.process.pid, signal.SIGTERM)
            assert idle.recv(1) == b""
            broker.open.set()
            answers = [answer_of(sock) for sock in busy]
            assert [status for status, _, _ in answers] == [200] * 8
            assert all("connection: close" in head for _, head, _ in answers)
            assert client.process.wait(20) == 0
            ids = [json.loads(body)["prediction_id"] for _, _, body in answers]
            assert sorted(broker.ids()) == sorted(ids)
            for sock in (idle, *busy):
                sock.close()


def test_sigkill_loses_no_answered_prediction(folder, tmp_path):
    with adjustable_broker() as broker:
        broker.delay = 0.02
        env = {"K_SINK": broker.url, "TASADOR_RECORDING": "required"}
        with function("predict", tmp_path, MODEL_URI=str(folder), **env) as client:
            wait_for(lambda: is_ready(client))
            answered = []

            def call():
                with httpx.Client(base_url=client.base_url, timeout=20) as own:
                    while True:
                        try:
                            answer = own.post("/predict", json={})
                        except httpx.TransportError:
                            return
                        if answer.status_code == 200:
                            answered.append(answer.json()["prediction_id"])

            callers = [threading.Thread(target=call) for _ in range(8)]
            for caller in callers:
                caller.start()
            # However busy the machine is.
            wait_for(lambda: len(answered) > 100)
            os.kill(client.process.pid, signal.SIGKILL)
            for caller in callers:
                caller.join()
            assert set(answered) <= set(broker.ids())


# -- numpy without docstrings ---------------------------------------------------------------------


def test_numpy_has_the_modules_that_the_host_leaves_out():
    """Else ``host.NUMPY_DOCSTRINGS`` would save nothing, and nobody would know."""
    for name in host.NUMPY_DOCSTRINGS:
        assert importlib.util.find_spec(name) is not None, name


def test_a_function_serves_without_numpy_docstrings():
    code = (
        "from functions import host; host.without_docstrings(); import numpy; "
        "assert numpy.empty.__doc__ is None; import functions.predict.func"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# -- long answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [0, 1, 1 << 20])
def test_the_rest_of_a_long_answer_is_copied_once_and_what_was_sent_is_not_kept(sent):
    data = bytes(range(256)) * (1 << 14)
    tracemalloc.start()
    try:
        rest = connection._after(data, sent)
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size <= peak < (len(data) - sent if sent else 0) + 100_000
    assert len(rest) == len(data) - sent
    assert rest.get() == data[sent:]


def test_the_rest_of_a_short_answer_is_bytes():
    assert connection._after(b"abc", 1) == b"bc"
    assert connection._after(b"abc", 3) == b""


# -- clients that do not take their answers -------------------------------------------------------

# Some two hundred bytes that are answered by seven megabytes.
SMALL_BATCH = gzip.compress(b"[" + b",".join([b"{}"] * 10_000) + b"]")
BATCH_REQUEST = (
    b"POST /batch_predict HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(SMALL_BATCH), SMALL_BATCH)
)


def test_clients_that_leave_long_answers_keep_no_worker_from_others(predict):
    with contextlib.ExitStack() as stack:
        # As many as there are workers, each with more than it may leave.
        silent = [stack.enter_context(connect(predict)) for _ in range(4)]
        for each in silent:
            each.sendall(8 * BATCH_REQUEST)
        answer = predict.post("/batch_predict", json=[{"bed": 3}], timeout=30)
        assert answer.status_code == 200
        # What was ready arrives whole; then the connection ends.
        status, _, body = answer_of(silent[0])
        assert status == 200
        assert len(json.loads(body)["predictions"]) == 10_000


def test_client_that_takes_nothing_for_long_is_closed(server, monkeypatch):
    monkeypatch.setattr("functions.server.TAKING_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        silent.connect(("127.0.0.1", int(server.effective_port)))
        silent.sendall(b"POST /long HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        wait_for(lambda: server.active_channels)
        wait_for(lambda: not server.active_channels)
