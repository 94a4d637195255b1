"""One connection of the server: waitress's channel and task, with our routes and limits.

The names of waitress that are overridden or used here are listed in
tests/code/test_waitress_internals.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Container
from http import HTTPStatus
from io import BytesIO
from typing import Any, Protocol

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import WSGITask

from functions.http import HttpProblem, Request, Response
from functions.limits import ARRIVAL_SECONDS, MAX_INLINE_RUN, MAX_UNSENT_BYTES
from functions.request_parser import BodyBudget, RequestParser, TooLate, to_request

# Waitress copies the rest of an answer into a buffer only if it is no longer than this.
_COPIED_BYTES = 1 << 18


class Handler(Protocol):
    """Answers requests (``functions.endpoints.Endpoints``)."""

    @property
    def probes(self) -> Container[str]:
        """The paths whose GET and HEAD are always answered."""

    def probe(self, request: Request) -> Response:
        """The answer to a probe; never blocks."""

    def answers_inline(self, method: str, path: str) -> bool:
        """Whether ``answer`` takes less time than passing the request to a worker, and never
        blocks: then the reading thread calls it. Called for every short request."""

    def answer(self, request: Request) -> Response | None:
        """The answer to a request; None where the WSGI application answers."""

    def refuse(self, request: Request, problem: HttpProblem) -> Response:
        """The answer to a request that the server rejects; never blocks."""


class ConnectionServer(Protocol):
    """What a connection uses of ``functions.server.Server``."""

    handler: Handler
    budget: BodyBudget
    ending: threading.Event

    def is_probe(self, request: HTTPRequestParser) -> bool:
        """Whether the request is a probe."""

    def answers_inline(self, request: HTTPRequestParser) -> bool:
        """Whether the reading thread answers the request."""

    def date(self) -> str:
        """The value of a Date header."""

    def move_to_end(self, connection: Connection) -> None:
        """Read the connection after all others in the next turn."""


class RequestTask(WSGITask):
    """Answers one request."""

    def service(self) -> None:
        """Answer, or pass the request to the WSGI application."""
        try:
            response = self._answer()
            if response is None:
                super().service()
            else:
                self.respond(response)
        except OSError:
            self.close_on_finish = True

    def _answer(self) -> Response | None:
        server: ConnectionServer = self.channel.server
        handler, request = server.handler, self.request
        if request.error is not None:
            self.close_on_finish = True
            return _refusal(handler, request, request.error.code, str(request.error.body))
        if not request.inline or server.answers_inline(request):
            return handler.answer(to_request(request))
        if server.is_probe(request):
            return handler.probe(to_request(request))
        return _refusal(handler, request, 503, "too many requests are waiting; try again")

    def respond(self, response: Response) -> None:
        """Send head and body, at once if they are short: a second send would double the cost."""
        connection = self.request.headers.get("CONNECTION", "").lower()
        if self.version == "1.0" and connection != "keep-alive":
            self.close_on_finish = True
        if connection == "close" or self.channel.server.ending.is_set():
            self.close_on_finish = True
        lines = [f"HTTP/{self.version} {response.status} {_PHRASES.get(response.status, '')}"]
        if response.content_type:
            lines.append(f"Content-Type: {response.content_type}")
        if response.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(response.body)}")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if self.close_on_finish:
            lines.append("Connection: close")
        elif self.version == "1.0":
            lines.append("Connection: Keep-Alive")
        lines.append(f"Date: {self.channel.server.date()}\r\nServer: tasador\r\n\r\n")
        head = "\r\n".join(lines).encode("latin-1", "replace")
        body = b"" if self.request.command == "HEAD" else response.body
        self.wrote_header = True
        if len(body) <= _COPIED_BYTES:
            self.channel.write_soon(head + body)
        else:
            self.channel.write_soon(head)
            self.channel.write_soon(body)


def _refusal(handler: Handler, request: HTTPRequestParser, status: int, detail: str) -> Response:
    headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return handler.refuse(to_request(request), HttpProblem(status, detail, headers=headers))


def _after(data: bytes, sent: int) -> bytes | ReadOnlyFileBasedBuffer:
    """What follows the first ``sent`` bytes, as waitress takes it without another copy. A client
    that is slow to take it holds no more memory than that."""
    rest = data[sent:]
    if len(rest) <= _COPIED_BYTES:
        return rest
    buffer = ReadOnlyFileBasedBuffer(BytesIO(rest))  # shares the bytes
    buffer.prepare()
    return buffer


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Connection(HTTPChannel):
    """One connection. Its methods run in the reading thread, ``service`` also in workers."""

    task_class = RequestTask
    error_task_class = RequestTask
    request: RequestParser | None
    requests: list[RequestParser]

    def __init__(self, server: ConnectionServer, *args: Any, **kwargs: Any) -> None:
        self.parser_class = lambda adj: RequestParser(adj, server.budget)
        # When the first byte of the unfinished request arrived (monotonic); 0 without one.
        self.request_started = 0.0
        self.inline_left = MAX_INLINE_RUN
        self._inline = False
        super().__init__(server, *args, **kwargs)

    def received(self, data: bytes) -> bool:
        """Parse what has arrived, and answer at once what is answered inline."""
        self.inline_left = MAX_INLINE_RUN
        accepted: bool = super().received(data)
        self._service_inline()
        if self.request is None:
            self.request_started = 0.0
        elif not self.request_started:
            self.request_started = time.monotonic()
        return accepted

    def handle_read(self) -> None:
        """Read once, then let the other connections go first."""
        super().handle_read()
        if self.connected:
            self.server.move_to_end(self)

    def write_soon(self, data: Any) -> int:
        """Send what the socket takes at once, if nothing waits to be sent; waitress sends the rest,
        which it copies only if that is short (decision 0014)."""
        rest = data
        if type(data) is bytes and self.connected:
            sent = 0
            with self.outbuf_lock:
                if not self.total_outbufs_len:
                    sent = self._sent_now(data)
            rest = _after(data, sent)
        if len(rest):
            super().write_soon(rest)
        return len(data)

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait for no client to take its answers: a few could keep all workers waiting. The server
        gives up a connection that has too much to take."""

    @property
    def has_too_much_to_take(self) -> bool:
        """Whether the client leaves its answers, and should not get another one."""
        return bool(self.total_outbufs_len > MAX_UNSENT_BYTES)

    def give_up(self) -> None:
        """Answer no further request, and close once the client has taken what is ready. The caller
        holds ``requests_lock``."""
        for request in self.requests:
            request.close()
        self.requests.clear()
        self.close_when_flushed = True

    def _sent_now(self, data: bytes) -> int:
        try:
            sent: int = self.send(data, do_close=False)
        except OSError:
            return 0  # waitress meets it again, and closes the connection
        return sent

    def answer_inline(self) -> None:
        """Have the reading thread answer the next request, once it has released its lock."""
        self._inline = True
        self.inline_left -= 1

    def _service_inline(self) -> None:
        while self._inline and self.requests:
            self._inline = False
            self.requests[0].inline = True
            self.service()

    def expire(self) -> None:
        """Reject a request that takes too long to arrive."""
        with self.requests_lock:
            request, self.request, self.request_started = self.request, None, 0.0
            if request is None or self.requests:
                self.will_close = True
                return
            request.error = TooLate(f"the request did not arrive in {ARRIVAL_SECONDS:g} seconds")
            self.requests.append(request)
        self._inline = True
        self._service_inline()

    def handle_close(self) -> None:
        """The connection ends: release what had arrived of a request."""
        if self.request is not None:
            self.request.close()
        super().handle_close()
