"""The Estimate page: part of a listing in, a price with its intervals and its reasons out."""

from __future__ import annotations

import reflex as rx

from tasador_web.layout import card, facts, frame, notice, problem_notice
from tasador_web.pages.estimate_form import listing_form
from tasador_web.pages.estimate_state import EstimateState
from tasador_web.view import Interval, Step

TITLE, ROUTE = "Estimate", "/"


def _interval(interval: rx.Var[Interval]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(interval.level, scope="row"),
        rx.el.td(interval.low, class_name="number"),
        rx.el.td(
            rx.el.div(
                rx.el.span(
                    class_name="bar base",
                    style={"left": f"{interval.left}%", "width": f"{interval.width}%"},
                ),
                rx.el.span(class_name="mark", style={"left": f"{EstimateState.result.mark}%"}),
                class_name="track",
                aria_hidden="true",
            )
        ),
        rx.el.td(interval.high, class_name="number"),
    )


def _step(step: rx.Var[Step]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(step.name, rx.el.span(step.value, class_name="hint below"), scope="row"),
        rx.el.td(
            rx.el.div(
                rx.el.span(
                    class_name=f"bar {step.kind}",
                    style={"left": f"{step.left}%", "width": f"{step.width}%"},
                ),
                class_name="track",
                aria_hidden="true",
            )
        ),
        rx.el.td(step.dollars, class_name=f"number {step.kind}"),
    )


def _table(caption: str, heads: list[str], rows: rx.Component) -> rx.Component:
    return rx.el.table(
        rx.el.caption(caption, class_name="unseen"),
        rx.el.thead(
            rx.el.tr(*[rx.el.th(head, scope="col") for head in heads]), class_name="unseen"
        ),
        rx.el.tbody(rows),
        class_name="bars",
    )


def _answer() -> rx.Component:
    result = EstimateState.result
    return rx.flex(
        card(
            "Price",
            rx.el.p(result.price, id="price", class_name="price"),
            rx.text(
                rx.cond(
                    EstimateState.warnings.length() > 0,
                    "The model has seen no home like this one: the price may lie outside all of "
                    "these ranges.",
                    "The price lies in each range with the stated probability.",
                ),
                class_name="hint",
                id="trust",
            ),
            _table(
                "Prediction intervals",
                ["Probability", "From", "Range", "To"],
                rx.foreach(EstimateState.intervals, _interval),
            ),
            rx.foreach(
                EstimateState.warnings,
                lambda warning: notice(warning, icon="info", color="amber"),
            ),
            rx.cond(
                EstimateState.read_as != "",
                rx.text(EstimateState.read_as, class_name="hint", id="read-as"),
            ),
            rx.cond(
                EstimateState.missing.length() > 0,
                rx.flex(
                    rx.text("Not given:", class_name="hint"),
                    rx.foreach(
                        EstimateState.missing,
                        lambda name: rx.badge(name, color_scheme="gray", variant="soft"),
                    ),
                    wrap="wrap",
                    spacing="2",
                    align="center",
                    id="missing",
                ),
            ),
        ),
        card(
            "Why",
            rx.text(EstimateState.sentence, margin_bottom="0.75rem", id="sentence"),
            rx.cond(
                EstimateState.steps.length() > 0,
                _table(
                    "From the base to the price, in dollars",
                    ["Part", "Step", "Dollars"],
                    rx.foreach(EstimateState.steps, _step),
                ),
            ),
        ),
        card(
            "Where it comes from",
            facts(
                ("Model", result.model),
                ("Digest", result.digest),
                ("Revision", result.revision),
                ("Prediction", result.prediction_id),
                ("Correlation", result.correlation_id),
            ),
        ),
        direction="column",
        spacing="4",
        role="status",
        custom_attrs={"aria-live": "polite"},
    )


def page() -> rx.Component:
    """The page."""
    return frame(
        TITLE,
        "What is this home worth? Every field is optional; each one you fill in narrows the range.",
        problem_notice(EstimateState.error, EstimateState.no_model, EstimateState.rejection),
        rx.el.div(
            listing_form(),
            rx.cond(
                EstimateState.done,
                _answer(),
                card(
                    "Price",
                    rx.text(
                        "The price, its ranges and its reasons appear here.", class_name="hint"
                    ),
                ),
            ),
            class_name="halves",
        ),
    )


ON_LOAD = EstimateState.load
