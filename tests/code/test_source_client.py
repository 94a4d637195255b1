"""The source's client against real servers, sound ones and ones that misbehave."""

import gzip
import json
import time
import tracemalloc

import pytest

from tasador.errors import ConfigurationError, ServiceUnavailable, SourceError, SourceExhausted
from tasador.source import SourceClient, rows
from tasador.source.simulator import generate
from tests.kit.source import http, scripted, served

BATCHES = [generate(3, "steady", number, 40) for number in range(2)]
PAYLOAD = {"group_number": 5, "day": "Tuesday", "batch_number": 4, "data": BATCHES[0]}
BODY = json.dumps(PAYLOAD).encode()
GOOD = http(200, PAYLOAD)
WORDS = "Ya se recolectó toda la información mínima necesaria"


def client(url, **options):
    return SourceClient(url, 5, "Tuesday", **({"retries": 2, "backoff": 0.001} | options))


@pytest.mark.parametrize("form", ["object", "list"])
def test_fetches_to_a_file_and_decodes_both_forms(tmp_path, form):
    path = tmp_path / "batch.json"
    with served(BATCHES, form=form) as url:
        for number, batch in enumerate(BATCHES):
            fetched = client(url).fetch(path)
            assert (fetched.group_number, fetched.day) == (5, "Tuesday")
            assert fetched.batch_number == number
            assert fetched.size == path.stat().st_size
            values = [["" if v is None else str(v) for v in row.values()] for row in batch]
            assert list(rows(path)) == (batch if form == "object" else values)
        with pytest.raises(SourceExhausted):
            client(url).fetch(path)
    assert [p.name for p in tmp_path.iterdir()] == ["batch.json"]


def test_restart_begins_again(tmp_path):
    with served(BATCHES) as url:
        for number in (0, 1):
            assert client(url).fetch(tmp_path / "b").batch_number == number
        client(url).restart()
        assert client(url).fetch(tmp_path / "b").batch_number == 0


def test_a_path_before_the_api_is_kept(tmp_path):
    with scripted(GOOD) as (url, asked):
        client(url + "/course/").fetch(tmp_path / "b")
    assert asked == ["GET /course/data?group_number=5&day=Tuesday HTTP/1.1"]


@pytest.mark.parametrize(
    "answer",
    [
        http(400, {"detail": WORDS}),
        http(400, json.dumps({"detail": WORDS}, ensure_ascii=False).encode()),
        http(400, {"detail": "YA SE RECOLECTO TODA LA INFORMACION MINIMA NECESARIA"}),
        http(400, {"detail": [{"msg": WORDS}]}),
        http(404, {"error": {"message": WORDS}}),
        http(400, WORDS.encode()),
        http(200, {"detail": WORDS}),
        http(200, [WORDS]),
    ],
)
def test_used_up_is_known_in_every_wording_and_shape(tmp_path, answer):
    with scripted(answer) as (url, asked):
        with pytest.raises(SourceExhausted):
            client(url).fetch(tmp_path / "b")
        assert len(asked) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (http(400, {"detail": "Número de grupo inválido"}), "400: Número de grupo inválido"),
        (http(422, {"detail": [{"msg": "Field required"}]}), "422: .*Field required"),
        (http(500, b"Internal Server Error"), "500: Internal Server Error"),
        (http(404, b"<html><style>p {}</style><p>Not <b>here</b></p>"), "404: Not here"),
        (http(200, b"<html><p>Please log in</p></html>"), "without a batch: Please log in"),
        (http(200, b""), "without a batch: nothing"),
        (http(200, {"batch_number": 1}), "without a batch"),
        (http(200, []), "without a batch"),
        (http(200, {"batch_number": 1, "data": "none"}), "data is no list"),
        (http(200, {"batch_number": 1, "data": {"a": 1}}), "data is no list"),
        (http(200, {"batch_number": 1, "data": None}), "data is no list"),
        (http(200, {"group_number": 5, "data": []}), "no batch_number"),
        (http(200, {"batch_number": True, "data": []}), "batch_number is 'True'"),
        (http(200, {"batch_number": "four", "data": []}), "batch_number is 'four'"),
        (http(200, {"group_number": 6, "batch_number": 1, "data": []}), "group 6 instead of 5"),
        (http(200, b'{"batch_number": nope, "data": []}'), "not the JSON"),
        (http(200, b'{"group_number": 5, "data": [1, 2}}'), "not the JSON"),
        (http(204, b""), "204: nothing"),
    ],
)
def test_an_answer_that_is_no_batch_is_told_in_the_servers_words_at_once(tmp_path, answer, says):
    with scripted(answer, GOOD) as (url, asked):
        with pytest.raises(SourceError, match=says) as raised:
            client(url).fetch(tmp_path / "b")
        assert len(asked) == 1
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_group_is_refused_by_the_real_server(tmp_path):
    with served(BATCHES) as url:
        wrong = SourceClient(url, 12, "Tuesday")
        with pytest.raises(SourceError, match=r"group 12.*Número de grupo inválido"):
            wrong.fetch(tmp_path / "b")
        with pytest.raises(SourceError, match="Número de grupo inválido"):
            wrong.restart()


@pytest.mark.parametrize(
    "passing",
    [
        http(502, b"Bad Gateway"),
        http(503, {"detail": "starting"}),
        http(504, b""),
        http(429, b""),
        b"",  # the connection is closed without an answer
        http(200, BODY[: len(BODY) // 2], length=len(BODY)),
        http(200, BODY[: len(BODY) // 2]),  # half of it, framed as if it were all
        http(200, BODY[: len(BODY) // 2], length=""),
        http(200, BODY[: BODY.index(b"}", 500) + 1], length=""),  # broken off between two rows
        http(200, BODY[:9], length=""),
        http(200, b"5\r\n{abcd\r\n", head="transfer-encoding: chunked\r\n", length=""),
        http(200, gzip.compress(BODY)[:-200], head="content-encoding: gzip\r\n", length=""),
    ],
)
def test_what_may_pass_is_tried_again(tmp_path, passing):
    with scripted(passing, passing, GOOD) as (url, asked):
        assert client(url).fetch(tmp_path / "b").batch_number == 4
        assert len(asked) == 3
    assert list(rows(tmp_path / "b")) == BATCHES[0]
    with scripted(passing) as (url, asked):
        with pytest.raises(ServiceUnavailable, match="in 3 tries"):
            client(url).fetch(tmp_path / "c")
        assert len(asked) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_no_server_and_a_silent_one_are_unavailable(tmp_path):
    with scripted(GOOD) as (url, _):
        pass
    with pytest.raises(ServiceUnavailable, match="no whole answer in 3 tries: ConnectError"):
        client(url).fetch(tmp_path / "b")
    with pytest.raises(ServiceUnavailable):
        client(url).restart()


def test_pauses_grow_and_are_bounded(tmp_path):
    with scripted(http(503, b"")) as (url, asked):
        began = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            client(url, retries=3, backoff=0.1).fetch(tmp_path / "b")
        # 0.1, 0.2, 0.4 seconds, each shortened by half at most.
        assert 0.35 <= time.monotonic() - began < 5
        assert len(asked) == 4


def test_brackets_inside_text_do_not_look_like_a_broken_body(tmp_path):
    payload = PAYLOAD | {"data": [{"city": "[[{", "price": 1}]}
    with scripted(http(200, payload)) as (url, _):
        client(url).fetch(tmp_path / "b")
    assert list(rows(tmp_path / "b")) == payload["data"]


@pytest.mark.parametrize(
    "payload",
    [
        {"data": BATCHES[0], "batch_number": "4", "group_number": "5"},
        {"batch_number": 4, "data": BATCHES[0]},
    ],
)
def test_older_heads_are_understood(tmp_path, payload):
    with scripted(http(200, payload)) as (url, _):
        fetched = client(url).fetch(tmp_path / "b")
    assert (fetched.group_number, fetched.day, fetched.batch_number) == (5, "Tuesday", 4)


def test_rows_tells_where_the_json_turns_out_to_be_broken(tmp_path):
    path = tmp_path / "b"
    path.write_bytes(b'{"batch_number": 1, "data": [{"bed": 3}, {"bed": NaN}]}')
    given = rows(path)
    assert next(given) == {"bed": 3}
    with pytest.raises(SourceError, match="invalid"):
        next(given)


@pytest.mark.parametrize("url", ["", "course:80", "ftp://course", "http://[::"])
def test_an_address_that_is_none_names_the_setting(tmp_path, url):
    with pytest.raises(ConfigurationError, match="TASADOR_SOURCE_URL"):
        client(url).fetch(tmp_path / "b")


def test_restart_wants_the_servers_yes():
    with (
        scripted(http(200, b"<html>log in</html>")) as (url, _),
        pytest.raises(SourceError, match="log in"),
    ):
        client(url).restart()
    with scripted(http(503, b""), http(200, ["ok"])) as (url, asked):
        client(url).restart()
        assert asked[-1].startswith("GET /restart_data_generation?group_number=5&day=Tuesday")


def test_memory_stays_small_while_a_large_batch_comes(tmp_path):
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
