"""Links to what is no page of the app: downloads, reports, cards, other sites. No state."""

from __future__ import annotations

from typing import Any

import reflex as rx


def outside(*content: Any, **options: Any) -> rx.Component:
    """A link that the browser follows; ``rx.el.a`` leaves it to the router, which knows pages."""
    return rx.el.elements.inline.A.create(*content, **options)
