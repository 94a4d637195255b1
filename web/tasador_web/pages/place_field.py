"""The field that searches for a place: a list of suggestions, and the one that was chosen."""

from __future__ import annotations

import asyncio
from typing import Any

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web.client import ApiError
from tasador_web.languages import counted
from tasador_web.place_search import Place
from tasador_web.places import place_index


class PlaceField(rx.State, mixin=True):  # type: ignore[call-arg]
    """The part of a state that finds places; the state has ``_show_error``."""

    suggestions: rx.Field[list[str]] = rx.field(default_factory=list)
    active: int = -1
    _found: list[Place] = []  # noqa: RUF012 - Reflex copies it for each visitor
    _chosen: Place = Place()

    @rx.event
    async def search(self, typed: str) -> None:
        """Offer places for what was typed."""
        self._chosen, self.active = Place(), -1
        try:
            index = await place_index()
        except (ApiError, ConfigurationError) as error:
            await self._show_error(error)
            return
        self._found = await asyncio.to_thread(index.search, typed)
        self.suggestions = [
            counted(
                place.listings,
                "{place} · {count} listing",
                "{place} · {count} listings",
                place=place.label,
            )
            if place.listings
            else place.label
            for place in self._found
        ]

    @rx.event
    def key(self, key: str) -> None:
        """Move in the list of places by the keyboard, or close it."""
        if key == "Escape":
            self.suggestions, self.active = [], -1
        elif key in ("ArrowDown", "ArrowUp") and self.suggestions:
            step = 1 if key == "ArrowDown" else -1
            self.active = (self.active + step) % len(self.suggestions)

    @rx.event
    def choose(self, position: int) -> Any:
        """Take a place of the list."""
        self.suggestions, self.active = [], -1
        if 0 <= position < len(self._found):
            self._chosen = self._found[position]
            return rx.set_value("place", self._chosen.label)
        return None

    @rx.event
    def close(self) -> None:
        """Close the list of places."""
        self.suggestions, self.active = [], -1

    async def _placed(self, typed: str) -> Place | None:
        """The place that was chosen or typed; None if it is not known."""
        if not typed.strip():
            return Place()
        if 0 <= self.active < len(self._found):
            return self._found[self.active]
        if typed.strip() == self._chosen.label:
            return self._chosen
        return (await place_index()).find(typed)

    async def _show_error(self, error: ApiError | ConfigurationError) -> None:
        raise NotImplementedError
