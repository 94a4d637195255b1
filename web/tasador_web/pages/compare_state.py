"""The state of the Compare page: one home in several places, or two homes."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web import compare_view, words
from tasador_web.browser_state import BrowserState
from tasador_web.client import ApiError, functions
from tasador_web.compare_view import Difference, HomeBar, PlaceBar
from tasador_web.languages import language, text
from tasador_web.places import place_index

NUMBERS = ("house_size", "acre_lot", "bed", "bath")
PLACE = ("city", "state", "zip_code")
PLACES, HOMES = "places", "homes"
_MOST_SUGGESTED = 300
_CHANGED = "The model has just changed. Compare again."


class CompareState(rx.State):
    """What the visitor sees; ``form`` has the values that the fields start with."""

    mode: str = PLACES
    form: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    form_key: int = 0
    loaded: bool = False
    states: rx.Field[list[str]] = rx.field(default_factory=list)
    suggestions: rx.Field[list[str]] = rx.field(default_factory=list)
    busy: bool = False
    error: str = ""
    no_model: bool = False
    places: rx.Field[list[PlaceBar]] = rx.field(default_factory=list)
    where: str = ""
    sentence: str = ""
    warnings: rx.Field[list[str]] = rx.field(default_factory=list)
    homes: rx.Field[list[HomeBar]] = rx.field(default_factory=list)
    differences: rx.Field[list[Difference]] = rx.field(default_factory=list)
    difference: str = ""
    _language: str = "en"  # of the answers
    _place: dict[str, str] = {}  # noqa: RUF012 - of the link, which the address keeps

    @rx.event
    async def load(self) -> Any:
        """Fetch the places, and start with the home of a link."""
        if self._language != language():
            # The answers are in the other language.
            self.places, self.homes, self._language = [], [], language()
        query = dict(self.router.url.query_parameters)
        linked = {name: given for name in NUMBERS if (given := query.get(name, "").strip())}
        place = {n: v for n in PLACE if (v := query.get(n, "").strip())}
        if linked:
            # Both homes begin alike, so that who changes one value sees what it is worth.
            both = {f"{name}_{home}": given for name, given in linked.items() for home in "ab"}
            form = {**linked, **both}
            form["place_a"] = ", ".join(place.values())
            self._place = place
            # A form with a new key starts again, and what was typed into it meanwhile is lost.
            if form != self.form:
                self.form, self.form_key = form, self.form_key + 1
        try:
            index = await place_index(fresh=True)
        except (ApiError, ConfigurationError) as error:
            self._show_error(error)
        else:
            self.error, self.no_model = "", False
            self.states = sorted(p.state for p in compare_view.places_of(index, ""))
            cities = [p.label for p in index.places if p.city and not p.zip_code]
            self.suggestions = [*self.states, *cities[:_MOST_SUGGESTED]]
        self.loaded = True
        if linked and not self.error and not self.no_model and not self.places:
            return CompareState.compare_places(linked)
        return None

    @rx.event
    def switch(self, mode: str) -> None:
        """Compare places, or homes."""
        self.mode, self.error = mode, ""

    @rx.event
    async def compare_places(self, form: dict[str, Any]) -> Any:
        """Price one home in every state, or in the cities of one."""
        self.busy, self.error, self.no_model = True, "", False
        yield
        try:
            index = await place_index()
            state = str(form.get("where", ""))
            places = compare_view.places_of(index, state)
            home = _numbers(form, "")
            answer = await functions().prices(compare_view.columns_of(home, places))
            self.places = compare_view.place_bars(places, answer)
            self.where = (
                text("the largest cities of {state}", state=state) if state else text("every state")
            )
            self.sentence = compare_view.sentence_of(places, answer)
            self.warnings = compare_view.common_warnings(answer, home)
            yield BrowserState.show(f"?{urlencode({**self._place, **home})}", "comparison")
        except (ApiError, ConfigurationError) as error:
            self._show_error(error)
        finally:
            self.busy = False

    @rx.event
    async def compare_homes(self, form: dict[str, Any]) -> Any:
        """Price and explain two homes."""
        self.busy, self.error, self.no_model = True, "", False
        yield
        try:
            homes = []
            for letter in "ab":
                typed = str(form.get(f"place_{letter}", "")).strip()
                place = (await place_index()).find(typed) if typed else None
                if typed and place is None:
                    self.error = text(
                        "We know no place like “{typed}” (home {letter}).",
                        typed=typed,
                        letter=letter.upper(),
                    )
                    return
                homes.append({**(place.fields if place else {}), **_numbers(form, f"_{letter}")})
            first, second = await asyncio.gather(*map(functions().explain, homes))
            if first["model"] != second["model"]:
                self.error = text(_CHANGED)
                return
            self.homes = compare_view.home_bars(homes, (first, second))
            self.differences = compare_view.differences_of(first, second)
            self.difference = compare_view.difference_sentence(first, second)
            yield BrowserState.show("", "comparison")
        except (ApiError, ConfigurationError) as error:
            self._show_error(error)
        finally:
            self.busy = False

    def _show_error(self, error: ApiError | ConfigurationError) -> None:
        self.no_model = isinstance(error, ApiError) and error.no_model
        if isinstance(error, ApiError):
            self.error = "" if self.no_model else compare_view.problem_text(error)
        else:
            self.error = str(error)


def _numbers(form: dict[str, Any], ending: str) -> dict[str, str]:
    """The given numbers of a form, as the functions read them."""
    given = {name: str(form.get(f"{name}{ending}", "")).strip() for name in NUMBERS}
    return {name: words.read_number(name, typed) for name, typed in given.items() if typed}
