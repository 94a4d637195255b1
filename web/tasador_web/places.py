"""The searchable places of the model in service, kept for all visitors of this process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tasador_web.client import functions
from tasador_web.geography import geography
from tasador_web.place_search import PlaceIndex, index_of

_SECONDS = 60.0


@dataclass
class _Kept:
    """The index, and when it was fetched."""

    index: PlaceIndex | None = None
    places: dict[str, Any] = field(default_factory=dict)
    fetched: float = 0.0


_KEPT = _Kept()


async def place_index(*, fresh: bool = False) -> PlaceIndex:
    """The index, at most a minute old, or of now if ``fresh``; raises ApiError."""
    if fresh or _KEPT.index is None or time.monotonic() - _KEPT.fetched > _SECONDS:
        places = await functions().places()
        if _KEPT.index is None or places != _KEPT.places:
            _KEPT.index, _KEPT.places = index_of(places, geography()), places
        _KEPT.fetched = time.monotonic()
    return _KEPT.index
