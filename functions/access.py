"""Who may call a function: those with the token, and events that this platform published.

TASADOR_FUNCTIONS_TOKEN opens the routes that read history or change what serves. TASADOR_EVENTS_KEY
seals events (``tasador.events.seal``). Both may hold several values, separated by commas, while one
is rotated. On one machine neither is set and everything is open to its accounts; on a cluster a
function without them is closed.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from functions.http import HttpProblem, Request, Response
from tasador.events import read
from tasador.events.event import PREDICTION_REQUESTED, Event, EventError
from tasador.events.seal import is_sealed
from tasador.settings import Settings, accepted


def protected(view: Callable[..., Response]) -> Callable[..., Response]:
    """The view, for callers with the token."""

    def checked(request: Request, *args: Any, **kwargs: Any) -> Response:
        require_token(request)
        return view(request, *args, **kwargs)

    return checked


def require_token(request: Request) -> None:
    """Raise HttpProblem 401 unless the request has the token, or none is needed here."""
    if reason := _refusal(request):
        raise _unauthorized(reason)


def require_seal(event: Event) -> None:
    """Raise HttpProblem 401 unless a part of this platform published the event."""
    settings = Settings.load()
    if not settings.events_key:
        if settings.platform == "embedded":
            return
        raise _unauthorized(
            "TASADOR_EVENTS_KEY is not set for this function, so no event is accepted: set it in "
            "its Secret and in those of the publishers"
        )
    if not is_sealed(event, settings.events_key):
        raise _unauthorized(
            f"event {event.id[:64]!r} has no valid tasadorseal: only events that Tasador published "
            "with TASADOR_EVENTS_KEY are accepted"
        )


def require_token_or_origin(request: Request, body: bytes) -> None:
    """Raise HttpProblem 401 unless the request has the token or holds an event for everybody.

    That is an event that this platform published, or one of the type that anybody may post to the
    broker: prediction.requested.
    """
    reason = _refusal(request)
    if not reason:
        return
    try:
        event = read.parse(request.headers, body)
        if event.type != PREDICTION_REQUESTED:
            require_seal(event)
    except EventError:
        raise _unauthorized(reason) from None


def _refusal(request: Request) -> str:
    """Why the request may not pass; empty if it may."""
    settings = Settings.load()
    tokens = accepted(settings.functions_token)
    if not tokens:
        if settings.platform == "embedded":
            return ""
        return (
            "TASADOR_FUNCTIONS_TOKEN is not set for this function, so nobody may call this: set it "
            "in its Secret and in those of its callers"
        )
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    matches = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens]
    if scheme.lower() == "bearer" and any(matches):
        return ""
    what = "has another token" if given else "has no token"
    return (
        f"the request {what}: send `Authorization: Bearer TOKEN` with the value of "
        "TASADOR_FUNCTIONS_TOKEN"
    )


def _unauthorized(detail: str) -> HttpProblem:
    return HttpProblem(401, detail, headers={"WWW-Authenticate": "Bearer"})
