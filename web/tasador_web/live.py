"""Whether the histories have changed: asked once for all visitors of this process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tasador_web.client import functions

# Pages ask twice in a second; the answer to all of them may be this old.
_SECONDS = 0.4


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
