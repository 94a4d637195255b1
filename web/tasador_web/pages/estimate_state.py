"""The state of the Estimate page: one visitor's form and the answer to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web import view
from tasador_web.client import ApiError, Functions
from tasador_web.view import Estimate, Interval, Step


class EstimateState(rx.State):
    """What the visitor sees; the form's values stay in the browser."""

    states: rx.Field[list[str]] = rx.field(default_factory=list)
    busy: bool = False
    errors: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    error: str = ""
    no_model: bool = False
    rejection: str = ""  # why there is no model although one was trained
    done: bool = False
    result: rx.Field[Estimate] = rx.field(default_factory=Estimate)
    intervals: rx.Field[list[Interval]] = rx.field(default_factory=list)
    missing: rx.Field[list[str]] = rx.field(default_factory=list)
    warnings: rx.Field[list[str]] = rx.field(default_factory=list)
    read_as: str = ""
    steps: rx.Field[list[Step]] = rx.field(default_factory=list)
    sentence: str = ""

    @rx.event
    async def load(self) -> None:
        """Fetch the states that the model knows."""
        try:
            async with Functions() as functions:
                self.states = await functions.states()
        except (ApiError, ConfigurationError) as error:
            await self._show_error(error)
        else:
            self.error, self.no_model = "", False

    @rx.event
    async def estimate(self, form: dict[str, Any]) -> AsyncIterator[Any]:
        """Request a price and its explanation; the price is shown even if the other fails."""
        listing = {name: value for name, value in form.items() if str(value).strip()}
        self.busy, self.done = True, False
        self.errors, self.error, self.no_model = {}, "", False
        yield
        try:
            async with Functions() as functions:
                prediction, explanation = await _predict_and_explain(functions, listing)
            if isinstance(prediction, BaseException):
                raise prediction
            self._show_prediction(prediction)
            self._show_explanation(prediction, explanation)
            if not self.states:
                await self.load()
        except (ApiError, ConfigurationError) as error:
            await self._show_error(error)
        finally:
            self.busy = False
        if wrong := next((name for name in view.FIELDS if name in self.errors), None):
            yield rx.set_focus(wrong)

    def _show_prediction(self, prediction: dict[str, Any]) -> None:
        self.done = True
        self.result = view.estimate_of(prediction)
        self.intervals = view.intervals_of(prediction)
        self.missing = view.names_of(prediction["missing"])
        self.warnings = prediction["warnings"]
        self.read_as = view.read_as_of(prediction)

    def _show_explanation(
        self, prediction: dict[str, Any], explanation: dict[str, Any] | BaseException
    ) -> None:
        self.steps = []
        if isinstance(explanation, ApiError):
            self.sentence = f"The price cannot be explained now: {explanation.detail}"
        elif isinstance(explanation, BaseException):
            raise explanation
        elif explanation["model"] != prediction["model"]:
            # Another model went into service between the two answers.
            self.sentence = "The model has just changed. Estimate again to see the reasons."
        else:
            self.steps, self.sentence = view.steps_of(explanation), explanation["sentence"]

    async def _show_error(self, error: ApiError | ConfigurationError) -> None:
        if isinstance(error, ApiError):
            self.no_model = error.no_model
            self.rejection = await _rejection() if self.no_model else ""
            self.errors = {f: r for f, r in error.errors.items() if f in view.FIELDS}
            # An error shown at its field is not repeated above the form.
            self.error = "" if self.errors or self.no_model else error.detail
        else:
            self.error = str(error)

    @rx.event
    def clear(self) -> None:
        """Forget the answer; the browser empties the form."""
        self.done, self.errors, self.error = False, {}, ""


async def _rejection() -> str:
    """Why the newest version was rejected; empty if it was not, or if nothing says so."""
    try:
        async with Functions() as functions:
            return view.rejection_of(await functions.summary())
    except ApiError:
        # The hint about the first batch is shown instead.
        return ""


async def _predict_and_explain(
    functions: Functions, listing: dict[str, str]
) -> tuple[dict[str, Any] | BaseException, dict[str, Any] | BaseException]:
    """Both answers, or the exceptions in their place."""
    return await asyncio.gather(
        functions.predict(listing), functions.explain(listing), return_exceptions=True
    )
