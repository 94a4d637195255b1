"""The worker threads of the server and their queue."""

from __future__ import annotations

import logging
import threading
import time
from queue import SimpleQueue
from typing import Protocol

log = logging.getLogger("tasador.functions.server")


class Channel(Protocol):
    """A connection with a request to answer."""

    def service(self) -> None:
        """Answer the next request."""


class WorkerPool:
    """Threads that answer requests. The server bounds the queue: it checks ``waiting``."""

    def __init__(self, threads: int) -> None:
        self._queue: SimpleQueue[Channel | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """The number of requests in the queue."""
        return self._queue.qsize()

    def put(self, channel: Channel) -> None:
        """Queue the channel's next request."""
        self._queue.put(channel)

    def end(self, seconds: float) -> None:
        """Stop the threads once the queue is empty; wait for them up to ``seconds``."""
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (channel := self._queue.get()) is not None:
            try:
                channel.service()
            except Exception:
                log.exception("a request failed in the server")
