"""What a function is to its host: views, routes, and hooks for loading, readiness and shutdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from functions.http import HttpProblem, Request, Response, read_body
from functions.limits import BODY_BYTES
from tasador.events.event import Event, EventError

View = Callable[[Request], Response]

# The version of the HTTP interface: of each OpenAPI document, and in the answer to GET /.
API_VERSION = "1"


class Route(NamedTuple):
    """One route of a function. ``<name>`` in ``path`` is passed to the view as an argument."""

    method: str
    path: str
    view: Callable[..., Response]


@dataclass(kw_only=True, eq=False, repr=False)
class Function:
    """One function.

    POST / calls ``on_json`` for plain JSON and ``on_event`` for a CloudEvent. A function that does
    not reply to events may take a batch of them with ``on_batch``. ``on_direct_event`` takes, in
    place of ``on_event``, an event whose sender does not pass the reply on. ``load`` runs in a
    thread and may take long. ``check_ready`` raises HttpProblem while the function cannot work.

    ``health`` is what GET /health says besides: whether the model is loaded, or the database
    reached.

    ``answers_inline(path)`` says whether a POST to the path currently takes well under a
    millisecond and never blocks. It is called for every request.
    """

    name: str
    index: View
    on_json: View
    on_event: Callable[[Event], Response]
    on_batch: Callable[[Sequence[Event | EventError]], Response] | None = None
    on_direct_event: Callable[[Event], Response] | None = None
    routes: Sequence[Route] = ()
    body_limit: int = BODY_BYTES
    load: Callable[[], None] = lambda: None
    check_ready: Callable[[], None] = lambda: None
    health: Callable[[], Mapping[str, bool]] = dict
    answers_inline: Callable[[str], bool] = lambda _path: False
    stop: Callable[[], None] = lambda: None

    def root(self, request: Request) -> Response:
        """GET / and POST /, the routes that parliament knows."""
        return self.post(request) if request.method == "POST" else self.index(request)

    def post(self, request: Request) -> Response:
        """POST /: a CloudEvent, or plain JSON."""
        if not is_event(request):
            return self.on_json(request)
        from tasador.events import read  # a first price by JSON does without

        if read.is_batch(request.headers):
            if self.on_batch is None:
                raise HttpProblem(415, "this function replies to each event: send one per request")
            return self.on_batch(
                read.parse_batch(request.headers, read_body(request, self.body_limit))
            )
        event = read.parse(request.headers, read_body(request, self.body_limit))
        if self.on_direct_event is not None and not _passes_reply_on(request):
            return self.on_direct_event(event)
        return self.on_event(event)


def is_event(request: Request) -> bool:
    """As ``read.is_event``, for names in lower case: called for every price."""
    headers = request.headers
    content_type = headers.get("content-type", "")
    return (
        "ce-specversion" in headers
        or "ce-type" in headers
        or "ce-id" in headers
        or "ce-source" in headers
        or (
            content_type != "application/json"
            and content_type.lower().startswith("application/cloudevents")
        )
    )


def _passes_reply_on(request: Request) -> bool:
    """Whether the sender routes the reply, as brokers state with ``Prefer: reply`` (Knative's data
    plane contract, "Derived Reply Events")."""
    preferences = request.headers.get("prefer", "").lower().split(",")
    return any(preference.strip() == "reply" for preference in preferences)
