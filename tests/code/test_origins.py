"""Which addresses the web app and MLflow answer: the own machine at any port, and what is set."""

import asyncio
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web.origins import KnownOrigins, is_own_machine, is_tunnel

ORIGINS = ["http://127.0.0.1:3000", "https://homes.example"]


def ask(kind, **headers):
    """The headers that the app behind the middleware gets, or the refusal."""
    passed, sent = [], []

    async def app(scope, receive, send):
        passed.append({k.decode(): v.decode() for k, v in scope["headers"]})

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "scheme": "http"}
    scope["headers"] = [(k.encode(), v.encode()) for k, v in headers.items()]
    asyncio.run(KnownOrigins(app, ORIGINS)(scope, None, send))
    return passed[0] if passed else sent[1]["body"].decode()


def test_websocket_through_a_tunnel_passes_as_from_the_first_origin():
    tunnel = ask("websocket", host="localhost:9000", origin="http://localhost:9000")
    assert tunnel["origin"] == ORIGINS[0]
    for host, origin in (
        ("localhost:9000", "http://localhost:9001"),
        ("evil.example", "http://evil.example"),
        ("localhost:9000", "http://evil.example"),
        ("127.0.0.1:3000", "null"),
    ):
        assert ask("websocket", host=host, origin=origin)["origin"] == origin


@pytest.mark.parametrize("host", ["evil.example", "10.1.2.3:3000", "localhost.evil.example", ""])
def test_page_at_an_unknown_name_is_refused_with_the_setting(host):
    assert f"TASADOR_WEB_ORIGINS=http://{host}" in ask("http", host=host, accept="text/html")
    # A probe does not accept pages.
    assert ask("http", host=host, accept="*/*")["host"] == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:3000", "homes.example"])
def test_page_at_a_known_name_is_served(host):
    assert ask("http", host=host, accept="text/html")["host"] == host


@given(st.text(max_size=30))
def test_no_other_name_counts_as_the_own_machine(name):
    if is_own_machine(name):
        assert name.lower().startswith(("127.0.0.1", "localhost", "[::1]"))
    assert not is_tunnel(f"http://{name}.evil.example", f"{name}.evil.example")
