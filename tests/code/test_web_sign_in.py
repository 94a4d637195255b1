"""Signing in to the web app: cookies, forged forms, delays, pages for accounts alone."""

import asyncio
import re
import sys
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

import pytest

from tasador.accounts import verbs
from tasador.clock import now
from tasador.errors import StoreUnavailable
from tasador.records.account import Account, Session
from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import sign_in, sign_in_http, visitors
from tasador_web.browser_rules import BrowserRules, inline_digests, policy
from tasador_web.languages import speaking
from tasador_web.sign_in import SignIn
from tasador_web.spanish import SPANISH

ORIGIN = "http://127.0.0.1:3000"
SECURE = "https://homes.example"
PASSED = (200, {}, "the page")


@pytest.fixture(autouse=True)
def accounts(monkeypatch, tmp_path):
    """The arguments of each sign-in; ana's password is right, and her token is the session."""
    calls = []

    def signed_in(_warehouse, name, password, address, hours):
        calls.append((name, password, address, hours))
        if name == "slow":
            raise verbs.SignInRefused("too many wrong passwords: try again in 32 seconds", 31.2)
        if password != "right":
            raise verbs.SignInRefused("the name or the password is wrong")
        account = Account(name=name, role="operator", password_hash="", created_by="root")
        return verbs.SignedIn("TOKEN", account)

    def session_of(_warehouse, token):
        if token == "TOKEN":
            at = now()
            return Session(
                name="ana", role="viewer", began_at=at, expires_at=at + timedelta(hours=1)
            )
        return None

    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    monkeypatch.setenv("TASADOR_DATABASE_URL", "postgresql://nowhere/x")
    monkeypatch.setenv("TASADOR_WEB_PORT", "3000")
    monkeypatch.delenv("TASADOR_WEB_READING", raising=False)
    monkeypatch.setattr(visitors, "warehouse", lambda: None)
    monkeypatch.setattr(verbs, "sign_in", signed_in)
    monkeypatch.setattr(verbs, "session_of", session_of)
    monkeypatch.setattr(verbs, "sign_out", lambda _warehouse, token: calls.append(("out", token)))
    return calls


async def the_app(scope, receive, send):
    """What stands behind the middleware."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the page"})


def call(method, path, form=None, **headers):
    """(status, headers, text) of the answer; the headers as browsers send them are the default."""
    given = {"host": "127.0.0.1:3000"}
    if method == "POST":
        given |= {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "scheme": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(n.encode(), v.encode()) for n, v in given.items() if v is not None],
        "client": ("10.0.0.7", 5000),
    }
    body = urlencode(form or {}).encode()
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(SignIn(the_app, [ORIGIN, SECURE])(scope, receive, send))
    names = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], names, sent[1]["body"].decode()


def cookie_of(headers, name):
    return next(v for n, v in headers if n == "set-cookie" and v.startswith(f"{name}="))


def opened_form(path="/login", **headers):
    """The form's cookie and its token."""
    status, answered, html = call("GET", path, **headers)
    assert status == 200
    name = "__Host-tasador-form" if "homes.example" in str(headers) else "tasador-form-3000"
    secret = cookie_of(answered, name).partition(";")[0]
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
    return secret, {name: unescape(value) for name, value in fields.items()}


def post(form, cookie, path="/login", **headers):
    return call("POST", path, form, cookie=cookie, **headers)


def test_right_password_begins_a_session_in_a_cookie_that_no_script_reads(accounts):
    cookie, fields = opened_form("/login?next=/models%3Fversion%3D3")
    status, headers, _ = post({**fields, "name": "ana", "password": "right"}, cookie)
    assert (status, dict(headers)["location"]) == (303, "/models?version=3")
    begun = cookie_of(headers, "tasador-session-3000")
    assert begun.startswith("tasador-session-3000=TOKEN; ")
    assert set(begun.split("; ")[1:]) == {"Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"}
    assert accounts == [("ana", "right", "10.0.0.7", 12)]


def test_https_makes_the_cookie_secure_and_its_host_its_own(accounts):
    host = {"host": "homes.example"}
    cookie, fields = opened_form(**host)
    form = {**fields, "name": "ana", "password": "right"}
    _, headers, _ = post(form, cookie, origin=SECURE, **host)
    assert "Secure" in cookie_of(headers, "__Host-tasador-session").split("; ")


def shown_in(html):
    """What a reader sees of a page."""
    parts = re.sub(r"<(head|code)>.*?</\1>", "<>", html, flags=re.DOTALL)
    return [part for each in re.split(r"<[^>]*>", parts) if (part := unescape(each).strip(" \n·"))]


def test_form_is_in_the_language_of_the_page_that_it_leads_to(accounts):
    cookie, fields = opened_form("/login?next=/es/batch")
    status, _, html = post({**fields, "name": "ana", "password": "wrong"}, cookie)
    assert status == 401
    assert '<html lang="es">' in html
    assert "El nombre o la contraseña no son correctos." in html
    known = {part for says in SPANISH.values() for part in re.split(r" ?\{\w+\} ?", says)}
    others = {"Tasador", "English", "El nombre o la contraseña no son correctos."}
    assert [part for part in shown_in(html) if part not in known | others] == []
    assert 'href="/login?next=%2Fbatch" lang="en"' in html
    _, _, english = call("GET", "/login?next=/batch%3Fx%3D1")
    assert 'href="/login?next=%2Fes%2Fbatch%3Fx%3D1" lang="es"' in english
    assert "Contraseña" not in english


def test_messages_are_in_the_language_of_the_page_that_led_here(accounts):
    for page, says in (("/es/batch", "Este formulario ha caducado"), ("/", "This form is old")):
        _, _, html = call("POST", "/logout", {}, referer=f"{ORIGIN}{page}")
        assert says in html


def test_a_pause_after_wrong_passwords_is_in_spanish():
    refused = verbs.SignInRefused(f"too many wrong passwords: try again in {verbs._spoken(61)}", 61)
    with speaking("es"):
        said = sign_in._why(refused)
    assert said == "demasiadas contraseñas incorrectas: inténtelo de nuevo dentro de 61 segundos"
    assert sign_in._why(refused) == str(refused)


def test_wrong_password_shows_the_form_again_without_a_session(accounts):
    cookie, fields = opened_form()
    status, headers, html = post({**fields, "name": '"><b>', "password": "wrong"}, cookie)
    assert status == 401
    assert "The name or the password is wrong." in html
    assert "<b>" not in html
    assert not [v for n, v in headers if n == "set-cookie" and "session" in v]


def test_too_many_wrong_passwords_are_told_when_to_try_again():
    cookie, fields = opened_form()
    status, headers, html = post({**fields, "name": "slow", "password": "right"}, cookie)
    assert status == 429
    assert dict(headers)["retry-after"] == "32"
    assert "try again in 32 seconds" in html


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://evil.example"},
        {"origin": None},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"token": ""},
        {"token": "0" * 64},
        {"cookie": ""},
        {"cookie": "tasador-form-3000=another"},
        {"padding": "x" * 9000},
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_forged_form_does_nothing(accounts, path, change):
    if path == "/login":
        cookie, fields = opened_form()
    else:
        cookie, fields = "tasador-session-3000=TOKEN", {"token": visitors.form_token("TOKEN")}
    form = {**fields, "name": "ana", "password": "right"}
    headers = {"cookie": cookie}
    for name, value in change.items():
        (form if name in ("token", "padding") else headers)[name] = value
    status, answered, _ = call("POST", path, form, **headers)
    assert status == 403
    assert accounts == []
    assert not [v for n, v in answered if n == "set-cookie"]


def test_sign_out_ends_the_session(accounts):
    token = visitors.form_token("TOKEN")
    status, headers, _ = post({"token": token}, "tasador-session-3000=TOKEN", "/logout")
    assert status == 303
    assert accounts == [("out", "TOKEN")]
    assert "Max-Age=0" in cookie_of(headers, "tasador-session-3000")
    assert call("GET", "/logout")[0] == 405


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/a\r\nb", ""],
)
def test_sign_in_leads_to_no_other_site(path):
    assert sign_in_http.following(path) == "/"


def test_without_a_database_nobody_can_sign_in(monkeypatch, accounts):
    monkeypatch.delenv("TASADOR_DATABASE_URL")
    for method in ("GET", "POST"):
        status, _, html = call(method, "/login")
        assert status == 404
        assert "TASADOR_DATABASE_URL is not set" in html


def test_database_that_does_not_answer_is_said(monkeypatch):
    def fail(*_):
        raise StoreUnavailable("the database x at nowhere does not answer")

    monkeypatch.setattr(verbs, "sign_in", fail)
    cookie, fields = opened_form()
    status, _, html = post({**fields, "name": "ana", "password": "right"}, cookie)
    assert status == 503
    assert "does not answer" in html


def test_visitors_address_behind_proxies(accounts, monkeypatch):
    monkeypatch.setenv("TASADOR_WEB_PROXY_HOPS", "1")
    cookie, fields = opened_form()
    form = {**fields, "name": "ana", "password": "right"}
    # The visitor wrote the first one; the proxy added the last.
    post(form, cookie, x_forwarded_for="1.2.3.4, 10.9.9.9")
    assert accounts[-1][2] == "10.9.9.9"
    monkeypatch.setenv("TASADOR_WEB_PROXY_HOPS", "0")
    post(form, cookie, x_forwarded_for="1.2.3.4")
    assert accounts[-1][2] == "10.0.0.7"


# -- pages for accounts alone ---------------------------------------------------------------------

HTML = {"accept": "text/html"}
SIGNED_IN = {"cookie": "other=1; tasador-session-3000=TOKEN"}


def test_reading_is_open_by_default():
    assert call("GET", "/models", **HTML)[2] == "the page"


def test_reading_for_accounts_alone(monkeypatch):
    monkeypatch.setenv("TASADOR_WEB_READING", "login")
    status, headers, _ = call("GET", "/models?version=3", **HTML)
    assert (status, dict(headers)["location"]) == (303, "/login?next=%2Fmodels%3Fversion%3D3")
    assert call("GET", "/_event/")[0] == 401
    assert call("GET", "/models", cookie="tasador-session-3000=FORGED", **HTML)[0] == 303
    assert call("GET", "/models", **HTML, **SIGNED_IN)[2] == "the page"
    for path in ("/ping", "/sign-in.css", "/assets/x.js"):
        assert call("GET", path)[2] == "the page"
    # A browser that follows a link of another site sends no cookie until our page leads on.
    status, _, html = call("GET", "/models", sec_fetch_site="cross-site", **HTML)
    assert (status, "refresh" in html) == (200, True)


def websocket(cookie, messages):
    """What the app behind the middleware receives, and what the middleware sends."""
    received, sent = [], []
    waiting = iter(messages)

    async def app(scope, receive, send):
        while not received or received[-1]["type"] != "websocket.disconnect":
            received.append(await receive())

    async def receive():
        return {"type": next(waiting)}

    async def send(message):
        sent.append(message)

    headers = [(b"cookie", cookie.encode())]
    scope = {"type": "websocket", "path": "/_event/", "headers": headers}
    asyncio.run(SignIn(app, [ORIGIN])(scope, receive, send))
    return [message["type"] for message in received], sent


def test_websocket_for_accounts_alone(monkeypatch):
    monkeypatch.setenv("TASADOR_WEB_READING", "login")
    received, sent = websocket("tasador-session-3000=FORGED", [])
    assert (received, sent[0]["type"], sent[0]["code"]) == ([], "websocket.close", 1008)
    monkeypatch.setattr(sign_in, "_CHECK_SECONDS", -1.0)
    messages = ["websocket.connect", "websocket.receive", "websocket.disconnect"]
    assert websocket("tasador-session-3000=TOKEN", messages)[0] == messages


def test_websocket_ends_with_its_session(monkeypatch):
    monkeypatch.setenv("TASADOR_WEB_READING", "login")
    monkeypatch.setattr(sign_in, "_CHECK_SECONDS", -1.0)
    answers = iter([verbs.session_of(None, "TOKEN"), None])
    monkeypatch.setattr(verbs, "session_of", lambda *_: next(answers))
    received, _ = websocket(
        "tasador-session-3000=TOKEN", ["websocket.receive", "websocket.receive"]
    )
    assert received == ["websocket.disconnect"]


def test_websocket_survives_a_database_that_does_not_answer(monkeypatch):
    monkeypatch.setenv("TASADOR_WEB_READING", "login")
    monkeypatch.setattr(sign_in, "_CHECK_SECONDS", -1.0)
    answers = iter([verbs.session_of(None, "TOKEN"), StoreUnavailable("gone")])

    def session_of(*_):
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    monkeypatch.setattr(verbs, "session_of", session_of)
    messages = ["websocket.receive", "websocket.disconnect"]
    assert websocket("tasador-session-3000=TOKEN", messages)[0] == messages


# -- headers --------------------------------------------------------------------------------------


def test_policy_allows_the_inline_scripts_of_the_build_alone(tmp_path):
    page = tmp_path / "models" / "index.html"
    page.parent.mkdir()
    page.write_text(
        '<script>one()</script><script src="/x.js"></script><script type="module">two()</script>'
    )
    assert len(inline_digests(page)) == 2
    rules = dict(
        rule.split(" ", 1) for rule in policy(tmp_path, ["http://127.0.0.1:8082/x", ""]).split("; ")
    )
    assert rules["script-src"].count("sha256-") == 2
    assert "unsafe-inline" not in rules["script-src"]
    assert rules["frame-src"] == "http://127.0.0.1:8082"
    assert rules["frame-ancestors"] == rules["object-src"] == "'none'"
    assert rules["form-action"] == "'self'"


def test_headers_are_added_once_to_every_answer():
    sent = []

    async def app(_scope, _receive, send):
        headers = [(b"X-Frame-Options", b"ALLOWALL"), (b"etag", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/models/"}
    asyncio.run(BrowserRules(app, "default-src 'self'")(scope, None, send))
    headers = sent[0]["headers"]
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names))
    assert dict(headers)[b"x-frame-options"] == b"DENY"
    assert dict(headers)[b"x-content-type-options"] == b"nosniff"
    assert dict(headers)[b"etag"] == b"1"
    assert dict(headers)[b"cache-control"] == b"no-cache"
