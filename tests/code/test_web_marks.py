"""What record says, asked once for all visitors of the web app."""

import asyncio
import sys
from types import SimpleNamespace

import httpx
import pytest

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import marks
from tasador_web.client import ApiError, Functions
from tasador_web.early import Early


class Record:
    """Answers as record does, and counts; ``seconds`` is the clock of who asks."""

    def __init__(self):
        self.seconds = 1000.0
        self.mark, self.marks_asked, self.lists_asked = "a", 0, 0

    def __call__(self, request):
        if request.url.path == "/changes":
            self.marks_asked += 1
            return httpx.Response(200, json={"mark": self.mark})
        self.lists_asked += 1
        return httpx.Response(200, json={"batches": [{"mark": self.mark}]})


@pytest.fixture
def record(monkeypatch):
    """A record, which the pages' client calls."""
    record = Record()
    client = Functions("http://record")
    client._http = httpx.AsyncClient(transport=httpx.MockTransport(record))
    monkeypatch.setattr(marks, "functions", lambda: client)
    monkeypatch.setattr(marks, "_KEPT", marks._Kept())
    monkeypatch.setattr(marks, "_ANSWERS", {})
    # A busy machine may take longer for a test than an answer is kept.
    monkeypatch.setattr(marks, "time", SimpleNamespace(monotonic=lambda: record.seconds))
    return record


async def listed():
    return (await marks.shared("batches", lambda: marks.functions().batches(40)))[0]["mark"]


def test_pages_that_open_at_once_ask_record_once(record):
    async def many():
        return await asyncio.gather(*(listed() for _ in range(50)))

    assert asyncio.run(many()) == ["a"] * 50
    assert (record.marks_asked, record.lists_asked) == (1, 1)


def test_answer_is_never_older_than_the_mark(record):
    async def twice():
        first = await listed()
        record.mark = "b"
        record.seconds += marks._SECONDS + 0.05
        return first, await listed()

    assert asyncio.run(twice()) == ("a", "b")
    assert record.lists_asked == 2


def test_answer_is_kept_for_a_moment_only(record):
    async def twice():
        first = await listed()
        record.seconds += marks._SHARED_SECONDS + 0.05
        return first, await listed()

    assert asyncio.run(twice()) == ("a", "a")
    assert record.lists_asked == 2


def test_page_that_is_requested_finds_the_answer_later(record):
    async def document(_scope, _receive, _send):
        pass

    async def asked(query):
        assert query == {"batch": "b 1"}
        await listed()

    async def broken(_query):
        raise ApiError("record does not answer")

    async def load():
        app = Early(document, {"/market": asked, "/models": broken})
        for path in ("/market/", "/models/", "/"):
            query = b"batch=b%201" if path == "/market/" else b""
            scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
            await app(scope, None, None)
        await asyncio.gather(*app._running)
        return await listed()

    assert asyncio.run(load()) == "a"
    assert (record.marks_asked, record.lists_asked) == (1, 1)


def test_answers_that_nobody_may_get_any_more_are_forgotten(record):
    async def many():
        for number in range(3):
            await marks.shared(f"version {number}", lambda: marks.functions().batches(1))
            record.seconds += marks._SHARED_SECONDS + 0.05

    asyncio.run(many())
    assert set(marks._ANSWERS) == {"version 2"}
