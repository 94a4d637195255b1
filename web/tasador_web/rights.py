"""Which event handlers act, and who may call them.

Any visitor can send any event by the websocket, whatever the page shows. So a handler that acts
carries ``operators_only``; all others only read (``READING``). A test compares both with the
handlers that Reflex has registered.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from reflex_base.event.context import EventContext

from tasador.records.account import Session
from tasador_web import visitors

Handler = Callable[..., AsyncIterator[Any]]
# Names of states, and their handlers that change nothing but what the visitor sees.
READING = {
    "ActionState": {"begin", "close", "propose", "tick"},
    "ActivityState": {"load"},
    # It works on the visitor's own file.
    "BatchState": {"another", "arrived", "choose", "load", "price", "stop"},
    "BrowserState": {"begin", "show"},
    "CompareState": {"compare_homes", "compare_places", "load", "switch"},
    "EstimateState": {
        "choose",
        "clear",
        "close",
        "estimate",
        "keep_what_if",
        "key",
        "load",
        "search",
        "try_example",
        "undo_what_if",
        "what_if",
    },
    "MarketState": {"draw", "load", "select", "tick"},
    "ModelsState": {"load", "select", "show_more", "tick"},
    "PipelineState": {"embed", "load", "select", "tick"},
    "PredictionsState": {"filter", "find", "load", "newer", "older", "refresh", "select"},
    "ServiceState": {"load"},
    "VisitorState": {"load"},
}


def cookies_of_event() -> str:
    """The Cookie header of the websocket that sent the event; the browser cannot set it by script.

    From the event's context, not from the state: another websocket may have used the state since.
    """
    headers = EventContext.get().router_data.get("headers", {})
    return str(headers.get("cookie", ""))


async def session_of_event() -> Session | None:
    """The session of the visitor who sent the event. Raises TasadorError."""
    return await visitors.session_of(cookies_of_event())


def operators_only(handler: Handler) -> Handler:
    """An event handler that only operators get to run; others get ``_refuse`` of its state."""

    @functools.wraps(handler)
    async def guarded(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        session, problem = await visitors.whoever(cookies_of_event())
        if session is None or session.role != "operator":
            await self._refuse(session, problem)
            return
        async for update in handler(self, *args, **kwargs):
            yield update

    guarded.is_guarded = True  # type: ignore[attr-defined]
    return guarded
