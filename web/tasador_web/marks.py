"""What record says, asked once for all visitors of this process. No Reflex."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tasador_web.client import functions

# Pages ask twice in a second and are to show news within one; the answer may be this old.
_SECONDS = 0.25
# A list that record gives to one page serves the others that open, or follow, at the same time.
_SHARED_SECONDS = 1.0


@dataclass
class _Kept:
    """The last mark, and when it was fetched."""

    mark: str = ""
    fetched: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_KEPT = _Kept()


async def change_mark() -> str:
    """A text that changes with the histories; raises ApiError while record does not answer."""
    async with _KEPT.lock:
        if time.monotonic() - _KEPT.fetched > _SECONDS:
            _KEPT.mark = await functions().change_mark()
            _KEPT.fetched = time.monotonic()
        return _KEPT.mark


@dataclass
class _Answer:
    """The last answer to a question, and the mark before it was asked."""

    answer: Any = None
    mark: str = ""
    fetched: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


_ANSWERS: dict[str, _Answer] = {}


async def shared(question: str, fetch: Callable[[], Awaitable[Any]]) -> Any:
    """The answer to what many pages ask at once; it is never older than the newest mark."""
    if question not in _ANSWERS:
        _forget()
    kept = _ANSWERS.setdefault(question, _Answer())
    async with kept.lock:
        mark = await change_mark()
        if kept.mark != mark or time.monotonic() - kept.fetched > _SHARED_SECONDS:
            kept.answer, kept.mark = await fetch(), mark
            kept.fetched = time.monotonic()
        return kept.answer


def _forget() -> None:
    """Drop the answers that are too old to serve anybody."""
    for question, kept in list(_ANSWERS.items()):
        if not kept.lock.locked() and time.monotonic() - kept.fetched > _SHARED_SECONDS:
            del _ANSWERS[question]
