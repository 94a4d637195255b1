"""The Market page: what each batch brought, how far it drifted, and what came of it."""

from __future__ import annotations

import reflex as rx

from tasador_web import market_view
from tasador_web.action_dialog import act_button, start_button
from tasador_web.languages import address, text
from tasador_web.layout import (
    badge,
    card,
    follows,
    frame,
    line_chart,
    nothing,
    placed,
    problem_notice,
    table,
)
from tasador_web.market_view import FEATURES, BatchRow, Cell, HeatRow, Score
from tasador_web.pages.market_state import MarketState, newest_batches

TITLE, ROUTE, ICON = "Market", "/market", "chart-line"


def _row(row: rx.Var[BatchRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            rx.el.button(
                text("Batch {number}", number=row.number),
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
        rx.el.a(
            badge(row.outcome, row.outcome_color),
            href=f"{address('/models')}?version={row.version}",
        ),
        rx.el.span(row.outcome, class_name="hint"),
    )


def _cell(cell: rx.Var[Cell]) -> rx.Component:
    return rx.el.td(cell.text, title=cell.title, class_name=f"heat h{cell.level}")


def _heat_row(row: rx.Var[HeatRow]) -> rx.Component:
    return rx.el.tr(rx.el.th(row.name, scope="row"), rx.foreach(row.cells, _cell))


def _heat_map() -> rx.Component:
    state = MarketState
    return card(
        text("Drift by feature"),
        rx.el.p(
            text(
                "How far each score is from its limit: 1.0× and above has drifted, and is outlined."
            ),
            class_name="hint",
        ),
        rx.cond(
            state.heat.length() > 0,
            rx.el.div(
                rx.el.table(
                    rx.el.caption(
                        text("Drift scores as shares of their limits"), class_name="unseen"
                    ),
                    rx.el.thead(
                        rx.el.tr(
                            rx.el.th(text("Feature"), scope="col"),
                            rx.foreach(state.columns, lambda name: rx.el.th(name, scope="col")),
                        )
                    ),
                    rx.el.tbody(rx.foreach(state.heat, _heat_row)),
                    class_name="heat-map",
                ),
                class_name="scroll newest",
                tab_index=0,
                role="region",
                aria_label=text("Drift scores as shares of their limits"),
            ),
            nothing(text("No batch has been compared with a champion yet.")),
        ),
    )


def _score(score: rx.Var[Score]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(score.name, scope="row"),
        rx.el.td(
            rx.el.div(
                rx.el.span(
                    class_name=rx.cond(score.exceeded, "bar over-limit", "bar"),
                    custom_attrs=placed(width=score.share),
                ),
                rx.el.i(class_name="limit"),
                class_name="track",
                aria_hidden="true",
            ),
            class_name="meter-cell",
        ),
        rx.el.td(score.value, class_name="number"),
        rx.el.td(score.limit, class_name="number"),
        rx.el.td(score.method, class_name="hint wide-only"),
    )


def _distribution() -> rx.Component:
    state = MarketState
    return card(
        text("Before and after"),
        problem_notice(state.distribution_error, rx.Var.create(False)),
        line_chart(state.distribution, text("Share of rows"), legend=True),
        rx.el.p(state.distribution_note, class_name="hint"),
        aside=rx.el.label(
            rx.el.span(text("Feature "), class_name="hint"),
            rx.el.select(
                *[
                    rx.el.option(text(FEATURES[name]), value=name)
                    for name in market_view.DISTRIBUTIONS
                ],
                value=state.feature,
                on_change=state.draw,
                id="feature",
                class_name="control short",
            ),
        ),
        id="distribution",
    )


def _batch(row: rx.Var[BatchRow]) -> rx.Component:
    state = MarketState
    return rx.el.section(
        rx.el.h2(text("Batch {number}", number=row.number), class_name="section"),
        rx.el.div(
            card(
                text("Verdict"),
                rx.el.ul(rx.foreach(state.reasons, lambda r: rx.el.li(r)), class_name="reasons"),
                rx.cond(state.missing != "", rx.el.p(state.missing, class_name="hint")),
                rx.cond(
                    row.failure != "",
                    rx.el.p(text("It is not ingested: "), row.failure, id="failure"),
                ),
                rx.el.div(
                    rx.cond(
                        row.can_accept,
                        act_button("accept_batch", row.batch_id, text("Accept the batch…")),
                    ),
                    rx.cond(
                        row.can_skip, act_button("skip_batch", row.batch_id, text("Set it aside…"))
                    ),
                    rx.cond(
                        row.can_retry,
                        act_button("retry_batch", row.batch_id, text("Try it again…")),
                    ),
                    class_name="buttons",
                ),
                rx.el.p(text("What came of it: "), _outcome(row)),
                aside=badge(row.verdict, row.color),
            ),
            card(
                text("Scores"),
                rx.cond(
                    state.scores.length() > 0,
                    table(
                        text("Scores of the batch"),
                        [text("Feature"), "", text("Score"), text("Limit"), text("Measured by")],
                        rx.foreach(state.scores, _score),
                        class_name="list compact scores",
                    ),
                    nothing(text("The batch was not compared with a champion.")),
                ),
            ),
            class_name="halves",
        ),
        _distribution(),
        id="batch",
        aria_label=text("The batch"),
    )


def page() -> rx.Component:
    """The page."""
    state = MarketState
    return frame(
        TITLE,
        text("What each batch of listings brought, how far the market moved, and what came of it."),
        follows(state),
        problem_notice(state.error, rx.Var.create(False)),
        start_button(),
        rx.cond(
            state.rows.length() > 0,
            rx.fragment(
                rx.el.div(
                    _heat_map(),
                    card(
                        text("The champion's error on each batch"),
                        rx.cond(
                            state.errors.points.length() > 0,
                            line_chart(state.errors, text("Error"), legend=True),
                            nothing(text("No champion has been measured on a batch yet.")),
                        ),
                    ),
                    class_name="halves",
                ),
                card(
                    text("Batches"),
                    table(
                        text("Batches, newest first"),
                        [
                            text("Number"),
                            text("Verdict"),
                            text("What came of it"),
                            text("Rows"),
                            text("Refused"),
                            text("Fetched"),
                        ],
                        rx.foreach(state.rows, _row),
                        long=True,
                    ),
                ),
                rx.foreach(state.shown, _batch),
            ),
            card(
                text("Batches"),
                nothing(
                    rx.cond(
                        state.loaded & (state.error == ""),
                        text(
                            "No batch has arrived yet. “tasador pipeline” fetches the first ones."
                        ),
                        rx.cond(
                            state.error != "",
                            text("The batches are not known now."),
                            text("Loading…"),
                        ),
                    )
                ),
            ),
        ),
    )


ON_LOAD, EARLY = MarketState.load, lambda _query: newest_batches()
