"""The Market page: what each batch brought, how far it drifted, and what came of it."""

from __future__ import annotations

from typing import Any

import reflex as rx

from tasador_web import live, market_view
from tasador_web.action_dialog import act_button
from tasador_web.chart import Chart
from tasador_web.client import functions
from tasador_web.layout import (
    badge,
    card,
    follows,
    frame,
    line_chart,
    nothing,
    problem_notice,
    table,
)
from tasador_web.market_view import BatchRow, Cell, HeatRow, Score
from tasador_web.visitor_state import VisitorState

TITLE, ROUTE, ICON = "Market", "/market", "chart-line"
SHOWN = 40


class MarketState(rx.State):
    """The batches, and the one that is shown."""

    loaded: bool = False
    error: str = ""
    rows: rx.Field[list[BatchRow]] = rx.field(default_factory=list)
    columns: rx.Field[list[str]] = rx.field(default_factory=list)
    heat: rx.Field[list[HeatRow]] = rx.field(default_factory=list)
    errors: rx.Field[Chart] = rx.field(default_factory=Chart)
    shown: rx.Field[list[BatchRow]] = rx.field(default_factory=list)  # one batch, or none
    reasons: rx.Field[list[str]] = rx.field(default_factory=list)
    scores: rx.Field[list[Score]] = rx.field(default_factory=list)
    missing: str = ""
    _batches: list[dict[str, Any]] = []  # noqa: RUF012 - Reflex copies it for each visitor
    _selected: str = ""
    _mark: str = ""

    @rx.event
    async def load(self) -> None:
        """Show the batches, and the one in the address or the newest."""
        self._selected = str(self.router.url.query_parameters.get("batch", ""))
        self._mark = ""
        await self._follow()

    @rx.event
    async def tick(self) -> None:
        """Show what has changed."""
        await self._follow()

    async def _follow(self) -> None:
        self._mark, self.error = await live.follow(self._mark, self._fetch)
        self.loaded = True

    async def _fetch(self) -> None:
        self._batches = await functions().batches(SHOWN)
        self._show()

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
            self.reasons = list(verdict["reasons"]) if verdict else []
            self.scores = market_view.scores_of(chosen)
            self.missing = market_view.missing_of(chosen)

    @rx.event
    def select(self, batch_id: str) -> Any:
        """Show a batch."""
        self._selected = batch_id
        self._show()
        return rx.call_script(
            f"history.replaceState(history.state, '', '?batch={batch_id.translate(_SAFE)}');"
            "document.getElementById('batch').scrollIntoView({block: 'nearest'})"
        )


# Ids are hexadecimal digits; anything else stays out of the script.
_SAFE = {ord(c): None for c in "'\"\\<>&\n\r"}


def _row(row: rx.Var[BatchRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            rx.el.button(
                f"Batch {row.number}",
                type="button",
                class_name="linked",
                on_click=MarketState.select(row.batch_id),
            ),
            scope="row",
        ),
        rx.el.td(
            badge(row.verdict, row.color),
            " ",
            badge(row.moved, "gray"),
            " ",
            badge(row.hurts, "red"),
        ),
        rx.el.td(_outcome(row)),
        rx.el.td(row.rows, class_name="number"),
        rx.el.td(row.refused, class_name="number"),
        rx.el.td(row.fetched),
        class_name=rx.cond(row.selected, "selected", ""),
    )


def _outcome(row: rx.Var[BatchRow]) -> rx.Component:
    return rx.cond(
        row.version > 0,
        rx.link(badge(row.outcome, row.outcome_color), href=f"/models?version={row.version}"),
        rx.el.span(row.outcome, class_name="hint"),
    )


def _cell(cell: rx.Var[Cell]) -> rx.Component:
    return rx.el.td(cell.text, title=cell.title, class_name=f"heat h{cell.level}")


def _heat_row(row: rx.Var[HeatRow]) -> rx.Component:
    return rx.el.tr(rx.el.th(row.name, scope="row"), rx.foreach(row.cells, _cell))


def _heat_map() -> rx.Component:
    state = MarketState
    return card(
        "Drift by feature",
        rx.el.p(
            "How far each score is from its limit: 1.0× and above has drifted, and is outlined.",
            class_name="hint",
        ),
        rx.cond(
            state.heat.length() > 0,
            rx.el.div(
                rx.el.table(
                    rx.el.caption("Drift scores as shares of their limits", class_name="unseen"),
                    rx.el.thead(
                        rx.el.tr(
                            rx.el.th("Feature", scope="col"),
                            rx.foreach(state.columns, lambda name: rx.el.th(name, scope="col")),
                        )
                    ),
                    rx.el.tbody(rx.foreach(state.heat, _heat_row)),
                    class_name="heat-map",
                ),
                class_name="scroll",
                tab_index=0,
                role="region",
                aria_label="Drift scores as shares of their limits",
            ),
            nothing("No batch has been compared with a champion yet."),
        ),
    )


def _score(score: rx.Var[Score]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(score.name, scope="row"),
        rx.el.td(
            rx.el.div(
                rx.el.span(
                    class_name=rx.cond(score.exceeded, "bar over-limit", "bar"),
                    style={"width": f"{score.share}%"},
                ),
                rx.el.i(class_name="limit"),
                class_name="track",
                aria_hidden="true",
            ),
            class_name="meter-cell",
        ),
        rx.el.td(score.value, class_name="number"),
        rx.el.td(score.limit, class_name="number"),
        rx.el.td(score.method, class_name="hint"),
    )


def _batch(row: rx.Var[BatchRow]) -> rx.Component:
    state = MarketState
    return rx.el.section(
        rx.el.h2(f"Batch {row.number}", class_name="section"),
        rx.el.div(
            card(
                "Verdict",
                rx.el.ul(rx.foreach(state.reasons, lambda r: rx.el.li(r)), class_name="reasons"),
                rx.cond(state.missing != "", rx.el.p(state.missing, class_name="hint")),
                rx.cond(
                    row.failure != "", rx.el.p("It is not ingested: ", row.failure, id="failure")
                ),
                rx.el.div(
                    rx.cond(
                        row.can_accept,
                        act_button("accept_batch", row.batch_id, "Accept the batch…"),
                    ),
                    rx.cond(row.can_skip, act_button("skip_batch", row.batch_id, "Set it aside…")),
                    rx.cond(
                        row.can_retry, act_button("retry_batch", row.batch_id, "Try it again…")
                    ),
                    class_name="buttons",
                ),
                rx.el.p("What came of it: ", _outcome(row)),
                aside=badge(row.verdict, row.color),
            ),
            card(
                "Scores",
                rx.cond(
                    state.scores.length() > 0,
                    table(
                        "Scores of the batch",
                        ["Feature", "", "Score", "Limit", "Measured by"],
                        rx.foreach(state.scores, _score),
                    ),
                    nothing("The batch was not compared with a champion."),
                ),
            ),
            class_name="halves",
        ),
        id="batch",
        aria_label="Batch",
    )


def page() -> rx.Component:
    """The page."""
    state = MarketState
    return frame(
        TITLE,
        "What each batch of listings brought, how far the market moved, and what came of it.",
        follows(state.tick),
        problem_notice(state.error, rx.Var.create(False)),
        rx.cond(
            VisitorState.can_start,
            rx.el.div(act_button("start_batch", rx.Var.create(""), "Ingest the next batch…")),
        ),
        rx.cond(
            state.rows.length() > 0,
            rx.fragment(
                rx.el.div(
                    _heat_map(),
                    card(
                        "The champion's error on each batch",
                        rx.cond(
                            state.errors.points.length() > 0,
                            line_chart(state.errors, "Error", legend=True),
                            nothing("No champion has been measured on a batch yet."),
                        ),
                    ),
                    class_name="halves",
                ),
                card(
                    "Batches",
                    table(
                        "Batches, newest first",
                        ["Batch", "Verdict", "What came of it", "Rows", "Refused", "Fetched"],
                        rx.foreach(state.rows, _row),
                    ),
                ),
                rx.foreach(state.shown, _batch),
            ),
            card(
                "Batches",
                nothing(
                    rx.cond(
                        state.loaded & (state.error == ""),
                        "No batch has arrived yet. “tasador pipeline” fetches the first ones.",
                        rx.cond(state.error != "", "The batches are not known now.", "Loading…"),
                    )
                ),
            ),
        ),
    )


ON_LOAD = MarketState.load
