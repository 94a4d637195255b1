"""The addresses that lead to an OpenID provider and back from it. No Reflex."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence

from tasador.errors import TasadorError
from tasador.settings import Settings
from tasador_web import openid, sign_in_page, visitors
from tasador_web import sign_in_http as http
from tasador_web.languages import text
from tasador_web.origins import Scope, Send

LEAVE = "/login/openid"
PATHS = (LEAVE, openid.CALLBACK)
# How long somebody may stay at the provider.
_SECONDS = 600


async def answer(scope: Scope, send: Send, origins: Sequence[str]) -> None:
    """Lead to the provider, or begin the session of who comes back from it."""
    from tasador.accounts.verbs import SignInRefused

    settings = Settings.load()
    try:
        if not openid.is_configured(settings):
            says = text("Nobody signs in at a provider here: TASADOR_OIDC_ISSUER is not set.")
            await http.page(send, 404, sign_in_page.message(text("No provider"), says))
        elif scope["path"] == LEAVE:
            await _leave(scope, send, origins, settings)
        else:
            await _return(scope, send, origins, settings)
    except SignInRefused as refused:
        says = http.sentence(str(refused))
        await http.page(send, 403, sign_in_page.message(text("Not signed in"), says))
    except TasadorError as error:
        says = http.sentence(str(error))
        await http.page(send, 503, sign_in_page.message(text("Not now"), says))


async def _leave(scope: Scope, send: Send, origins: Sequence[str], settings: Settings) -> None:
    following = http.following(http.query_of(scope).get("next", ""))
    attempt = openid.Attempt.new(following)
    where = await openid.address(settings, attempt, _callback(scope, origins))
    # Lax: the provider's page leads back here, and Strict cookies are not sent from there.
    kept = _cookie(scope, origins, attempt.cookie, _SECONDS)
    await http.redirect(send, where, kept)


async def _return(scope: Scope, send: Send, origins: Sequence[str], settings: Settings) -> None:
    from tasador.accounts import verbs

    query = http.query_of(scope)
    name = http.cookie_name(scope, origins, "openid")
    attempt = openid.Attempt.from_cookie(visitors.read_cookie(http.cookies(scope), name))
    state = query.get("state", "").encode()
    if attempt is None or not hmac.compare_digest(attempt.state.encode(), state):
        raise verbs.SignInRefused(text("this sign-in did not begin here, or is old: sign in again"))
    if "code" not in query:
        said = query.get("error_description") or query.get("error") or text("it gave no code")
        raise verbs.SignInRefused(text("the provider refused: {reason}", reason=said[:200]))
    who = await openid.identity(settings, attempt, query["code"], _callback(scope, origins))
    signed_in = await asyncio.to_thread(
        verbs.sign_in_from_provider,
        visitors.warehouse(),
        who.name,
        who.role,
        who.subject,
        visitors.address_of(scope, settings.web_proxy_hops),
        settings.web_session_hours,
    )
    # A page, not a redirect: in a chain that another site began, no Strict cookie would be sent.
    html = sign_in_page.onward(http.following(attempt.following))
    hours = settings.web_session_hours
    begun = http.session_cookie(scope, origins, signed_in.token, hours)
    await http.page(send, 200, html, begun, _cookie(scope, origins, "", 0))


def _callback(scope: Scope, origins: Sequence[str]) -> str:
    """The address of this app that the provider leads back to."""
    scheme = "https" if http.is_secure(scope, origins) else "http"
    return f"{scheme}://{http.host_of(scope)}{openid.CALLBACK}"


def _cookie(scope: Scope, origins: Sequence[str], value: str, seconds: int) -> tuple[bytes, bytes]:
    name = http.cookie_name(scope, origins, "openid")
    secure = http.is_secure(scope, origins)
    return http.set_cookie(name, value, seconds, secure, "Lax")
