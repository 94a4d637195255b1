"""The Activity page: who did what, for people who signed in. Linked from their name."""

from __future__ import annotations

import asyncio

import reflex as rx

from tasador.errors import TasadorError
from tasador_web import activity_view, rights, visitors
from tasador_web.activity_view import Deed
from tasador_web.languages import text
from tasador_web.layout import badge, card, frame, nothing, problem_notice, table

TITLE, ROUTE, ICON = "Activity", "/activity", "scroll-text"
SHOWN = 200


class ActivityState(rx.State):
    """What people did, newest first."""

    loaded: bool = False
    allowed: bool = False
    error: str = ""
    deeds: rx.Field[list[Deed]] = rx.field(default_factory=list)

    @rx.event
    async def load(self) -> None:
        """Show what people did to somebody who signed in."""
        self.deeds, self.error = [], ""
        try:
            self.allowed = await rights.session_of_event() is not None
            if self.allowed:
                actions = await asyncio.to_thread(visitors.warehouse().actions, SHOWN)
                self.deeds = activity_view.deeds_of(actions)
        except TasadorError as error:
            self.error = str(error)
        self.loaded = True


def _row(deed: rx.Var[Deed]) -> rx.Component:
    return rx.el.tr(
        rx.el.td(deed.when),
        rx.el.th(deed.who, scope="row"),
        rx.el.td(deed.what),
        rx.el.td(deed.target),
        rx.el.td(badge(deed.outcome, deed.color)),
        rx.el.td(deed.detail, class_name="wide hint"),
    )


def page() -> rx.Component:
    """The page."""
    state = ActivityState
    return frame(
        TITLE,
        text(
            "Who did what, and how it ended. Roll-backs and approvals are also on the page Models."
        ),
        problem_notice(state.error, rx.Var.create(False)),
        card(
            text("Actions"),
            rx.cond(
                state.deeds.length() > 0,
                table(
                    text("Actions, newest first"),
                    [
                        text("When"),
                        text("Who"),
                        text("What"),
                        text("Target"),
                        text("Outcome"),
                        text("Detail"),
                    ],
                    rx.foreach(state.deeds, _row),
                ),
                nothing(
                    rx.cond(
                        state.allowed | (state.error != ""),
                        text("Nobody has done anything yet."),
                        rx.cond(
                            state.loaded, text("Sign in to see who did what."), text("Loading…")
                        ),
                    )
                ),
            ),
        ),
        route=ROUTE,
    )


ON_LOAD = ActivityState.load
