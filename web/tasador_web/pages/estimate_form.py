"""The form of the Estimate page: every input of a listing, each with its error."""

from __future__ import annotations

from typing import Any, NamedTuple

import reflex as rx

from tasador.listings.rules import STATUSES
from tasador_web import view
from tasador_web.layout import card
from tasador_web.pages.estimate_state import EstimateState


class Input(NamedTuple):
    """One text field of the form."""

    name: str
    hint: str = ""
    mode: str = "text"
    kind: str = "text"


PLACE = (Input("city"), Input("zip_code", "five digits", "numeric"), Input("street", "code"))
HOME = (
    Input("house_size", "square feet", "decimal"),
    Input("acre_lot", "acres", "decimal"),
    Input("bed", "", "decimal"),
    Input("bath", "", "decimal"),
)
SALE = (Input("brokered_by", "code"), Input("prev_sold_date", "", "none", "date"))


def _described(name: str, hint: str, control: rx.Component) -> rx.Component:
    """A control with its label and its error."""
    return rx.el.div(
        rx.el.label(
            view.FIELDS[name],
            rx.el.span(f" {hint}", class_name="hint") if hint else "",
            html_for=name,
        ),
        control,
        rx.cond(
            EstimateState.errors.contains(name),
            rx.el.p(
                EstimateState.errors[name], id=f"{name}-error", role="alert", class_name="error"
            ),
        ),
        class_name="field",
    )


def _aria(name: str) -> dict[str, Any]:
    wrong = EstimateState.errors.contains(name)
    return {
        "custom_attrs": {
            "aria-invalid": rx.cond(wrong, "true", "false"),
            "aria-describedby": rx.cond(wrong, f"{name}-error", ""),
        }
    }


def _input(field: Input) -> rx.Component:
    return _described(
        field.name,
        field.hint,
        rx.el.input(
            id=field.name,
            name=field.name,
            type=field.kind,
            input_mode=field.mode,
            auto_complete="off",
            class_name="control",
            **_aria(field.name),
        ),
    )


def _choice(name: str, options: rx.Component) -> rx.Component:
    return _described(
        name,
        "",
        rx.el.select(
            rx.el.option("Not given", value=""),
            options,
            id=name,
            name=name,
            class_name="control",
            **_aria(name),
        ),
    )


def _group(title: str, *fields: rx.Component) -> rx.Component:
    return rx.el.fieldset(rx.el.legend(title), rx.el.div(*fields, class_name="fields"))


def listing_form() -> rx.Component:
    """The card with the form."""
    states = rx.foreach(EstimateState.states, lambda state: rx.el.option(state, value=state))
    statuses = rx.fragment(
        *[rx.el.option(status.replace("_", " "), value=status) for status in STATUSES]
    )
    return card(
        "Listing",
        rx.form(
            _group("Place", _choice("state", states), *map(_input, PLACE)),
            _group("Home", *map(_input, HOME)),
            _group("Listing", _choice("status", statuses), *map(_input, SALE)),
            rx.flex(
                rx.button("Estimate", type="submit", loading=EstimateState.busy, size="3"),
                rx.button(
                    "Clear",
                    type="reset",
                    variant="soft",
                    color_scheme="gray",
                    size="3",
                    on_click=EstimateState.clear,
                ),
                spacing="3",
            ),
            on_submit=EstimateState.estimate,
            id="listing",
        ),
    )
