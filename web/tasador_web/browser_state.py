"""What a page asks the browser to do: by attributes that `assets/tasador.js` reads."""

from __future__ import annotations

import reflex as rx


class BrowserState(rx.State):
    """The last request; ``turn`` counts, so that the same one can be made again."""

    turn: int = 0
    address: str = ""  # the query that the address shall have
    element: str = ""  # the id of what shall come into view

    @rx.event
    def begin(self) -> None:
        """Drop the request of an earlier page: the tab has opened a page.

        The first turn of a document is 1, since its script ignores the change from 0: that is the
        last request of the document before it.
        """
        self.address, self.element, self.turn = "", "", 1

    @rx.event
    def show(self, address: str, element: str = "") -> None:
        """Write the query into the address, unless it is empty, and scroll to an element."""
        self.address, self.element, self.turn = str(address), str(element), self.turn + 1


def watched_element() -> rx.Component:
    """The element that the page's script watches."""
    state = BrowserState
    return rx.el.i(
        hidden=True,
        custom_attrs={
            "data-turn": state.turn,
            "data-address": state.address,
            "data-element": state.element,
        },
    )
