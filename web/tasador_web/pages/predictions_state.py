"""The state of the Predictions page: the filters, a page of the history, and one prediction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web import lineage_view, predictions_view
from tasador_web.browser_state import BrowserState
from tasador_web.chart import Chart
from tasador_web.client import ApiError, functions
from tasador_web.lineage_view import Step
from tasador_web.predictions_view import Detail, Fact, PastPrediction, VersionShare

SHOWN = 25
FILTERS = ("version", "state", "hours")


class PredictionsState(rx.State):
    """What the visitor sees."""

    loaded: bool = False
    error: str = ""
    form: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    form_key: int = 0
    rows: rx.Field[list[PastPrediction]] = rx.field(default_factory=list)
    has_older: bool = False
    has_newer: bool = False
    detail: rx.Field[list[Detail]] = rx.field(default_factory=list)  # one, or none
    path: rx.Field[list[Step]] = rx.field(default_factory=list)
    facts: rx.Field[list[Fact]] = rx.field(default_factory=list)
    versions: rx.Field[list[VersionShare]] = rx.field(default_factory=list)
    counts: rx.Field[Chart] = rx.field(default_factory=Chart)
    prices: rx.Field[Chart] = rx.field(default_factory=Chart)
    summary_error: str = ""
    _cursors: list[str] = [""]  # noqa: RUF012 - of this page and of those before it
    _next: str = ""
    _chosen: dict[str, str] = {}  # noqa: RUF012 - the query, with the time that it began with
    _answer: dict[str, Any] = {}  # noqa: RUF012
    _selected: str = ""

    @rx.event
    async def load(self) -> AsyncIterator[None]:
        """Show the history and the prediction of the address; then the figures, which take long."""
        query = dict(self.router.url.query_parameters)
        linked = {name: query.get(name, "") for name in FILTERS}
        # A form with a new key starts again, and what was typed into it meanwhile is lost.
        if linked != {name: self.form.get(name, "") for name in FILTERS}:
            self.form, self.form_key = linked, self.form_key + 1
        self._selected = query.get("id", "")
        await self._begin()
        if self._selected:
            await self._show_one()
        yield
        await self._show_summary()

    @rx.event
    async def filter(self, form: dict[str, Any]) -> Any:
        """Show the predictions that the form chooses."""
        self.form = {name: str(form.get(name, "")).strip() for name in FILTERS}
        await self._begin()
        return self._keep_address()

    @rx.event
    async def refresh(self) -> AsyncIterator[None]:
        """Show the newest predictions."""
        await self._begin()
        yield
        await self._show_summary()

    @rx.event
    async def older(self) -> None:
        """The next page."""
        if self._next:
            await self._show_page([*self._cursors, self._next])

    @rx.event
    async def newer(self) -> None:
        """The page before."""
        await self._show_page(self._cursors[:-1] or [""])

    @rx.event
    async def select(self, prediction_id: str) -> Any:
        """Show a prediction and what led to it."""
        return await self._choose(prediction_id)

    @rx.event
    async def find(self, form: dict[str, Any]) -> Any:
        """Show the prediction with an id."""
        return await self._choose(str(form.get("id", "")).strip())

    async def _choose(self, prediction_id: str) -> Any:
        if not prediction_id:
            return None
        self._selected = prediction_id
        await self._show_one()
        return self._keep_address("prediction")

    def _keep_address(self, element: str = "") -> Any:
        query = {name: value for name, value in self.form.items() if value}
        if self._selected and self.detail:
            query["id"] = self._selected
        return BrowserState.show(f"?{urlencode(query)}", element)

    async def _begin(self) -> None:
        version, state, hours = (self.form.get(name, "") for name in FILTERS)
        self._chosen = predictions_view.filters_of(version, state, hours, datetime.now(UTC))
        await self._show_page([""])

    async def _show_page(self, cursors: list[str]) -> None:
        try:
            self._answer = await functions().history(SHOWN, cursors[-1], **self._chosen)
        except (ApiError, ConfigurationError) as error:
            self.error = str(error)
        else:
            self.error = ""
            self._cursors, self._next = cursors, self._answer["next"] or ""
            self.has_older, self.has_newer = bool(self._next), len(cursors) > 1
            self.rows = predictions_view.rows_of(self._answer, self._selected)
        self.loaded = True

    async def _show_one(self) -> None:
        try:
            lineage = await functions().lineage(self._selected)
        except (ApiError, ConfigurationError) as error:
            self.error, self.detail, self.path = str(error), [], []
            return
        self.error = ""
        self.detail = [predictions_view.detail_of(lineage)]
        self.path = lineage_view.path_of(lineage)
        if self._answer:
            self.rows = predictions_view.rows_of(self._answer, self._selected)

    async def _show_summary(self) -> None:
        try:
            summary = await functions().summary()
        except (ApiError, ConfigurationError) as error:
            self.summary_error = str(error)
            return
        self.summary_error = ""
        self.facts = predictions_view.facts_of(summary)
        self.versions = predictions_view.versions_of(summary)
        self.counts, self.prices = predictions_view.hour_charts(summary)
