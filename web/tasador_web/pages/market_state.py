"""The state of the Market page: the batches, and the one that is shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web import live, market_view, words
from tasador_web.browser_state import BrowserState
from tasador_web.chart import Chart
from tasador_web.client import ApiError, functions
from tasador_web.market_view import BatchRow, HeatRow, Score
from tasador_web.marks import shared

SHOWN = 40


async def newest_batches() -> list[dict[str, Any]]:
    """The newest batches with their verdicts."""
    return list(await shared("batches", lambda: functions().batches(SHOWN)))


class MarketState(live.Following, rx.State):
    """The batches, and the one that is shown."""

    rows: rx.Field[list[BatchRow]] = rx.field(default_factory=list)
    columns: rx.Field[list[str]] = rx.field(default_factory=list)
    heat: rx.Field[list[HeatRow]] = rx.field(default_factory=list)
    errors: rx.Field[Chart] = rx.field(default_factory=Chart)
    shown: rx.Field[list[BatchRow]] = rx.field(default_factory=list)  # one batch, or none
    reasons: rx.Field[list[str]] = rx.field(default_factory=list)
    scores: rx.Field[list[Score]] = rx.field(default_factory=list)
    missing: str = ""
    feature: str = "price"
    distribution: rx.Field[Chart] = rx.field(default_factory=Chart)
    distribution_note: str = ""
    distribution_error: str = ""
    _drawn: tuple[str, str] = ("", "")  # the batch and the feature of the distribution
    _batches: list[dict[str, Any]] = []  # noqa: RUF012 - Reflex copies it for each visitor
    _selected: str = ""

    @rx.event
    async def load(self) -> None:
        """Show the batches, and the one in the address or the newest."""
        self._selected = str(self.router.url.query_parameters.get("batch", ""))
        self._drawn = ("", "")  # its texts may be in the other language
        await self._begin()

    async def _fetch(self) -> None:
        self._batches = await newest_batches()
        self._show()
        await self._draw()

    async def _draw(self) -> None:
        """Draw the distribution of the chosen feature in the shown batch, if it is another one."""
        if not self.shown:
            return
        wanted = (self.shown[0].batch_id, self.feature)
        if wanted == self._drawn:
            return
        try:
            answer = await functions().distribution(*wanted)
        except (ApiError, ConfigurationError) as error:
            self.distribution, self.distribution_note = Chart(), ""
            self.distribution_error = str(error)
            return
        self._drawn, self.distribution_error = wanted, ""
        self.distribution = market_view.distribution_chart(answer)
        self.distribution_note = market_view.distribution_note(answer)

    @rx.event
    async def draw(self, feature: str) -> None:
        """Show the distribution of another feature."""
        self.feature = feature
        await self._draw()

    def _show(self) -> None:
        batches = self._batches
        chosen = next((b for b in batches if b["batch_id"] == self._selected), None)
        # Without a choice, the newest is shown, also when a newer one arrives.
        chosen = chosen or (batches[0] if batches else None)
        self.rows = market_view.batch_rows(batches, chosen["batch_id"] if chosen else "")
        self.columns, self.heat = market_view.heat_map(batches)
        self.errors = market_view.error_chart(batches)
        if chosen is not None:
            verdict = market_view.newest_verdict(chosen)
            self.shown = [row for row in self.rows if row.selected]
            self.reasons = [*map(words.plain, verdict["reasons"])] if verdict else []
            self.scores = market_view.scores_of(chosen)
            self.missing = market_view.missing_of(chosen)

    @rx.event
    async def select(self, batch_id: str) -> Any:
        """Show a batch."""
        self._selected = batch_id
        self._show()
        await self._draw()
        return BrowserState.show(f"?{urlencode({'batch': batch_id})}", "batch")
