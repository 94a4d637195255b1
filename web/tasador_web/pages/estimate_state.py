"""The state of the Estimate page: one visitor's form and the answer to it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web import comparables_view, estimate_view, map_view, view, words
from tasador_web.browser_state import BrowserState
from tasador_web.client import ApiError, functions
from tasador_web.comparables_view import Comparable
from tasador_web.estimate_view import Band, Estimate, Step, WhatIf
from tasador_web.geography import geography
from tasador_web.languages import language, text
from tasador_web.map_view import Map
from tasador_web.pages.place_field import PlaceField
from tasador_web.place_search import Place
from tasador_web.places import place_index

NUMBERS = ("house_size", "bed", "bath", "acre_lot")
MORE = ("status", "prev_sold_date", "street", "brokered_by")
PLACE = ("state", "city", "zip_code")
_EXAMPLE = {"house_size": "1800", "bed": "3", "bath": "2"}
# Each answer is recorded as a prediction, and a double click asks for one.
_DOUBLE_CLICK_SECONDS = 0.5
_UNKNOWN_PLACE = "We know no such place. Choose one from the list, or leave it empty."


class EstimateState(PlaceField, rx.State):
    """What the visitor sees; ``form`` has the values that the fields start with."""

    form: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    form_key: int = 0
    loaded: bool = False  # the server has answered, so that it hears what is typed
    example: str = ""  # a place for those who want to see what the page does
    busy: bool = False
    errors: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    unfolded: bool = False  # the fields below "More details", since one of them has an error
    error: str = ""
    no_model: bool = False
    rejection: str = ""  # why there is no model although one was trained
    done: bool = False
    result: rx.Field[Estimate] = rx.field(default_factory=Estimate)
    bands: rx.Field[list[Band]] = rx.field(default_factory=list)
    missing: str = ""
    as_land: str = ""  # says that the home is priced as land, if it is
    warnings: rx.Field[list[str]] = rx.field(default_factory=list)
    read_as: str = ""
    link: str = ""  # the query of the address that opens the home that is shown
    steps: rx.Field[list[Step]] = rx.field(default_factory=list)
    sentence: str = ""
    comparables: rx.Field[list[Comparable]] = rx.field(default_factory=list)
    map: rx.Field[Map] = rx.field(default_factory=Map)
    sliders: rx.Field[list[WhatIf]] = rx.field(default_factory=list)
    slider_key: int = 0
    difference: str = ""  # what the sliders changed, in dollars
    _language: str = "en"  # of the texts of the answer
    _listing: dict[str, str] = {}  # noqa: RUF012 - Reflex copies it for each visitor
    _trial: dict[str, str] = {}  # noqa: RUF012
    _prediction: dict[str, Any] = {}  # noqa: RUF012
    _answered: float = -math.inf  # when the price came, by the monotonic clock

    @rx.event
    async def load(self) -> AsyncIterator[Any]:
        """Fetch the places; price the home of a shared link."""
        try:
            # A page that opens says whether a model is in service now.
            index = await place_index(fresh=True)
        except (ApiError, ConfigurationError) as error:
            self.loaded = True
            await self._show_error(error)
            return
        self.loaded = True
        self._clear_errors()
        self.example = next((p.label for p in index.places if p.city and not p.zip_code), "")
        query = dict(self.router.url.query_parameters)
        given = {n: v for n in (*PLACE, *NUMBERS, *MORE) if (v := query.get(n, "").strip())}
        linked = _as_read(given)
        is_shown = self.done and self._language == language()
        if linked:
            is_shown = is_shown and linked == self._listing == self._trial
        # Who returns from another page, or from the other language, finds the last home.
        linked = linked or self._listing
        if not linked:
            return
        form = self._form_of(linked)
        # A form with a new key starts again, and what was typed into it meanwhile is lost.
        if form != self.form:
            self.form, self.form_key = form, self.form_key + 1
        if is_shown:
            yield BrowserState.show(self.link)
            return
        async for event in self._price(linked):
            yield event

    def _form_of(self, listing: dict[str, str]) -> dict[str, str]:
        """What the fields hold for a listing; its place counts as chosen."""
        state, city, zip_code = (listing.get(field, "") for field in PLACE)
        self._chosen = Place(state, city, zip_code)
        return {
            "place": self._chosen.label,
            **{name: value for name, value in listing.items() if name not in PLACE},
        }

    @rx.event
    async def try_example(self) -> AsyncIterator[Any]:
        """Price a home in the city that the model knows best."""
        self._chosen = (await place_index()).find(self.example) or Place()
        self.form, self.form_key = {"place": self._chosen.label, **_EXAMPLE}, self.form_key + 1
        async for event in self._price({**self._chosen.fields, **_EXAMPLE}):
            yield event

    # -- the estimate -----------------------------------------------------------------------------

    @rx.event
    async def estimate(self, form: dict[str, Any]) -> AsyncIterator[Any]:
        """Price what the form says."""
        self._clear_errors()
        self.busy = True
        yield
        try:
            place = await self._placed(str(form.get("place", "")))
        except (ApiError, ConfigurationError) as error:
            self.busy = False
            await self._show_error(error)
            return
        if place is None:
            self.busy, self.done, self.errors = False, False, {"place": text(_UNKNOWN_PLACE)}
            yield rx.set_focus("place")
            return
        self._chosen = place
        self.suggestions, self.active = [], -1
        yield rx.set_value("place", place.label)
        given = {n: t for n in (*NUMBERS, *MORE) if (t := str(form.get(n, "")).strip())}
        self.form = {"place": place.label, **given}
        async for event in self._price({**place.fields, **_as_read(given)}):
            yield event

    async def _price(self, listing: dict[str, str]) -> AsyncIterator[Any]:
        """Request a price and its reasons; the price is shown even if the other fails."""
        shown = (self._trial, self._listing, self._language)
        same = self.done and (listing, listing, language()) == shown
        if same and time.monotonic() < self._answered + _DOUBLE_CLICK_SECONDS:
            self.busy = False
            return
        self.busy, self.done = True, False
        self._clear_errors()
        yield
        try:
            prediction, explanation = await _predict_and_explain(listing)
            if isinstance(prediction, BaseException):
                raise prediction
            self._listing, self._trial, self._prediction = listing, dict(listing), prediction
            self._language = language()
            self._answered = time.monotonic()
            self.difference = ""
            self._show_price(prediction)
            self._show_reasons(explanation)
            self._reset_sliders()
            self.done = True
        except (ApiError, ConfigurationError) as error:
            await self._show_error(error)
        finally:
            self.busy = False
        if self.done:
            self.link = estimate_view.link_of(listing)
            yield BrowserState.show(self.link, "answer")
        elif wrong := next((name for name in (*NUMBERS, *MORE) if name in self.errors), None):
            yield rx.set_focus(wrong)

    @rx.event
    async def what_if(self, name: str, value: str) -> Any:
        """Price the home with another value, without recording it."""
        trial = {**self._trial, name: value}
        try:
            explanation = await functions().explain(trial)
        except (ApiError, ConfigurationError) as error:
            await self._show_error(error)
            return None
        self._trial = trial
        self._show_price(explanation)
        self._show_reasons(explanation)
        shown = {s.name: s for s in estimate_view.sliders_of(trial)}
        for slider in self.sliders:
            slider.value, slider.shown = shown[slider.name].value, shown[slider.name].shown
        self.difference = words.change(explanation["price"] - self._prediction["price"])
        return self._show_link()

    @rx.event
    async def undo_what_if(self) -> Any:
        """Return to the home as it was entered."""
        self._trial = dict(self._listing)
        self.difference = ""
        self._show_price(self._prediction)
        try:
            self._show_reasons(await functions().explain(self._trial))
        except (ApiError, ConfigurationError) as error:
            await self._show_error(error)
        self._reset_sliders()
        return self._show_link()

    @rx.event
    async def keep_what_if(self) -> AsyncIterator[Any]:
        """Price the home of the sliders as one that is entered, which records it."""
        self.form, self.form_key = self._form_of(self._trial), self.form_key + 1
        async for event in self._price(dict(self._trial)):
            yield event

    def _show_link(self) -> Any:
        self.link = estimate_view.link_of(self._trial)
        return BrowserState.show(self.link)

    def _reset_sliders(self) -> None:
        self.sliders = estimate_view.sliders_of(self._listing)
        self.slider_key += 1

    def _show_price(self, answer: dict[str, Any]) -> None:
        # What is tried by a slider is not recorded, so it has no report.
        recorded = self._prediction if self._trial == self._listing else {}
        self.result = estimate_view.estimate_of(
            answer, self._trial, {**self._prediction, "prediction_id": "", **recorded}
        )
        self.bands = estimate_view.bands_of(answer["intervals"])
        self.warnings = [words.warning(says, self._trial) for says in answer["warnings"]]
        names = estimate_view.left_out(answer["missing"])
        self.missing = words.listed(names) if names else ""
        self.as_land = estimate_view.as_land(self._trial)
        self.read_as = view.read_as_of(answer)

    def _show_reasons(self, explanation: dict[str, Any] | BaseException) -> None:
        self.steps, self.comparables, self.map = [], [], Map()
        if isinstance(explanation, ApiError | ConfigurationError):
            self.sentence = text("The price cannot be explained now: {reason}", reason=explanation)
        elif isinstance(explanation, BaseException):
            raise explanation
        elif explanation["model"] != self._prediction["model"]:
            # Another model went into service between the two answers.
            self.sentence = text("The model has just changed. Estimate again to see the reasons.")
        else:
            self.steps = estimate_view.steps_of(explanation)
            self.sentence = estimate_view.sentence_of(explanation)
            self.comparables = comparables_view.comparables_of(
                explanation, self._trial, geography()
            )
            self.map = map_view.map_of(explanation["comparables"], self._trial, geography())

    def _clear_errors(self) -> None:
        self.errors, self.error, self.no_model = {}, "", False

    async def _show_error(self, error: ApiError | ConfigurationError) -> None:
        if isinstance(error, ApiError):
            self.no_model = error.no_model
            self.rejection = await _rejection() if self.no_model else ""
            self.errors = {f: words.reason(r) for f, r in error.errors.items() if f in words.FIELDS}
            if place := next((self.errors[f] for f in PLACE if f in self.errors), ""):
                self.errors["place"] = place
            self.unfolded = self.unfolded or any(name in self.errors for name in MORE)
            # An error shown at its field is not repeated above the form.
            self.error = "" if self.errors or self.no_model else error.detail
        else:
            self.error = str(error)

    @rx.event
    def clear(self) -> Any:
        """Empty the form and the answer."""
        self.form, self.form_key = {}, self.form_key + 1
        self._chosen, self._listing = Place(), {}
        self.done, self.unfolded = False, False
        self._clear_errors()
        return BrowserState.show("?")


def _as_read(given: dict[str, str]) -> dict[str, str]:
    """The values with numbers as the functions read them."""
    return {n: words.read_number(n, v) if n in NUMBERS else v for n, v in given.items()}


Answer = dict[str, Any] | BaseException


async def _predict_and_explain(listing: dict[str, str]) -> tuple[Answer, Answer]:
    """Both answers, or the exceptions in their place."""
    client = functions()
    return await asyncio.gather(
        client.predict(listing), client.explain(listing), return_exceptions=True
    )


async def _rejection() -> str:
    """Why the newest version was rejected; empty if it was not, or if nothing says so."""
    try:
        return view.rejection_of(await functions().summary())
    except ApiError:
        # The hint about the first batch is shown instead.
        return ""
