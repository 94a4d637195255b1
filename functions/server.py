"""The server: waitress with a bounded queue, limits on bodies, and probes that are always answered.

waitress reads and writes every connection on one thread and lets a pool of workers answer. Here
the reading thread itself answers what must not wait: probes, what is refused, and (503, try again)
what the queue has no room for. It never calls anything that blocks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any, Protocol

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask
from waitress.utilities import build_http_date

from functions.request_parser import (
    ARRIVAL_SECONDS,
    BODY_AT_MOST,
    HELD_AT_MOST,
    READ_AT_MOST,
    Arriving,
    Budget,
    TooLate,
    asked,
)
from functions.surface import Problem, Request, Response

log = logging.getLogger("tasador.functions.server")

_CONNECTIONS = 500
# What is read of a connection at one time, bytes: a batch of 10,000 comes in a few pieces.
_PIECE = 131_072
# The longest body that the reading thread takes apart itself, bytes.
SHORT = 16_384
_ROOM = 50
# Between two requests of a connection.
_IDLE_SECONDS = 75.0
# While ending, a connection without a request is closed after this: one may be on its way.
_LAST_CALL_SECONDS = 0.25


class Front(Protocol):
    """Who answers. ``probes`` are the paths whose GET and HEAD must never wait."""

    probes: Collection[str]

    def probe(self, request: Request) -> Response:
        """The answer to a probe; never blocks."""

    def prompt(self, method: str, path: str) -> bool:
        """Whether ``answer`` to a short request like this only computes, for less than a hand-over
        to a worker and back is worth: then the reading thread calls it."""

    def answer(self, request: Request) -> Response | None:
        """The answer to a request; None where it is the WSGI application's."""

    def refuse(self, request: Request, problem: Problem) -> Response:
        """The answer to a request that the server refuses; never blocks."""


class _Task(WSGITask):
    """One request being answered."""

    def service(self) -> None:
        try:
            answer = self._answer()
            if answer is None:
                super().service()
            else:
                self.respond(answer)
        except OSError:
            self.close_on_finish = True

    def _answer(self) -> Response | None:
        front, request = self.channel.server.front, self.request
        if request.error is not None:
            self.close_on_finish = True
            return _refusal(front, request, request.error.code, str(request.error.body))
        server = self.channel.server
        if not request.inline or server.is_prompt(request):
            answer: Response | None = front.answer(asked(request))
            return answer
        if server.is_probe(request):
            probed: Response = front.probe(asked(request))
            return probed
        return _refusal(front, request, 503, "too many requests are waiting; try again")

    def respond(self, answer: Response) -> None:
        """Head and body in one piece: a second send would cost as much as the rest of the way."""
        connection = self.request.headers.get("CONNECTION", "").lower()
        if self.version == "1.0" and connection != "keep-alive":
            self.close_on_finish = True
        if connection == "close" or self.channel.server.ending.is_set():
            self.close_on_finish = True
        lines = [f"HTTP/{self.version} {answer.status} {_PHRASES.get(answer.status, '')}"]
        if answer.content_type:
            lines.append(f"Content-Type: {answer.content_type}")
        if answer.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(answer.body)}")
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if self.close_on_finish:
            lines.append("Connection: close")
        elif self.version == "1.0":
            lines.append("Connection: Keep-Alive")
        lines.append(f"Date: {self.channel.server.date()}\r\nServer: tasador\r\n\r\n")
        head = "\r\n".join(lines).encode("latin-1", "replace")
        body = b"" if self.request.command == "HEAD" else answer.body
        self.wrote_header = True
        self.channel.write_soon(head + body)


def _refusal(front: Front, request: HTTPRequestParser, status: int, detail: str) -> Response:
    headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return front.refuse(asked(request), Problem(status, detail, headers=headers))


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class _Channel(HTTPChannel):
    """One connection."""

    task_class = _Task
    error_task_class = _Task

    def __init__(self, server: Server, *args: Any, **kwargs: Any) -> None:
        self.parser_class = lambda adj: Arriving(adj, server.budget)
        self.began = 0.0
        self._inline = False
        super().__init__(server, *args, **kwargs)

    def received(self, data: bytes) -> bool:
        """Take what has arrived; what must not wait is answered at once."""
        taken: bool = super().received(data)
        self._answer_inline()
        if self.request is None:
            self.began = 0.0
        elif not self.began:
            self.began = time.monotonic()
        return taken

    def handle_read(self) -> None:
        """Read, and let the other connections go first the next time."""
        super().handle_read()
        if self.connected:
            self.server.moved_back(self)

    def answer_inline(self) -> None:
        """Have the reading thread answer the next request, once it holds no lock."""
        self._inline = True

    def _answer_inline(self) -> None:
        while self._inline and self.requests:
            self._inline = False
            self.requests[0].inline = True
            self.service()

    def expire(self) -> None:
        """Refuse a request that takes too long to arrive."""
        with self.requests_lock:
            request, self.request, self.began = self.request, None, 0.0
            if request is None or self.requests:
                self.will_close = True
                return
            request.error = TooLate(f"the request did not arrive in {ARRIVAL_SECONDS:g} seconds")
            self.requests.append(request)
        self._inline = True
        self._answer_inline()

    def handle_close(self) -> None:
        """The connection ends; what had arrived of a request is let go."""
        if self.request is not None:
            self.request.close()
        super().handle_close()


class _Pool:
    """The workers and their queue."""

    def __init__(self, threads: int) -> None:
        self._queue: SimpleQueue[_Channel | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    def put(self, channel: _Channel) -> None:
        self._queue.put(channel)

    def _work(self) -> None:
        while (channel := self._queue.get()) is not None:
            try:
                channel.service()
            except Exception:
                log.exception("a request broke off")

    def end(self, seconds: float) -> None:
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


class Server(TcpWSGIServer):
    """Listens from the start; ``run`` serves until ``end`` is called."""

    channel_class = _Channel

    def __init__(
        self,
        front: Front,
        application: Callable[..., Any],
        *,
        host: str,
        port: int,
        threads: int,
        queue: int,
    ) -> None:
        self.front = front
        self.budget = Budget()
        self.ending = threading.Event()
        self._queue = queue
        self._reader = 0
        self._dated = (0, "")
        self._pool = _Pool(threads)
        adjustments = Adjustments(
            host=host,
            port=port,
            threads=threads,
            ident="tasador",
            connection_limit=_CONNECTIONS,
            channel_timeout=_IDLE_SECONDS,
            cleanup_interval=1,
            max_request_body_size=READ_AT_MOST,
            recv_bytes=_PIECE,
            # Never a temporary file: a function's file system is read-only.
            inbuf_overflow=2 * BODY_AT_MOST,
            outbuf_overflow=HELD_AT_MOST,
        )
        super().__init__(application, dispatcher=self._pool, adj=adjustments)

    def run(self) -> None:
        """Serve until ``end``, which a signal handler may call."""
        self._reader = threading.get_ident()
        while not self.ending.is_set():
            wasyncore.loop(timeout=1.0, map=self._map, count=1)

    def end(self, *_: object) -> None:
        """Take no new connection from now on."""
        self.ending.set()
        # A signal handler runs in the reading thread, but while that sleeps.
        super().pull_trigger()

    def drain(self, seconds: float) -> int:
        """Answer what was begun; how many connections had to be cut off."""
        # What is connected already is still taken, then the door is shut.
        wasyncore.loop(timeout=0.05, map=self._map, count=1)
        self.accepting = False
        self.del_channel(self._map)
        self.socket.close()
        deadline = time.monotonic() + seconds
        while self.active_channels and time.monotonic() < deadline:
            idle = time.time() - _LAST_CALL_SECONDS
            for channel in list(self.active_channels.values()):
                if not channel.requests and channel.request is None:
                    channel.close_when_flushed |= channel.last_activity < idle
            wasyncore.loop(timeout=0.05, map=self._map, count=1)
        left = len(self.active_channels)
        self._pool.end(1.0)
        return left

    def add_task(self, channel: _Channel) -> None:
        """A request of the channel has arrived: to a worker, or to the reading thread itself."""
        request = channel.requests[0]
        if threading.get_ident() == self._reader and (
            request.error is not None
            or self.is_prompt(request)
            or self._pool.waiting >= self._queue
            or self.is_probe(request)
        ):
            channel.answer_inline()
        else:
            self._pool.put(channel)

    def handle_accept(self) -> None:
        """Take all who knock: one a turn would wait as often as there are others to be answered."""
        while len(self._map) < _CONNECTIONS:
            before = len(self._map)
            super().handle_accept()
            if len(self._map) == before:
                return

    def moved_back(self, channel: _Channel) -> None:
        """Read the channel after all others.

        waitress reads what has arrived in the order of its map, which is that of coming. What is
        answered late in a turn asks again after the next has begun, so with the same order in each
        turn the last always wait for two of them.
        """
        number = channel.socket.fileno()
        if number in self._map:
            self._map[number] = self._map.pop(number)

    def pull_trigger(self) -> None:
        """Wake the reading thread, unless it is the one that calls."""
        if threading.get_ident() != self._reader:
            super().pull_trigger()

    def is_prompt(self, request: HTTPRequestParser) -> bool:
        """Whether the reading thread answers it itself, as no worker would be sooner."""
        body = request.body_rcv
        return (body is None or len(body) <= SHORT) and self.front.prompt(
            request.command, request.path
        )

    def is_probe(self, request: HTTPRequestParser) -> bool:
        """Whether it must be answered whatever else is wrong."""
        return request.path in self.front.probes and request.command in ("GET", "HEAD")

    def maintenance(self, now: float) -> None:
        """Once a second: close what is idle, refuse what does not arrive."""
        super().maintenance(now)
        late = time.monotonic() - ARRIVAL_SECONDS
        channels = list(self.active_channels.values())
        for channel in channels:
            if 0.0 < channel.began < late:
                channel.expire()
        # There is always room for a probe: of idle connections the oldest make it.
        if (over := len(channels) - _CONNECTIONS + _ROOM) > 0:
            idle = [c for c in channels if not c.requests and c.request is None]
            for channel in sorted(idle, key=lambda c: c.last_activity)[:over]:
                channel.will_close = True

    def date(self) -> str:
        """The time for a Date header, made once a second."""
        second = int(time.time())
        if self._dated[0] != second:
            self._dated = (second, build_http_date(second))
        return self._dated[1]
