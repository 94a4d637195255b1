"""The Predictions page: the history, what led to one prediction, and all of them in figures."""

from __future__ import annotations

import reflex as rx

from tasador.listings.states import STATE_NAMES
from tasador_web.chart import Chart
from tasador_web.languages import address, text
from tasador_web.layout import (
    badge,
    card,
    folded,
    frame,
    line_chart,
    nothing,
    notice,
    placed,
    problem_notice,
    table,
)
from tasador_web.lineage_view import Step
from tasador_web.links import outside
from tasador_web.pages.predictions_state import PredictionsState
from tasador_web.predictions_view import PERIODS, Detail, Fact, PastPrediction, VersionShare

TITLE, ROUTE, ICON = "Predictions", "/predictions", "list"


def _field(name: str, label: str, control: rx.Component) -> rx.Component:
    return rx.el.div(rx.el.label(label, html_for=name), control, class_name="field")


def _filters() -> rx.Component:
    form = PredictionsState.form
    return rx.el.form(
        _field(
            "state",
            text("State"),
            rx.el.select(
                rx.el.option(text("Any state"), value=""),
                *[rx.el.option(name, value=name) for name in STATE_NAMES],
                id="state",
                name="state",
                default_value=form.get("state", ""),
                class_name="control",
            ),
        ),
        _field(
            "version",
            text("Model version"),
            rx.el.input(
                id="version",
                name="version",
                input_mode="numeric",
                placeholder=text("Any version"),
                auto_complete="off",
                default_value=form.get("version", ""),
                class_name="control",
            ),
        ),
        _field(
            "hours",
            text("Time"),
            rx.el.select(
                *[rx.el.option(text(label), value=hours) for hours, label in PERIODS.items()],
                id="hours",
                name="hours",
                default_value=form.get("hours", ""),
                class_name="control",
            ),
        ),
        rx.el.button(text("Show"), type="submit", class_name="button"),
        key=f"filters-{PredictionsState.form_key}",
        on_submit=PredictionsState.filter,
        id="filters",
        class_name="filters",
        custom_attrs={"aria-label": text("Which predictions")},
    )


def _find() -> rx.Component:
    return rx.el.form(
        _field(
            "id",
            text("Prediction id"),
            rx.el.input(id="id", name="id", auto_complete="off", class_name="control"),
        ),
        rx.el.button(text("Find"), type="submit", class_name="button"),
        on_submit=PredictionsState.find,
        class_name="filters",
        custom_attrs={"aria-label": text("One prediction")},
    )


def _row(row: rx.Var[PastPrediction]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            rx.el.button(
                row.when,
                type="button",
                class_name="linked",
                on_click=PredictionsState.select(row.prediction_id),
                custom_attrs={"data-prediction": row.prediction_id},
            ),
            scope="row",
        ),
        rx.el.td(row.price, class_name="number"),
        rx.el.td(row.likely, class_name="number"),
        rx.el.td(row.place),
        rx.el.td(row.home),
        rx.el.td(_version_link("version {version}", row.version)),
        rx.el.td(badge(row.confidence, row.confidence_color)),
        rx.el.td(badge(row.realised, row.realised_color)),
        class_name=rx.cond(row.selected, "selected", ""),
    )


def _history() -> rx.Component:
    state = PredictionsState
    return card(
        text("History"),
        rx.el.div(_filters(), _find(), class_name="filter-bar"),
        rx.cond(
            state.rows.length() > 0,
            table(
                text("Predictions, newest first"),
                [
                    text("When"),
                    text("Price"),
                    text("8 in 10 within"),
                    text("Place"),
                    text("Home"),
                    text("Model"),
                    text("Confidence"),
                    text("Price that came in"),
                ],
                rx.foreach(state.rows, _row),
            ),
            nothing(
                rx.cond(
                    state.loaded & (state.error == ""),
                    text("No such prediction is recorded."),
                    rx.cond(
                        state.error != "", text("The history is not known now."), text("Loading…")
                    ),
                )
            ),
        ),
        rx.el.div(
            _turn(text("Newer"), state.newer, state.has_newer),
            _turn(text("Older"), state.older, state.has_older),
            rx.el.button(
                text("Refresh"), type="button", class_name="button small", on_click=state.refresh
            ),
            class_name="buttons start",
        ),
    )


def _turn(label: str, event: rx.EventHandler, possible: rx.Var[bool]) -> rx.Component:
    return rx.el.button(
        label, type="button", class_name="button small turn", on_click=event, disabled=~possible
    )


def _step(step: rx.Var[Step]) -> rx.Component:
    title = rx.cond(
        step.href != "",
        rx.el.a(step.title, href=step.href, class_name="link"),
        rx.el.span(step.title),
    )
    return rx.el.li(
        rx.el.p(badge(step.kind, step.color)),
        rx.el.p(rx.el.b(title)),
        rx.el.p(step.text, class_name="hint"),
        rx.el.p(step.when, class_name="hint"),
    )


def _fact(fact: rx.Var[Fact]) -> rx.Component:
    return rx.fragment(rx.el.dt(fact.name), rx.el.dd(fact.value))


def _one(detail: rx.Var[Detail]) -> rx.Component:
    return card(
        text("What led to this prediction"),
        rx.cond(
            detail.problem != "",
            notice(detail.problem, icon="unlink", color="amber"),
        ),
        rx.el.ol(rx.foreach(PredictionsState.path, _step), class_name="path", id="path"),
        rx.el.dl(rx.foreach(detail.facts, _fact), class_name="facts two"),
        folded(text("Ids"), rx.el.dl(rx.foreach(detail.ids, _fact), class_name="facts")),
        rx.cond(
            detail.report != "",
            rx.el.div(
                outside(
                    rx.icon("file-text", size=14, aria_hidden="true"),
                    text("Report"),
                    href=detail.report,
                    target="_blank",
                    id="report",
                    class_name="button small",
                ),
                class_name="buttons start",
            ),
        ),
        id="prediction",
    )


def _version_link(says: str, version: rx.Var[int]) -> rx.Component:
    return rx.el.a(
        text(says, version=version),
        href=f"{address('/models')}?version={version}",
        class_name="link",
    )


def _version(row: rx.Var[VersionShare]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(_version_link("Version {version}", row.version), scope="row"),
        rx.el.td(
            rx.el.div(
                rx.el.span(class_name="bar", custom_attrs=placed(width=row.share)),
                class_name="track",
                aria_hidden="true",
            ),
            class_name="meter-cell",
        ),
        rx.el.td(row.count, class_name="number"),
        rx.el.td(row.mean, class_name="number"),
        rx.el.td(row.last, class_name="wrapped"),
    )


def _chart(title: str, chart: rx.Var[Chart]) -> rx.Component:
    return card(title, line_chart(chart, title))


def _figures() -> rx.Component:
    state = PredictionsState
    return rx.fragment(
        rx.cond(
            state.counts.points.length() > 0,
            rx.el.div(
                _chart(text("Predictions by hour"), state.counts),
                _chart(text("Mean price by hour"), state.prices),
                class_name="halves",
            ),
        ),
        rx.el.div(
            card(
                text("All predictions"),
                problem_notice(state.summary_error, rx.Var.create(False)),
                rx.el.dl(rx.foreach(state.facts, _fact), class_name="facts"),
            ),
            card(
                text("By version"),
                rx.cond(
                    state.versions.length() > 0,
                    table(
                        text("Predictions by version"),
                        [text("Model"), "", text("Predictions"), text("Mean price"), text("Last")],
                        rx.foreach(state.versions, _version),
                    ),
                    nothing(text("None yet.")),
                ),
            ),
            class_name="halves",
        ),
    )


def page() -> rx.Component:
    """The page."""
    state = PredictionsState
    return frame(
        TITLE,
        text(
            "Every recorded price: which model gave it, what led to that model, and how it turned "
            "out."
        ),
        problem_notice(state.error, rx.Var.create(False)),
        _history(),
        rx.foreach(state.detail, _one),
        _figures(),
    )


ON_LOAD = PredictionsState.load
