"""The form of the Estimate page: a place, the home, and what few people know."""

from __future__ import annotations

from typing import Any, NamedTuple

import reflex as rx

from tasador.listings.rules import STATUSES
from tasador_web import words
from tasador_web.languages import marks, text
from tasador_web.layout import folded
from tasador_web.pages.estimate_state import EstimateState


class Input(NamedTuple):
    """One text field of the form."""

    name: str
    hint: str = ""
    mode: str = "decimal"
    kind: str = "text"
    example: str = ""


HOME = (
    Input("house_size", "sq ft", example="1,850"),
    Input("acre_lot", "acres", example="0.2"),
    Input("bed", example="3"),
    Input("bath", example="2"),
)
MORE = (
    Input("prev_sold_date", "", "none", "date"),
    Input("street", "of the data set", "text"),
    Input("brokered_by", "of the data set", "text"),
)


def _described(name: str, label: str, hint: str, *control: rx.Component) -> rx.Component:
    """A control with its label and its error."""
    return rx.el.div(
        rx.el.label(
            label, rx.el.span(f" {hint}", class_name="hint") if hint else "", html_for=name
        ),
        *control,
        rx.cond(
            EstimateState.errors.contains(name),
            rx.el.p(
                EstimateState.errors[name], id=f"{name}-error", role="alert", class_name="error"
            ),
        ),
        class_name=f"field {name}",
    )


def _aria(name: str) -> dict[str, Any]:
    wrong = EstimateState.errors.contains(name)
    return {
        "aria-invalid": rx.cond(wrong, "true", "false"),
        "aria-describedby": rx.cond(wrong, f"{name}-error", ""),
    }


def _input(field: Input) -> rx.Component:
    return _described(
        field.name,
        words.field(field.name),
        text(field.hint) if field.hint else "",
        rx.el.input(
            id=field.name,
            name=field.name,
            type=field.kind,
            input_mode=field.mode,
            default_value=EstimateState.form.get(field.name, ""),
            placeholder=marks(field.example),
            auto_complete="off",
            class_name="control",
            custom_attrs=_aria(field.name),
        ),
    )


def _option(label: rx.Var[str], position: rx.Var[int]) -> rx.Component:
    return rx.el.li(
        label,
        id=f"place-{position}",
        role="option",
        on_mouse_down=EstimateState.choose(position).prevent_default,
        custom_attrs={"aria-selected": EstimateState.active == position},
    )


def _place() -> rx.Component:
    """A combobox (ARIA's pattern): arrows move, Enter takes, Escape closes."""
    is_open = EstimateState.suggestions.length() > 0
    return _described(
        "place",
        text("Where is it?"),
        "",
        rx.el.div(
            rx.icon("map-pin", size=16, aria_hidden="true"),
            rx.el.input(
                id="place",
                name="place",
                key=f"place-{EstimateState.form_key}",
                default_value=EstimateState.form.get("place", ""),
                on_change=EstimateState.search.debounce(100),
                on_key_down=EstimateState.key,
                on_blur=EstimateState.close,
                placeholder=text("City, state or zip code"),
                auto_complete="off",
                class_name="control",
                role="combobox",
                custom_attrs={
                    **_aria("place"),
                    "aria-autocomplete": "list",
                    "aria-controls": "places",
                    "aria-expanded": rx.cond(is_open, "true", "false"),
                    "aria-activedescendant": rx.cond(
                        EstimateState.active >= 0, f"place-{EstimateState.active}", ""
                    ),
                },
            ),
            rx.el.ul(
                rx.foreach(EstimateState.suggestions, _option),
                id="places",
                role="listbox",
                class_name=rx.cond(is_open, "options", "options unseen"),
                custom_attrs={"aria-label": text("Places")},
            ),
            class_name="combobox",
        ),
    )


def _status() -> rx.Component:
    return _described(
        "status",
        words.field("status"),
        "",
        rx.el.select(
            rx.el.option(text("Not given"), value=""),
            *[rx.el.option(text(words.status(s)), value=s) for s in STATUSES],
            id="status",
            name="status",
            default_value=EstimateState.form.get("status", ""),
            class_name="control",
            custom_attrs=_aria("status"),
        ),
    )


def listing_form() -> rx.Component:
    """The form; it starts again with the values of a link when its key changes."""
    return rx.el.form(
        _place(),
        rx.el.div(
            rx.el.div(*map(_input, HOME), class_name="fields"),
            folded(
                text("More details"),
                rx.el.div(_status(), *map(_input, MORE), class_name="fields"),
                open=EstimateState.unfolded,
            ),
            key=f"form-{EstimateState.form_key}",
        ),
        rx.el.div(
            rx.el.button(
                rx.cond(EstimateState.busy, text("Pricing…"), text("Estimate the price")),
                type="submit",
                class_name="button primary",
                # Not disabled meanwhile: what was typed and sent during an answer would be lost.
                custom_attrs={"aria-busy": EstimateState.busy},
            ),
            rx.el.button(
                text("Clear"), type="button", class_name="button", on_click=EstimateState.clear
            ),
            class_name="buttons",
        ),
        on_submit=EstimateState.estimate,
        id="listing",
        class_name="card form",
        custom_attrs={
            "aria-label": text("The home"),
            "data-loaded": rx.cond(EstimateState.loaded, "true", "false"),
        },
    )
