"""The similar homes of the Estimate page: their map, and a card each."""

from __future__ import annotations

import reflex as rx

from tasador_web.comparables_view import Comparable
from tasador_web.languages import text
from tasador_web.layout import card, placed
from tasador_web.pages.estimate_map import map_of_comparables
from tasador_web.pages.estimate_state import EstimateState


def _comparable(home: rx.Var[Comparable]) -> rx.Component:
    return rx.el.li(
        rx.el.span(home.number, class_name="pin-number", aria_hidden="true"),
        rx.el.div(
            rx.el.p(rx.el.b(home.price)),
            rx.el.p(home.facts),
            rx.el.p(home.where, class_name="hint"),
        ),
        rx.el.div(
            rx.el.p(rx.el.b(home.adjusted)),
            rx.el.p(text("{amount} adjusted", amount=home.adjustment), class_name="hint"),
            rx.el.p(
                rx.el.span(
                    rx.el.span(custom_attrs=placed(width=home.alike_share)),
                    class_name="meter",
                    aria_hidden="true",
                ),
                home.alike,
                class_name="hint alike",
            ),
        ),
        rx.el.p(
            rx.foreach(home.grid, lambda step: rx.el.span(step)), class_name="hint adjustments"
        ),
        class_name="comparable",
        custom_attrs={"data-pin": home.number},
    )


def comparables() -> rx.Component:
    """The section with the map and the cards."""
    return card(
        text("Similar homes"),
        rx.el.p(
            text(
                "Homes that the model knows, the most alike first. The price on the right is "
                "adjusted: what the home would cost with your location, size, rooms and lot."
            ),
            class_name="hint",
        ),
        rx.el.div(
            map_of_comparables(EstimateState.map),
            rx.el.ol(rx.foreach(EstimateState.comparables, _comparable), class_name="comparables"),
            class_name="map-and-list",
        ),
    )
