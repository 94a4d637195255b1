"""Pages that follow the histories."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web.client import ApiError
from tasador_web.marks import change_mark


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
