"""The HTTP server: waitress with a bounded queue, limits on bodies, and probes that never wait.

One thread reads and writes all connections; workers answer. The reading thread itself answers
probes, rejections, and what takes less time than passing it to a worker (decision 0010). It never
calls anything that blocks; log lines go to a queue (``functions.logs``).

The names of waitress that are overridden or used here are listed in
tests/code/test_waitress_internals.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.utilities import build_http_date

from functions.connection import Connection, Handler
from functions.limits import (
    ARRIVAL_SECONDS,
    IDLE_SECONDS,
    LAST_REQUEST_SECONDS,
    MAX_BODY_BYTES,
    MAX_CONNECTIONS,
    MAX_HEADER_BYTES,
    MAX_HELD_BYTES,
    MAX_INLINE_BYTES,
    MAX_READ_BYTES,
    READ_BYTES,
    SPARE_CONNECTIONS,
    TAKING_SECONDS,
)
from functions.request_parser import BodyBudget
from functions.workers import WorkerPool


class Server(TcpWSGIServer):
    """Listens from the start; ``run`` serves until ``end`` is called."""

    channel_class = Connection

    def __init__(
        self,
        handler: Handler,
        application: Callable[..., Any],
        *,
        host: str,
        port: int,
        threads: int,
        queue: int,
    ) -> None:
        self.handler = handler
        self.budget = BodyBudget()
        self.ending = threading.Event()
        self._max_queued = queue
        self._reading_thread = 0
        # Connections whose clients do not take their answers.
        self._silent: list[Connection] = []
        self._date = (0, "")
        self._pool = WorkerPool(threads)
        adjustments = Adjustments(
            host=host,
            port=port,
            threads=threads,
            ident="tasador",
            connection_limit=MAX_CONNECTIONS,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=1,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=MAX_READ_BYTES,
            recv_bytes=READ_BYTES,
            # Never a temporary file: a function's file system is read-only.
            inbuf_overflow=2 * MAX_BODY_BYTES,
            outbuf_overflow=MAX_HELD_BYTES,
        )
        super().__init__(application, dispatcher=self._pool, adj=adjustments)

    def run(self) -> None:
        """Serve until ``end``, which a signal handler may call."""
        self._reading_thread = threading.get_ident()
        while not self.ending.is_set():
            wasyncore.loop(timeout=1.0, map=self._map, count=1)
            # Not in ``maintenance``, which waitress calls while it collects the sockets to wait
            # for. These are full, so waitress would never find them ready to be closed.
            while self._silent:
                self._silent.pop().handle_close()

    def end(self) -> None:
        """Accept no new connection from now on."""
        self.ending.set()
        # A signal handler runs in the reading thread, which may be asleep in select.
        super().pull_trigger()

    def drain(self, seconds: float) -> int:
        """Answer the requests in progress; the number of connections that had to be cut off."""
        # Connections in the listen queue are still served, then the socket is closed.
        wasyncore.loop(timeout=0.05, map=self._map, count=1)
        self.accepting = False
        self.del_channel(self._map)
        self.socket.close()
        deadline = time.monotonic() + seconds
        while self.active_channels and time.monotonic() < deadline:
            idle_since = time.time() - LAST_REQUEST_SECONDS
            for connection in list(self.active_channels.values()):
                if not connection.requests and connection.request is None:
                    connection.close_when_flushed |= connection.last_activity < idle_since
            wasyncore.loop(timeout=0.05, map=self._map, count=1)
        left = len(self.active_channels)
        self._pool.end(1.0)
        return left

    def add_task(self, connection: Connection) -> None:
        """Give the connection's next request to a worker, or to the reading thread itself."""
        if connection.has_too_much_to_take:
            connection.give_up()
            return
        request = connection.requests[0]
        if (
            threading.get_ident() == self._reading_thread
            and connection.inline_left
            and (
                request.error is not None
                or self.answers_inline(request)
                or self._pool.waiting >= self._max_queued
                or self.is_probe(request)
            )
        ):
            connection.answer_inline()
        else:
            self._pool.put(connection)

    def handle_accept(self) -> None:
        """Accept all waiting connections: waitress accepts one in each turn of its loop."""
        while len(self._map) < MAX_CONNECTIONS:
            before = len(self._map)
            super().handle_accept()
            if len(self._map) == before:
                return

    def move_to_end(self, connection: Connection) -> None:
        """Read the connection after all others in the next turn (decision 0011).

        waitress reads in the order of its map, which is that of connecting. A client that is
        answered late in a turn sends its next request after the next turn has begun, so with a
        fixed order the last clients would always wait for two turns.
        """
        descriptor = connection.socket.fileno()
        if descriptor in self._map:
            self._map[descriptor] = self._map.pop(descriptor)

    def pull_trigger(self) -> None:
        """Wake the reading thread, unless it is the caller."""
        if threading.get_ident() != self._reading_thread:
            super().pull_trigger()

    def answers_inline(self, request: HTTPRequestParser) -> bool:
        """Whether the reading thread answers the request, since a worker would take longer."""
        body = request.body_rcv
        return (
            (body is None or len(body) <= MAX_INLINE_BYTES)
            and "CONTENT_ENCODING" not in request.headers
            and self.handler.answers_inline(request.command, request.path)
        )

    def is_probe(self, request: HTTPRequestParser) -> bool:
        """Whether the request is a probe, which is answered whatever else is wrong."""
        return request.path in self.handler.probes and request.command in ("GET", "HEAD")

    def maintenance(self, now: float) -> None:
        """Once a second: close idle connections and those whose clients do not take their answers,
        reject requests that arrive too slowly."""
        super().maintenance(now)
        late = time.monotonic() - ARRIVAL_SECONDS
        connections = list(self.active_channels.values())
        for connection in connections:
            if connection.total_outbufs_len and connection.last_activity < now - TAKING_SECONDS:
                self._silent.append(connection)
            elif 0.0 < connection.request_started < late:
                connection.expire()
        # Close the oldest idle connections, so that a probe can always connect.
        if (over := len(connections) - MAX_CONNECTIONS + SPARE_CONNECTIONS) > 0:
            idle = [c for c in connections if not c.requests and c.request is None]
            for connection in sorted(idle, key=lambda c: c.last_activity)[:over]:
                connection.will_close = True

    def date(self) -> str:
        """The time for a Date header, formatted once a second."""
        second = int(time.time())
        if self._date[0] != second:
            self._date = (second, build_http_date(second))
        return self._date[1]
