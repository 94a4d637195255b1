"""The Estimate page: part of a listing in, a range with its reasons and similar homes out."""

from __future__ import annotations

import reflex as rx

from tasador_web.amounts_view import Amount
from tasador_web.estimate_view import Band, Step
from tasador_web.languages import address, text
from tasador_web.layout import (
    badge,
    card,
    copied,
    effect_row,
    facts,
    folded,
    frame,
    notice,
    placed,
    problem_notice,
)
from tasador_web.pages.estimate_comparables import comparables
from tasador_web.pages.estimate_form import listing_form
from tasador_web.pages.estimate_sliders import what_if
from tasador_web.pages.estimate_state import EstimateState

TITLE, ROUTE, ICON = "Estimate", "/", "tag"


def _band(band: rx.Var[Band]) -> rx.Component:
    return rx.el.span(
        class_name=f"band p{band.level}",
        custom_attrs=placed(left=band.left, width=band.width),
    )


def _level(band: rx.Var[Band]) -> rx.Component:
    return rx.el.li(
        rx.el.i(class_name=f"swatch p{band.level}", aria_hidden="true"),
        text("{level} in 100:", level=band.level) + " ",
        rx.el.span(f"{band.low} – {band.high}", class_name="number"),
    )


def _amount(amount: rx.Var[Amount]) -> rx.Component:
    return rx.el.div(rx.el.dt(amount.name), rx.el.dd(amount.dollars))


def _headline() -> rx.Component:
    state, result = EstimateState, EstimateState.result
    return rx.el.section(
        rx.el.div(
            rx.cond(
                state.as_land != "", notice(state.as_land, icon="triangle-alert", color="amber")
            ),
            rx.el.p(text("Likely price"), class_name="over"),
            rx.el.p(
                rx.el.span(result.low),
                " – ",
                rx.el.span(result.high),
                class_name="range",
                id="range",
            ),
            rx.el.div(
                rx.el.div(rx.foreach(state.bands, _band), class_name="bands"),
                rx.el.div(
                    rx.el.span(result.price, id="price"),
                    class_name="pointer",
                    custom_attrs=placed(left=result.mark),
                ),
                class_name="scale",
            ),
            rx.el.ul(rx.foreach(state.bands.reverse(), _level), class_name="levels"),
            rx.el.dl(rx.foreach(result.amounts, _amount), class_name="amounts", id="amounts"),
            rx.el.p(result.trust, id="trust", class_name="trust"),
            rx.cond(result.prices != "", rx.el.p(result.prices, id="prices", class_name="trust")),
            rx.cond(
                result.confidence != "",
                rx.el.p(
                    badge(result.confidence, result.confidence_color),
                    " ",
                    result.confidence_text,
                    id="confidence",
                    class_name="trust",
                ),
            ),
            custom_attrs={"aria-live": "polite"},
        ),
        rx.foreach(state.warnings, lambda says: notice(says, icon="triangle-alert", color="amber")),
        rx.cond(
            (state.missing != "") | (state.read_as != ""),
            rx.el.p(
                rx.cond(
                    state.missing != "", text("Not given: {names}.", names=state.missing) + " ", ""
                ),
                state.read_as,
                class_name="hint",
                id="missing",
            ),
        ),
        rx.el.div(
            rx.el.button(
                rx.icon("link", size=14, aria_hidden="true"),
                rx.el.span(text("Copy link")),
                type="button",
                class_name="button small",
                custom_attrs={"data-copy": "address", **copied()},
            ),
            rx.cond(
                result.report != "",
                rx.el.a(
                    rx.icon("file-text", size=14, aria_hidden="true"),
                    text("Report"),
                    href=result.report,
                    target="_blank",
                    id="report",
                    class_name="button small",
                ),
                rx.cond(
                    state.difference != "",
                    rx.el.button(
                        rx.icon("file-text", size=14, aria_hidden="true"),
                        text("Price this home for a report"),
                        type="button",
                        on_click=state.keep_what_if,
                        id="keep",
                        class_name="button small",
                    ),
                ),
            ),
            rx.el.a(
                rx.icon("scale", size=14, aria_hidden="true"),
                text("Compare"),
                href=f"{address('/compare')}{state.link}",
                class_name="button small",
            ),
            rx.el.button(
                rx.icon("printer", size=14, aria_hidden="true"),
                text("Print"),
                type="button",
                class_name="button small",
                custom_attrs={"data-print": ""},
            ),
            class_name="buttons",
        ),
        aria_label=text("Price"),
        class_name="card headline",
    )


def _step(step: rx.Var[Step]) -> rx.Component:
    return effect_row(step.name, step.value, step)


def _why() -> rx.Component:
    return card(
        text("Why this price"),
        rx.el.p(EstimateState.sentence, id="sentence", class_name="sentence"),
        rx.cond(
            EstimateState.steps.length() > 0,
            rx.el.table(
                rx.el.caption(text("From a typical home to the estimate"), class_name="unseen"),
                rx.el.thead(
                    rx.el.tr(
                        *[
                            rx.el.th(h, scope="col")
                            for h in (text("Part"), text("Step"), text("Dollars"))
                        ]
                    ),
                    class_name="unseen",
                ),
                rx.el.tbody(rx.foreach(EstimateState.steps, _step)),
                class_name="bars",
            ),
        ),
    )


def _origin() -> rx.Component:
    result = EstimateState.result
    return folded(
        text("Where this estimate comes from"),
        facts(
            (text("Model"), result.model),
            (text("Digest"), result.digest),
            (text("Revision"), result.revision),
            (
                text("Prediction"),
                rx.cond(result.prediction_id != "", result.prediction_id, text("not recorded")),
            ),
            (text("Correlation"), result.correlation_id),
        ),
        rx.el.div(
            rx.el.button(
                rx.icon("copy", size=14, aria_hidden="true"),
                rx.el.span(text("Copy")),
                type="button",
                class_name="button small",
                custom_attrs={"data-copy": "origin", **copied()},
            ),
            rx.cond(
                result.prediction_id != "",
                rx.el.a(
                    text("What led to this price"),
                    href=f"{address('/predictions')}?id={result.prediction_id}",
                    class_name="button small",
                ),
            ),
            class_name="buttons start",
        ),
        id="origin",
    )


def _answer() -> rx.Component:
    return rx.fragment(
        _headline(),
        what_if(),
        _why(),
        rx.cond(EstimateState.comparables.length() > 0, comparables()),
        _origin(),
    )


def _before() -> rx.Component:
    return rx.el.div(
        rx.cond(
            EstimateState.busy,
            rx.fragment(
                rx.el.div(class_name="spinner", aria_hidden="true"),
                rx.el.p(text("Pricing the home…")),
                rx.el.p(
                    text("The model was asleep and is waking up. This takes a few seconds."),
                    class_name="waking",
                ),
            ),
            rx.fragment(
                rx.icon("house", size=28, aria_hidden="true"),
                rx.el.p(text("A price range, the reasons for it and similar homes appear here.")),
                rx.el.p(
                    text(
                        "Every field is optional; each one narrows the range. Give the size for "
                        "the price of a house: a place alone is priced as land."
                    ),
                    class_name="hint",
                ),
                rx.cond(
                    EstimateState.example != "",
                    rx.el.button(
                        text("Try it with a home in {place}", place=EstimateState.example),
                        type="button",
                        on_click=EstimateState.try_example,
                        id="example",
                        class_name="button small",
                    ),
                ),
            ),
        ),
        class_name="card empty",
        role="status",
    )


def page() -> rx.Component:
    """The page."""
    state = EstimateState
    return frame(
        TITLE,
        text("What is this home worth?"),
        problem_notice(state.error, state.no_model, state.rejection),
        rx.el.div(
            listing_form(),
            rx.el.div(
                rx.cond(state.done, _answer(), _before()),
                id="answer",
                class_name="stack",
                # On a phone the answer lies below the form.
                custom_attrs={"data-narrow": ""},
            ),
            class_name="form-and-answer",
        ),
    )


ON_LOAD = EstimateState.load
