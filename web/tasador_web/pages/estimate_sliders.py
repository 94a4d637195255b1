"""The sliders of the Estimate page, which say what another size, room or lot is worth."""

from __future__ import annotations

import reflex as rx

from tasador_web.estimate_view import WhatIf
from tasador_web.languages import text
from tasador_web.layout import card
from tasador_web.pages.estimate_state import EstimateState


def _slider(slider: rx.Var[WhatIf]) -> rx.Component:
    return rx.el.label(
        rx.el.span(slider.label, class_name="slider-name"),
        rx.el.span(slider.shown, class_name="slider-value"),
        rx.el.input(
            type="range",
            default_value=slider.value.to_string(),
            min=slider.low,
            max=slider.high,
            step=slider.step,
            on_change=lambda value: EstimateState.what_if(slider.name, value),
            custom_attrs={"aria-valuetext": slider.shown, "data-slider": slider.name},
        ),
        key=f"{slider.name}{EstimateState.slider_key}",
        class_name="slider",
    )


def what_if() -> rx.Component:
    """The sliders, and what they changed."""
    return card(
        text("What if"),
        rx.el.div(rx.foreach(EstimateState.sliders, _slider), class_name="sliders"),
        aside=rx.cond(
            EstimateState.difference != "",
            rx.el.span(
                rx.el.b(EstimateState.difference, id="difference"),
                f" {text('compared with the home you entered')} ",
                rx.el.button(
                    text("Undo"),
                    type="button",
                    class_name="button small",
                    on_click=EstimateState.undo_what_if,
                ),
                class_name="aside",
            ),
            rx.el.span(text("Move a slider to see the price change."), class_name="aside hint"),
        ),
        class_name="screen-only",
    )
