"""The searchable places of the model in service, kept for all visitors of this process."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tasador_web.client import functions
from tasador_web.geography import geography
from tasador_web.place_search import PlaceIndex, index_of

_SECONDS = 60.0


@dataclass
class _Kept:
    """The index, and when it was fetched."""

    index: PlaceIndex | None = None
    fetched: float = 0.0


_KEPT = _Kept()


async def place_index() -> PlaceIndex:
    """The index, at most a minute old; raises ApiError."""
    if _KEPT.index is None or time.monotonic() - _KEPT.fetched > _SECONDS:
        _KEPT.index = index_of(await functions().places(), geography())
        _KEPT.fetched = time.monotonic()
    return _KEPT.index
