"""The course's API as `tasador source serve` offers it, over real HTTP."""

import json
import signal
import subprocess
import sys

import httpx
import pytest

from tasador.errors import ConfigurationError
from tasador.listings.listing import COLUMNS, canonical_line, read_row
from tasador.source.server import SourceServer, build_app
from tasador.source.simulator import generate
from tests.kit.source import served

BATCHES = [generate(3, "steady", number, 40) for number in range(6)]
TUESDAY = {"group_number": 5, "day": "Tuesday"}


def get(url, path="/data", **query):
    return httpx.get(url + path, params=TUESDAY | query, timeout=20)


def test_data_gives_each_batch_once_then_400():
    with served(BATCHES) as url:
        for number, rows in enumerate(BATCHES):
            answer = get(url)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            head = {"group_number": 5, "day": "Tuesday", "batch_number": number}
            assert answer.json() == {**head, "data": rows}
            assert list(answer.json()) == ["group_number", "day", "batch_number", "data"]
        for _ in range(2):
            answer = get(url)
            assert answer.status_code == 400
            words = "Ya se recolectó toda la información minima necesaria"
            assert answer.json() == {"detail": words}


def test_list_form():
    with served(BATCHES, form="list") as url:
        rows = get(url).json()["data"]
    assert len(rows) == 40
    for row, given in zip(rows, BATCHES[0], strict=True):
        assert row == ["" if given[c] is None else str(given[c]) for c in COLUMNS]
        assert canonical_line(*read_row(row)) == canonical_line(*read_row(given))


def test_groups_and_days_are_independent():
    with served(BATCHES) as url:
        assert [get(url).json()["batch_number"] for _ in range(3)] == [0, 1, 2]
        assert get(url, group_number=6).json()["batch_number"] == 0
        assert get(url, day="Wednesday").json()["batch_number"] == 0
        assert get(url).json()["batch_number"] == 3


def test_restart_one_group_and_day():
    with served(BATCHES) as url:
        get(url), get(url), get(url, group_number=6)
        answer = get(url, "/restart_data_generation")
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
        assert get(url).json()["batch_number"] == 0
        assert get(url, group_number=6).json()["batch_number"] == 1


@pytest.mark.parametrize("path", ["/data", "/restart_data_generation"])
@pytest.mark.parametrize("group", [0, 11, -1])
def test_unknown_group(path, group):
    with served(BATCHES) as url:
        answer = get(url, path, group_number=group)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Número de grupo inválido"})


def test_refusals_without_accents():
    with served(BATCHES[:1], accents=False) as url:
        get(url)
        words = "Ya se recolecto toda la informacion minima necesaria"
        assert get(url).json() == {"detail": words}
        assert get(url, group_number=0).json() == {"detail": "Numero de grupo invalido"}


@pytest.mark.parametrize(
    ("query", "place", "kind"),
    [
        ({"day": "Tuesday"}, ["query", "group_number"], "missing"),
        ({"group_number": "5"}, ["query", "day"], "missing"),
        ({"group_number": "five", "day": "Tuesday"}, ["query", "group_number"], "int_parsing"),
        ({"group_number": "5", "day": "Someday"}, ["query", "day"], "enum"),
    ],
)
def test_unreadable_query_is_422_in_fastapi_form(query, place, kind):
    with served(BATCHES) as url:
        for path in ("/data", "/restart_data_generation"):
            answer = httpx.get(url + path, params=query)
            assert answer.status_code == 422
            (problem,) = answer.json()["detail"]
            assert problem["loc"] == place
            assert problem["type"] == kind
            assert problem["input"] == query.get(place[1])
        assert get(url).json()["batch_number"] == 0


def test_every_seconds_repeats_a_batch():
    now = [1000.0]
    with served(BATCHES[:2], every_seconds=300, clock=lambda: now[0]) as url:
        first = get(url).content
        now[0] += 299
        assert get(url).content == first
        now[0] += 1
        assert get(url).json()["batch_number"] == 1
        now[0] += 299
        assert get(url).json()["batch_number"] == 1
        now[0] += 1
        assert get(url).status_code == 400
        get(url, "/restart_data_generation")
        assert get(url).json()["batch_number"] == 0


def test_health_and_unknown_paths():
    with served(BATCHES) as url:
        health = httpx.get(url + "/health")
        assert (health.status_code, health.json()) == (200, {"status": "OK"})
        assert httpx.get(url + "/nothing").json() == {"detail": "Not Found"}
        # A HEAD or a POST must not use a batch up.
        assert httpx.head(url + "/data", params=TUESDAY).status_code == 405
        assert httpx.post(url + "/data", params=TUESDAY).status_code == 405
        assert get(url).json()["batch_number"] == 0


def test_empty_batch():
    with served([[]]) as url:
        assert get(url).json()["data"] == []


def test_address_in_use():
    with served(BATCHES) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}"):
            SourceServer(build_app([]), "127.0.0.1", port)


@pytest.mark.parametrize("form", ["object", "list"])
def test_serve_source_as_a_process(tmp_path, form):
    program = (
        "from tasador.source.verbs import serve_source; serve_source(simulate=11, scenario='demo', "
        f"rows=50, form={form!r}, on_ready=lambda url: print(url, flush=True))"
    )
    bodies = []
    for hash_seed in ("1", "2"):
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            env={"TMPDIR": str(tmp_path), "PYTHONHASHSEED": hash_seed},
        ) as process:
            url = process.stdout.readline().strip()
            bodies.append([get(url).content for _ in range(7)])
            assert list(tmp_path.iterdir()) == []
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    assert bodies[0] == bodies[1]
    data = json.loads(bodies[0][4])["data"]
    if form == "object":
        assert data == generate(11, "demo", 4, 50)
