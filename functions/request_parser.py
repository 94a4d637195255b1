"""Requests while they arrive: how long a body may be, how much is held, how long it may take."""

from __future__ import annotations

import re
import threading
from typing import Any

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import RequestEntityTooLarge

from functions.http import Request
from functions.limits import MAX_BODY_BYTES, MAX_HELD_BYTES, MEGABYTE, SMALL_BODY_BYTES

_ANNOUNCING = frozenset(("CE_SPECVERSION", "CE_TYPE", "CE_ID", "CE_SOURCE"))
_ATTRIBUTES = re.compile(rb"\nce-([^:\s]*)")


class BodyBudget:
    """Counts the bytes of bodies that are held; shared by the reading thread and the workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0

    def acquire(self, size: int) -> bool:
        """Reserve ``size`` bytes; False if there is no room."""
        with self._lock:
            if self._held + size > MAX_HELD_BYTES:
                return False
            self._held += size
            return True

    def release(self, size: int) -> None:
        """Return ``size`` bytes."""
        with self._lock:
            self._held -= size


class _DiscardedBody:
    """Takes the place of a body's buffer: counts the bytes and drops them."""

    def __init__(self, length: int) -> None:
        self._length = length

    def append(self, data: bytes) -> None:
        self._length += len(data)

    def close(self) -> None:
        pass

    def __len__(self) -> int:
        return self._length


class TooBusy(RequestEntityTooLarge):
    """503: too many long bodies are held."""

    code = 503


class TooLate(RequestEntityTooLarge):
    """408: the request did not arrive in time."""

    code = 408


class RequestParser(HTTPRequestParser):
    """A request while it arrives. ``error`` is set on one that is rejected.

    ``inline``: the reading thread answers it.
    """

    inline = False
    error: Any
    # Defaults for a request whose first line is missing or malformed.
    command = path = query = ""

    def __init__(self, adj: Adjustments, budget: BodyBudget) -> None:
        super().__init__(adj)
        self._budget = budget
        self._reserved = 0
        self._rejection: RequestEntityTooLarge | None = None

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the headers; a malformed attribute of a CloudEvent is a 400.

        waitress joins equal headers with a comma and drops names with an underscore: an event
        would have an attribute that nobody sent, or lack one.
        """
        super().parse_header(header_plus)
        # Without one of these it is not an event (functions.function.is_event).
        if _ANNOUNCING.isdisjoint(self.headers):
            return
        names = _ATTRIBUTES.findall(header_plus.lower())
        for name in names:
            if b"_" in name or names.count(name) > 1:
                fault = "has an underscore" if b"_" in name else "is given twice"
                raise ParsingError(f"the header ce-{name.decode('latin-1')[:64]} {fault}")

    def received(self, data: bytes) -> int:
        """Parse ``data``; the number of bytes consumed."""
        consumed: int = super().received(data)
        if self.body_rcv is not None:
            # A chunked request states no length.
            size = self.content_length or len(self.body_rcv)
            if self._rejection is None:
                if size > MAX_BODY_BYTES:
                    self._discard(RequestEntityTooLarge(""))
                elif size > max(SMALL_BODY_BYTES, self._reserved):
                    # For a chunked request reserve half a megabyte ahead.
                    more = size - self._reserved + (MEGABYTE // 2 if self.chunked else 0)
                    if self._budget.acquire(more):
                        self._reserved += more
                    else:
                        self._discard(TooBusy("too many long bodies at the same time; try again"))
            if self.completed and self._rejection is not None and self.error is None:
                self.error = self._rejection
                if type(self.error) is RequestEntityTooLarge:
                    self.error.body = (
                        f"the body has {size:,} bytes; the limit is {MAX_BODY_BYTES:,}"
                    )
        return consumed

    def _discard(self, rejection: RequestEntityTooLarge) -> None:
        self._rejection = rejection
        held = self.body_rcv.buf
        self.body_rcv.buf = _DiscardedBody(len(held))
        held.close()
        self._release()

    def _release(self) -> None:
        reserved, self._reserved = self._reserved, 0
        if reserved:
            self._budget.release(reserved)

    def close(self) -> None:
        """Let the body go."""
        super().close()
        self._release()


def to_request(parsed: HTTPRequestParser) -> Request:
    """The parsed request as our views take it."""
    stated = parsed.headers.get("CONTENT_LENGTH", "")
    return Request(
        method=parsed.command,
        path=parsed.path,
        headers={name.replace("_", "-").lower(): value for name, value in parsed.headers.items()},
        query=parsed.query,
        length=int(stated) if stated.isascii() and stated.isdigit() else 0,
        read=lambda: parsed.get_body_stream().read(),
    )
