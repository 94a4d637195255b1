"""The map of similar homes: an SVG that assets/tasador.js pans and zooms."""

from __future__ import annotations

import reflex as rx

from tasador_web.languages import text
from tasador_web.map_view import HALF, Dot, Map, Pin, Ring


def _ring(ring: rx.Var[Ring]) -> rx.Component:
    return rx.el.svg.g(
        rx.el.svg.circle(cx=0, cy=0, r=ring.radius, class_name="ring"),
        rx.el.svg.text(ring.label, x=0, y=-1 * ring.radius - 15, class_name="ring-label"),
    )


def _dot(dot: rx.Var[Dot]) -> rx.Component:
    return rx.el.svg.g(
        rx.el.svg.circle(cx=dot.x, cy=dot.y, r=12, class_name="dot"),
        rx.cond(
            dot.label != "",
            rx.el.svg.text(dot.label, x=dot.x, y=dot.y - 28, class_name="city"),
        ),
    )


def _pin(pin: rx.Var[Pin]) -> rx.Component:
    return rx.el.svg.g(
        rx.el.svg.title(pin.title),
        rx.el.svg.circle(cx=pin.x, cy=pin.y, r=70, class_name="pin"),
        rx.el.svg.text(pin.number, x=pin.x, y=pin.y + 26, class_name="pin-text"),
        custom_attrs={"data-pin": pin.number},
    )


def map_of_comparables(drawn: rx.Var[Map]) -> rx.Component:
    """The map, with buttons for those who do not drag or turn a wheel."""
    box = f"{-HALF} {-HALF} {2 * HALF} {2 * HALF}"
    return rx.cond(
        drawn.pins.length() > 0,
        rx.el.figure(
            rx.el.svg(
                rx.foreach(drawn.rings, _ring),
                rx.foreach(drawn.dots, _dot),
                rx.foreach(drawn.pins, _pin),
                rx.el.svg.g(
                    rx.el.svg.circle(cx=0, cy=0, r=62, class_name="home"),
                    rx.el.svg.path(d="M-32 2 L0 -30 L32 2 V28 H-32 Z", class_name="home-icon"),
                ),
                view_box=box,
                role="img",
                class_name="map",
                custom_attrs={
                    "data-map": box,
                    "aria-label": text("Map of the similar homes around yours"),
                },
            ),
            rx.el.div(
                *[
                    rx.el.button(
                        rx.icon(icon, size=14, aria_hidden="true"),
                        type="button",
                        class_name="button small",
                        aria_label=label,
                        custom_attrs={"data-zoom": factor},
                    )
                    for icon, label, factor in (
                        ("plus", text("Zoom in"), "0.7"),
                        ("minus", text("Zoom out"), "1.43"),
                        ("maximize", text("Show the whole map"), "0"),
                    )
                ],
                class_name="zoom",
            ),
            rx.el.figcaption(
                text(
                    "Centred on {place}. Homes are drawn around the centre of their zip code; "
                    "the data has no addresses.",
                    place=drawn.place,
                ),
                class_name="hint",
            ),
        ),
    )
