"""The page at an address that no page has."""

from __future__ import annotations

import reflex as rx

from tasador_web.layout import frame, nothing

TITLE = "Not found"


def page() -> rx.Component:
    """The page."""
    return frame(
        TITLE,
        "There is no page at this address.",
        rx.el.div(
            nothing("It may have been cut off when it was copied."),
            rx.el.a("What is a home worth?", href="/", class_name="button"),
            class_name="card empty",
        ),
    )
