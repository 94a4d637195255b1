"""The hidden button that the page's script presses (assets/tasador.js). No state."""

from __future__ import annotations

from typing import Any

import reflex as rx


def tick_button(event: Any, *, again: rx.Var[str] | str) -> rx.Component:
    """Calls ``event`` when the histories have changed, and twice a second while ``again`` is
    "true"."""
    return rx.el.button(
        type="button",
        hidden=True,
        on_click=event,
        custom_attrs={
            "data-tick": "",
            "data-again": again,
            "aria-hidden": "true",
            "tabindex": "-1",
        },
    )
