"""Requests while they arrive: how long a body may be, how much is held, how long it may take."""

from __future__ import annotations

import threading

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser
from waitress.utilities import RequestEntityTooLarge

from functions.surface import MEGABYTE, Request

# The longest body that any address takes. A longer one is read to its end and dropped, up to the
# second figure, so that its sender gets the 413 and not a broken pipe.
BODY_AT_MOST = 8 * MEGABYTE
READ_AT_MOST = 32 * MEGABYTE
# All bodies that are held at one time; a small one is not counted.
HELD_AT_MOST = 64 * MEGABYTE
_SMALL = 64_000
# From a request's first byte to its last.
ARRIVAL_SECONDS = 30.0


class Budget:
    """How many bytes of bodies are held; used by the reading thread and the workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0

    def take(self, size: int) -> bool:
        """Hold so many bytes more, if there is room."""
        with self._lock:
            if self._held + size > HELD_AT_MOST:
                return False
            self._held += size
            return True

    def give(self, size: int) -> None:
        """Let so many bytes go."""
        with self._lock:
            self._held -= size


class _Nowhere:
    """Where a body goes that nobody will read."""

    def __init__(self, length: int) -> None:
        self._length = length

    def append(self, data: bytes) -> None:
        self._length += len(data)

    def close(self) -> None:
        pass

    def __len__(self) -> int:
        return self._length


class TooBusy(RequestEntityTooLarge):
    """Come back later."""

    code = 503


class TooLate(RequestEntityTooLarge):
    """It did not arrive in time."""

    code = 408


class Arriving(HTTPRequestParser):
    """A request while it arrives; ``error`` is set on one that will not be answered.

    ``inline``: the reading thread answers it.
    """

    inline = False
    # A request whose first line never came, or is none, has none of these.
    command = path = query = ""

    def __init__(self, adj: Adjustments, budget: Budget) -> None:
        super().__init__(adj)
        self._budget = budget
        self._taken = 0
        self._refusal: RequestEntityTooLarge | None = None

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.body_rcv is not None:
            # One that comes in chunks says no length.
            size = self.content_length or len(self.body_rcv)
            if self._refusal is None:
                if size > BODY_AT_MOST:
                    self._drop(RequestEntityTooLarge(""))
                elif size > max(_SMALL, self._taken):
                    # Of one in chunks half a megabyte more at a time.
                    more = size - self._taken + (MEGABYTE // 2 if self.chunked else 0)
                    if self._budget.take(more):
                        self._taken += more
                    else:
                        self._drop(TooBusy("too many long bodies at one time; try again"))
            if self.completed and self._refusal is not None and self.error is None:
                self.error = self._refusal
                if type(self.error) is RequestEntityTooLarge:
                    self.error.body = f"the body has {size:,} bytes; {BODY_AT_MOST:,} are taken"
        return consumed

    def _drop(self, why: RequestEntityTooLarge) -> None:
        self._refusal = why
        held = self.body_rcv.buf
        self.body_rcv.buf = _Nowhere(len(held))
        held.close()
        self._return()

    def _return(self) -> None:
        taken, self._taken = self._taken, 0
        if taken:
            self._budget.give(taken)

    def close(self) -> None:
        super().close()
        self._return()


def asked(request: HTTPRequestParser) -> Request:
    """The request as our views take it."""
    stated = request.headers.get("CONTENT_LENGTH", "")
    return Request(
        method=request.command,
        path=request.path,
        headers={name.replace("_", "-").lower(): value for name, value in request.headers.items()},
        query=request.query,
        length=int(stated) if stated.isascii() and stated.isdigit() else 0,
        read=lambda: request.get_body_stream().read(),
    )
