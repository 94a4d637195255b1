"""The source's client against the course's API and against servers that misbehave."""

import gzip
import json
import re
import socket
import threading
import time
import tracemalloc
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from tasador import clock
from tasador.errors import ConfigurationError, ServiceUnavailable, SourceError, SourceExhausted
from tasador.source import client as source_client
from tasador.source import received
from tasador.source.client import SourceClient
from tasador.source.payload import rows
from tasador.source.simulator import generate
from tests.kit.source import http, scripted, served

BATCHES = [generate(3, "steady", number, 40) for number in range(2)]
PAYLOAD = {"group_number": 5, "day": "Tuesday", "batch_number": 4, "data": BATCHES[0]}
BODY = json.dumps(PAYLOAD).encode()
GOOD = http(200, PAYLOAD)
USED_UP = "Ya se recolectó toda la información mínima necesaria"


def client(url, **options):
    return SourceClient(url, 5, "Tuesday", **({"retries": 2, "backoff": 0.001} | options))


@pytest.mark.parametrize("form", ["object", "list"])
def test_fetch_and_decode_both_forms(tmp_path, form):
    path = tmp_path / "batch.json"
    with served(BATCHES, form=form) as url:
        for number, batch in enumerate(BATCHES):
            fetched = client(url).fetch(path)
            assert (fetched.group_number, fetched.day) == (5, "Tuesday")
            assert fetched.batch_number == number
            assert fetched.size == path.stat().st_size
            values = [["" if v is None else str(v) for v in row.values()] for row in batch]
            assert [row.raw for row in rows(path)] == (batch if form == "object" else values)
        with pytest.raises(SourceExhausted):
            client(url).fetch(path)
    assert [p.name for p in tmp_path.iterdir()] == ["batch.json"]


def test_restart(tmp_path):
    with served(BATCHES) as url:
        for number in (0, 1):
            assert client(url).fetch(tmp_path / "b").batch_number == number
        client(url).restart()
        assert client(url).fetch(tmp_path / "b").batch_number == 0


def test_url_with_a_path(tmp_path):
    with scripted(GOOD) as (url, requests):
        client(url + "/course/").fetch(tmp_path / "b")
    assert requests == ["GET /course/data?group_number=5&day=Tuesday HTTP/1.1"]


@pytest.mark.parametrize(
    "answer",
    [
        http(400, {"detail": USED_UP}),
        http(400, json.dumps({"detail": USED_UP}, ensure_ascii=False).encode()),
        http(400, {"detail": "YA SE RECOLECTO TODA LA INFORMACION MINIMA NECESARIA"}),
        http(400, {"detail": [{"msg": USED_UP}]}),
        http(404, {"error": {"message": USED_UP}}),
        http(400, USED_UP.encode()),
        http(200, {"detail": USED_UP}),
        http(200, [USED_UP]),
    ],
)
def test_used_up_in_every_wording_and_shape(tmp_path, answer):
    with scripted(answer) as (url, requests):
        with pytest.raises(SourceExhausted):
            client(url).fetch(tmp_path / "b")
        assert len(requests) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (http(400, {"detail": "Número de grupo inválido"}), "400: Número de grupo inválido"),
        (http(404, b"[" * 20_000), "404: .*"),
        (http(422, {"detail": [{"msg": "Field required"}]}), "422: .*Field required"),
        (http(404, b"<html><style>p {}</style><p>Not <b>here</b></p>"), "404: Not here"),
        (http(200, b"<html><p>Please log in</p></html>"), "without a batch: Please log in"),
        (http(200, b""), "without a batch: nothing"),
        (http(200, {"batch_number": 1}), "without a batch"),
        (http(200, []), "without a batch"),
        (http(200, {"batch_number": 1, "data": "none"}), "data is text, not a list"),
        (http(200, {"batch_number": 1, "data": {"a": 1}}), "data is an object, not a list"),
        (http(200, {"batch_number": 1, "data": None}), "data is a single value, not a list"),
        (http(200, {"group_number": 5, "data": []}), "no batch_number"),
        (http(200, {"batch_number": True, "data": []}), "batch_number is 'True'"),
        (http(200, {"batch_number": "four", "data": []}), "batch_number is 'four'"),
        (http(200, {"batch_number": 2**31, "data": []}), "batch_number is 2147483648, at most"),
        (http(200, {"batch_number": "9" * 5_000, "data": []}), "batch_number is 9999.*, at most"),
        (http(200, b'{"batch_number": NaN, "data": []}'), "batch_number is 'nan'"),
        (http(200, {"group_number": 6, "batch_number": 1, "data": []}), "group 6 instead of 5"),
        (http(200, b'{"batch_number": nope, "data": []}'), "not the JSON"),
        (http(200, b'{"group_number": 5, "data": [1, 2}}'), "not the JSON"),
        (http(204, b""), "204: nothing"),
    ],
)
def test_answer_without_a_batch_raises_the_servers_message(tmp_path, answer, says):
    with scripted(answer, GOOD) as (url, requests):
        with pytest.raises(SourceError, match=says) as raised:
            client(url).fetch(tmp_path / "b")
        assert len(requests) == 1
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_unknown_group(tmp_path):
    with served(BATCHES) as url:
        wrong = SourceClient(url, 12, "Tuesday")
        with pytest.raises(SourceError, match=r"group 12.*Número de grupo inválido"):
            wrong.fetch(tmp_path / "b")
        with pytest.raises(SourceError, match="Número de grupo inválido"):
            wrong.restart()


@pytest.mark.parametrize(
    "passing",
    [
        http(500, b"Internal Server Error"),
        http(502, b"Bad Gateway"),
        http(503, {"detail": "starting"}),
        http(504, b""),
        http(429, b""),
        b"",  # the connection closes without an answer
        http(200, BODY[: len(BODY) // 2], length=len(BODY)),
        http(200, BODY[: len(BODY) // 2]),  # half of the body, framed as if it were complete
        http(200, BODY[: len(BODY) // 2], length=""),
        http(200, BODY[: BODY.index(b"}", 500) + 1], length=""),  # truncated between two rows
        http(200, BODY[:9], length=""),
        http(200, b"5\r\n{abcd\r\n", head="transfer-encoding: chunked\r\n", length=""),
        http(200, gzip.compress(BODY)[:-200], head="content-encoding: gzip\r\n", length=""),
    ],
)
def test_temporary_failures_are_retried(tmp_path, passing):
    with scripted(passing, passing, GOOD) as (url, requests):
        assert client(url).fetch(tmp_path / "b").batch_number == 4
        assert len(requests) == 3
    assert [row.raw for row in rows(tmp_path / "b")] == BATCHES[0]
    with scripted(passing) as (url, requests):
        with pytest.raises(ServiceUnavailable, match="in 3 tries"):
            client(url).fetch(tmp_path / "c")
        assert len(requests) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_no_server(tmp_path):
    with scripted(GOOD) as (url, _):
        pass
    with pytest.raises(ServiceUnavailable, match="no whole answer in 3 tries: ConnectError"):
        client(url).fetch(tmp_path / "b")
    with pytest.raises(ServiceUnavailable):
        client(url).restart()


def test_pauses_between_retries(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(clock.time, "sleep", pauses.append)
    with scripted(http(503, b"")) as (url, requests):
        with pytest.raises(ServiceUnavailable):
            client(url, retries=8, backoff=0.2).fetch(tmp_path / "b")
        assert len(requests) == 9
    longest = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0]
    assert len(pauses) == len(longest)
    for pause, most in zip(pauses, longest, strict=True):
        assert most / 2 <= pause <= most


@pytest.mark.parametrize(
    "payload", [PAYLOAD, {"data": PAYLOAD["data"], **PAYLOAD}], ids=["rows last", "head last"]
)
def test_a_payload_is_not_parsed_to_tell_that_it_is_complete(tmp_path, monkeypatch, payload):
    """Which takes longer than fetching it."""
    monkeypatch.setattr(source_client, "is_truncated", lambda path: pytest.fail("parsed"))
    with scripted(http(200, payload)) as (url, _):
        assert client(url).fetch(tmp_path / "b").batch_number == 4


@pytest.mark.parametrize(
    ("row", "end"), [({"photos": ["u"]}, b"]}"), ({"city": "]}"}, b"]}"), ({"rooms": [{}]}, b"}]}")]
)
def test_half_an_answer_that_ends_like_a_whole_one_is_asked_for_again(tmp_path, row, end):
    whole = json.dumps({"batch_number": 4, "data": [row, row]}).encode()
    cut = whole[: whole.index(end) + len(end)]
    with scripted(http(200, cut), http(200, whole)) as (url, requests):
        assert client(url).fetch(tmp_path / "b").size == len(whole)
        assert len(requests) == 2


def test_brackets_inside_text_are_not_a_truncated_body(tmp_path):
    payload = PAYLOAD | {"data": [{"city": "[[{", "price": 1}]}
    with scripted(http(200, payload)) as (url, _):
        client(url).fetch(tmp_path / "b")
    assert [row.raw for row in rows(tmp_path / "b")] == payload["data"]


@pytest.mark.parametrize(
    "payload",
    [
        {"data": BATCHES[0], "batch_number": "4", "group_number": "5"},
        {"batch_number": 4, "data": BATCHES[0]},
        json.dumps({"batch_number": 4, "data": BATCHES[0]}, indent=1).encode() + b"\n",
    ],
)
def test_heads_of_older_servers(tmp_path, payload):
    with scripted(http(200, payload)) as (url, _):
        fetched = client(url).fetch(tmp_path / "b")
    assert (fetched.group_number, fetched.day, fetched.batch_number) == (5, "Tuesday", 4)


@pytest.mark.parametrize("url", ["", "course:80", "ftp://course", "http://[::"])
def test_invalid_url_names_the_setting(tmp_path, url):
    with pytest.raises(ConfigurationError, match="TASADOR_SOURCE_URL"):
        client(url).fetch(tmp_path / "b")


def test_restart_answered_with_a_page():
    with (
        scripted(http(200, b"<html>log in</html>")) as (url, _),
        pytest.raises(SourceError, match="log in"),
    ):
        client(url).restart()
    with scripted(http(503, b""), http(200, ["ok"])) as (url, requests):
        client(url).restart()
        assert requests[-1].startswith("GET /restart_data_generation?group_number=5&day=Tuesday")


def test_fetch_and_rows_use_constant_memory(tmp_path):
    path = tmp_path / "large"
    with served([generate(1, "steady", 0, 25_000)]) as url:
        tracemalloc.start()
        try:
            fetched = client(url).fetch(path)
            count = sum(1 for _ in rows(path))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count == 25_000
    assert fetched.size > 6_000_000
    assert peak < 3_000_000


@contextmanager
def slow(begin, chunk, pause):
    """A server that sends ``begin``, then a chunk every ``pause`` seconds for as long as it may.

    Yields its URL and the event that ends it.
    """
    listener, ended = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(begin)
                while not ended.wait(pause):
                    connection.sendall(chunk)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", ended
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


HEAD = b'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"batch_number": 0, "data": ['


@pytest.fixture
def stopped_clock(monkeypatch):
    """The clock of answers, which only the test moves: ``seconds``."""
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(received, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    return clock


def test_a_source_that_hangs_is_given_up(tmp_path):
    with slow(b"", b"", 9) as (url, _), pytest.raises(ServiceUnavailable, match="ReadTimeout"):
        client(url, retries=0, timeout=0.3).fetch(tmp_path / "b")


@pytest.mark.usefixtures("stopped_clock")
def test_a_source_that_hangs_is_reported_while_it_does(tmp_path):
    messages = []

    def say(text):
        messages.append(text)
        if len(messages) == 2:
            ended.set()

    with slow(b"", b"", 60) as (url, ended), pytest.raises(ServiceUnavailable, match="disconnect"):
        client(url, retries=0, said_every=0.05, say=say).fetch(tmp_path / "b")
    assert messages[0] == f"waiting for the source at {url}: nothing in 0 s"
    assert SourceClient("http://source", 5, "Tuesday").said_every < 30
    count = len(messages)
    time.sleep(0.1)
    assert len(messages) == count


def test_a_slow_drip_ends(tmp_path, stopped_clock):
    messages = []

    def say(text):
        messages.append(text)
        if "bytes" in text:
            stopped_clock.seconds = 101

    with (
        slow(HEAD, b" ", 0.01) as (url, _),
        pytest.raises(ServiceUnavailable, match=r"it sent [\d,]+ bytes in 100 s, and no end"),
    ):
        client(url, retries=0, longest=100, said_every=0.05, say=say).fetch(tmp_path / "b")
    assert any(re.search(r": [\d,]+ bytes in 0 s", text) for text in messages)
    assert list(tmp_path.iterdir()) == []


def test_an_endless_answer_ends(tmp_path):
    with (
        slow(HEAD, b" " * 100_000, 0) as (url, _),
        pytest.raises(SourceError, match="sent more than 1,000,000 bytes in one answer"),
    ):
        client(url, retries=0, largest=1_000_000).fetch(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_plain_500_is_tried_again(tmp_path):
    with scripted(http(500, b"Internal Server Error"), GOOD) as (url, requests):
        assert client(url).fetch(tmp_path / "b").batch_number == 4
    assert len(requests) == 2
