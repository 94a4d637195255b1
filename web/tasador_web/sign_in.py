"""Signing in and out by plain forms, and pages that only people with an account see. No Reflex.

An ASGI middleware. ``GET /login`` shows the form, ``POST /login`` begins a session, and
``POST /logout`` ends it. With TASADOR_WEB_READING=login nothing else is answered without a session,
and an open websocket is closed once its session is over.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote

from tasador.errors import TasadorError
from tasador.settings import Settings
from tasador_web import openid, openid_sign_in, sign_in_page, visitors
from tasador_web import sign_in_http as http
from tasador_web.languages import address, known_text, language_of, speak, speaking, text
from tasador_web.origins import App, Receive, Scope, Send

_LARGEST_FORM = 8192
_TOO_MANY = "too many wrong passwords: try again in"
_UNITS = ("second", "seconds", "minutes")
_OPEN = ("/ping", "/icon.svg", "/sign-in.css", "/assets/")
_ANSWERED = ("/login", "/logout", *openid_sign_in.PATHS)
# A websocket sends two messages a second; its session is checked this often.
_CHECK_SECONDS = 5.0
# A password takes 32 MiB and a quarter of a second: many at once must not fill the machine.
_PASSWORDS_AT_ONCE = 2


class SignIn:
    """Middleware; forms of ``origins`` are read, as ``KnownOrigins`` passes them."""

    def __init__(self, app: App, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = [origin.strip().rstrip("/") for origin in origins]
        self._passwords = asyncio.Semaphore(_PASSWORDS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the forms, and pass everything else on if the visitor may read it."""
        if scope["type"] == "http" and scope["path"] in _ANSWERED:
            with speaking(http.spoken(scope)):
                await self._answer(scope, receive, send)
        elif scope["type"] in ("http", "websocket") and Settings.load().web_reading == "login":
            await self._for_accounts(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    # -- forms ------------------------------------------------------------------------------------

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not visitors.may_sign_in():
            says = text(
                "Nobody can sign in here, since the web app has no access to the database: "
                "TASADOR_DATABASE_URL is not set. The command line acts."
            )
            await http.page(send, 404, sign_in_page.message(text("No accounts"), says))
        elif scope["method"] in ("GET", "HEAD") and scope["path"] == "/login":
            await self._show_form(scope, send, 200)
        elif scope["method"] == "GET" and scope["path"] in openid_sign_in.PATHS:
            await openid_sign_in.answer(scope, send, self._origins)
        elif scope["method"] != "POST" or scope["path"] in openid_sign_in.PATHS:
            html = sign_in_page.message(text("Not here"), text("This address takes forms only."))
            await http.page(send, 405, html, (b"allow", b"POST"))
        else:
            try:
                await self._read_form(scope, receive, send)
            except TasadorError as error:
                await http.page(send, 503, sign_in_page.message(text("Not now"), str(error)))

    async def _read_form(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = await _form(receive)
        if given and "next" in given:
            speak(language_of(given["next"]))
        if scope["path"] == "/login":
            secret = visitors.read_cookie(http.cookies(scope), self._cookie(scope, "form"))
        else:
            secret = visitors.session_token(http.cookies(scope))
        if given is None or not self._is_own(scope) or not _belongs(secret, given):
            says = text("This form is old, or another site has sent it. Open the page again.")
            await http.page(send, 403, sign_in_page.message(text("Not accepted"), says))
        elif scope["path"] == "/login":
            await self._sign_in(scope, send, given)
        else:
            from tasador.accounts import verbs

            await asyncio.to_thread(verbs.sign_out, visitors.warehouse(), secret)
            ended = http.set_cookie(self._cookie(scope, "session"), "", 0, self._is_secure(scope))
            await http.redirect(send, address("/"), ended)

    async def _sign_in(self, scope: Scope, send: Send, given: dict[str, str]) -> None:
        from tasador.accounts import verbs

        settings = Settings.load()
        name, password = given.get("name", ""), given.get("password", "")
        origin = visitors.address_of(scope, settings.web_proxy_hops)
        try:
            async with self._passwords:
                signed_in = await asyncio.to_thread(
                    verbs.sign_in,
                    visitors.warehouse(),
                    name,
                    password,
                    origin,
                    settings.web_session_hours,
                )
        except verbs.SignInRefused as refused:
            problem = http.sentence(_why(refused))
            status = 429 if refused.seconds else 401
            await self._show_form(scope, send, status, given, problem, refused.seconds)
            return
        hours = settings.web_session_hours
        begun = http.session_cookie(scope, self._origins, signed_in.token, hours)
        used = http.set_cookie(self._cookie(scope, "form"), "", 0, self._is_secure(scope))
        await http.redirect(send, http.following(given.get("next", "")), begun, used)

    async def _show_form(
        self,
        scope: Scope,
        send: Send,
        status: int,
        given: dict[str, str] | None = None,
        problem: str = "",
        seconds: float = 0.0,
    ) -> None:
        given = given or {"next": http.query_of(scope).get("next", "")}
        secret = secrets.token_urlsafe(32)
        html = sign_in_page.form(
            token=visitors.form_token(secret),
            following=http.following(given.get("next", "")),
            name=given.get("name", "")[:64],
            problem=problem,
            has_provider=openid.is_configured(Settings.load()),
        )
        headers = [
            http.set_cookie(self._cookie(scope, "form"), secret, 3600, self._is_secure(scope))
        ]
        if seconds:
            headers.append((b"retry-after", str(int(seconds) + 1).encode()))
        await http.page(send, status, html, *headers)

    def _is_own(self, scope: Scope) -> bool:
        """Whether a page of this server sent the form, by what browsers say of every form."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        site = headers.get(b"sec-fetch-site", b"same-origin")
        return origin in self._origins and site == b"same-origin"

    def _is_secure(self, scope: Scope) -> bool:
        return http.is_secure(scope, self._origins)

    def _cookie(self, scope: Scope, kind: str) -> str:
        return http.cookie_name(scope, self._origins, kind)

    # -- pages for accounts alone -----------------------------------------------------------------

    async def _for_accounts(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_OPEN):
            await self._app(scope, receive, send)
            return
        session, problem = await visitors.whoever(http.cookies(scope))
        if session is not None:
            if scope["type"] == "websocket":
                receive = _while_signed_in(scope, receive)
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "sign in first"})
        elif problem:
            speak(language_of(scope["path"]))
            await http.page(send, 503, sign_in_page.message(text("Not now"), problem))
        elif b"text/html" not in dict(scope["headers"]).get(b"accept", b""):
            await http.page(
                send, 401, sign_in_page.message(text("Sign in first"), text("Sign in at /login."))
            )
        elif dict(scope["headers"]).get(b"sec-fetch-site") == b"cross-site":
            await http.page(send, 200, sign_in_page.AGAIN)
        else:
            query = scope.get("query_string", b"").decode("latin-1")
            path = scope["path"] + (f"?{query}" if query else "")
            await http.redirect(send, f"/login?next={quote(http.following(path), safe='')}")


def _while_signed_in(scope: Scope, receive: Receive) -> Receive:
    """Receives as before, until the session is over: then the visitor has left."""
    checked = time.monotonic()

    async def receive_next() -> Any:
        nonlocal checked
        message = await receive()
        if message["type"] == "websocket.receive" and time.monotonic() - checked > _CHECK_SECONDS:
            checked = time.monotonic()
            session, problem = await visitors.whoever(http.cookies(scope))
            if session is None and not problem:
                return {"type": "websocket.disconnect", "code": 1008, "reason": "signed out"}
        return message

    return receive_next


async def _form(receive: Receive) -> dict[str, str] | None:
    """The fields of a form; None if it is too large or no form."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > _LARGEST_FORM:
            return None
        if not message.get("more_body"):
            break
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}


def _why(refused: TasadorError) -> str:
    """Why a sign-in is refused, in the language of the page."""
    waits = re.fullmatch(rf"{_TOO_MANY} (\d+) ({'|'.join(_UNITS)})", str(refused))
    if waits is None:
        return known_text(str(refused))
    return f"{text(_TOO_MANY)} {waits[1]} {text(waits[2])}"


def _belongs(secret: str, given: dict[str, str]) -> bool:
    return visitors.is_form_token(secret, given.get("token", ""))
