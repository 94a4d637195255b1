"""The report at the web app's address: what its middleware answers, and what it leaves alone."""

import asyncio
import sys

import pytest

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web.languages import speaking
from tasador_web.reports import Reports, link_of


def answered(method, path):
    """The messages that a request gets, from the middleware or from the app behind it."""
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(Reports(app)(scope, None, send))
    return sent


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/"), ("GET", "/reports"), ("POST", "/report/x"), ("GET", "/_event")),
        *(
            ("GET", "/es"),
            ("GET", "/es/reports"),
            ("POST", "/es/report/x"),
            ("GET", "/fr/report/x"),
        ),
    ],
)
def test_everything_else_is_passed_on(method, path):
    assert answered(method, path)[0]["status"] == 418


def test_a_report_that_cannot_be_had_is_a_page_that_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    monkeypatch.setenv("TASADOR_FUNCTIONS_URL", "http://127.0.0.1:9/<b>")
    start, body = answered("GET", "/report/a<b>")
    assert start["status"] == 503
    headers = dict(start["headers"])
    assert headers[b"content-type"].startswith(b"text/html")
    assert headers[b"cache-control"] == b"no-store"
    page = body["body"].decode()
    assert "record at http://127.0.0.1:9/&lt;b&gt; does not answer" in page
    assert "<b>" not in page


def test_a_report_that_cannot_be_had_says_why_in_spanish(monkeypatch, tmp_path):
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    monkeypatch.setenv("TASADOR_FUNCTIONS_URL", "http://127.0.0.1:9")
    page = answered("GET", "/es/report/a")[1]["body"].decode()
    assert '<html lang="es">' in page
    assert "<h1>No hay informe</h1><p>record no responde en http://127.0.0.1:9." in page


def test_a_report_is_linked_in_the_language_of_the_page():
    assert link_of("a1") == "/report/a1"
    assert link_of("") == ""
    with speaking("es"):
        assert link_of("a1") == "/es/report/a1"
        assert link_of("") == ""
