"""Pages that follow the histories; record is asked once for all visitors of this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web.client import ApiError, functions

# Pages ask twice in a second and are to show news within one; the answer may be this old.
_SECONDS = 0.25


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


async def follow(mark: str, show: Callable[[], Awaitable[None]]) -> tuple[str, str]:
    """Call ``show`` if the histories have changed since ``mark``.

    Returns the mark of what is shown and an error, one of them empty. After an error the page keeps
    what it shows, and the next call tries again.
    """
    try:
        newest = await change_mark()
        if newest != mark:
            await show()
    except (ApiError, ConfigurationError) as error:
        return "", str(error)
    return newest, ""


class Following(rx.State, mixin=True):  # type: ignore[call-arg]
    """A state of a page that shows what has changed, without a reload.

    A state that follows has ``_fetch``, which asks for the histories and shows them.
    """

    loaded: bool = False
    error: str = ""
    _mark: str = ""

    @rx.event
    async def tick(self) -> None:
        """Show what has changed."""
        await self._follow()

    async def _begin(self) -> None:
        """Show everything, as a page that opens does."""
        self._mark = ""
        await self._follow()

    async def _follow(self) -> None:
        self._mark, self.error = await follow(self._mark, self._fetch)
        self.loaded = True

    async def _fetch(self) -> None:
        raise NotImplementedError
