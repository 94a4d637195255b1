"""What every page has for people who act: who is signed in, buttons, the dialog, the outcome."""

from __future__ import annotations

from typing import Any

import reflex as rx

from tasador_web.action_state import ActionState
from tasador_web.languages import address, text
from tasador_web.ticking import tick_button
from tasador_web.visitor_state import VisitorState


def account() -> rx.Component:
    """Who is signed in, with a button to sign out; else a link to sign in."""
    visitor = VisitorState
    signed_in = rx.el.form(
        rx.el.input(type="hidden", name="token", value=visitor.form_token, read_only=True),
        rx.el.span(
            rx.el.a(
                rx.el.b(visitor.name),
                href=address("/activity"),
                title=text("Who did what"),
                class_name="link",
            ),
            rx.el.span(
                rx.cond(visitor.role == "operator", text("operator"), text("viewer")),
                class_name="hint",
            ),
            class_name="who",
        ),
        rx.el.button(
            rx.icon("log-out", size=16, aria_hidden="true"),
            rx.el.span(text("Sign out"), class_name="unseen"),
            type="button",
            title=text("Sign out"),
            class_name="button small",
            custom_attrs={"data-submit": ""},
        ),
        # A plain form: the answer takes the cookie away, which no script can.
        action="/logout",
        method="post",
        class_name="account",
    )
    # A form, since Reflex would look for the page of a link among its own.
    link = rx.el.form(
        rx.el.input(type="hidden", name="next", value="/", read_only=True),
        rx.el.button(
            rx.icon("log-in", size=16, aria_hidden="true"),
            rx.el.span(text("Sign in")),
            type="button",
            title=text("Sign in"),
            class_name="button small",
            custom_attrs={"data-submit": ""},
        ),
        action="/login",
        method="get",
        class_name="account",
        custom_attrs={"data-return": ""},
    )
    return rx.cond(visitor.name != "", signed_in, rx.cond(visitor.may_sign_in, link))


def act_button(kind: str, target: rx.Var[str], label: str, *, primary: bool = False) -> Any:
    """A button that proposes an action; operators alone see it."""
    return rx.cond(
        VisitorState.role == "operator",
        rx.el.button(
            label,
            type="button",
            on_click=ActionState.propose(kind, target),
            class_name=f"button small{' primary' if primary else ''}",
        ),
    )


def start_button() -> rx.Component:
    """The button that ingests the next batch, where this machine can."""
    button = act_button("start_batch", rx.Var.create(""), text("Ingest the next batch…"))
    return rx.cond(VisitorState.can_start, rx.el.p(button, class_name="start"))


def outcome() -> rx.Component:
    """What was done last."""
    return rx.cond(
        ActionState.done != "",
        rx.el.div(
            rx.icon("circle-check", size=16, aria_hidden="true"),
            rx.el.p(ActionState.done),
            # Until what was begun has ended.
            rx.cond(ActionState.is_going, tick_button(ActionState.tick, again="true")),
            class_name="notice green",
            id="outcome",
            role="status",
        ),
    )


def dialog() -> rx.Component:
    """Asks before an action; Escape and Cancel close it. The page's script opens it."""
    state = ActionState
    note = rx.cond(
        state.note != "none",
        rx.el.div(
            rx.el.label(
                rx.cond(state.note == "required", text("Why"), text("Why (optional)")),
                html_for="note",
            ),
            rx.el.textarea(
                id="note",
                name="note",
                rows="3",
                max_length=2000,
                required=state.note == "required",
                class_name="control",
            ),
            class_name="field",
        ),
    )
    form = rx.el.form(
        note,
        rx.cond(
            state.problem != "",
            rx.el.div(
                rx.icon("triangle-alert", size=16, aria_hidden="true"),
                rx.el.p(state.problem),
                class_name="notice red",
                role="alert",
                id="refusal",
            ),
        ),
        rx.el.div(
            rx.el.button(
                text("Cancel"),
                type="button",
                on_click=state.close,
                disabled=state.busy,
                class_name="button",
                id="cancel",
            ),
            rx.el.button(
                rx.cond(state.busy, rx.el.span(class_name="spinner", aria_hidden="true")),
                rx.cond(state.busy, text("Working…"), state.button),
                type="submit",
                disabled=state.busy,
                class_name=rx.cond(state.dangerous, "button danger", "button primary"),
                id="confirm",
            ),
            class_name="buttons",
        ),
        on_submit=state.confirm,
    )
    return rx.el.dialog(
        rx.cond(
            state.is_open,
            rx.fragment(
                rx.el.h2(state.title, id="action-title"),
                rx.el.p(state.question, id="action-question"),
                form,
            ),
        ),
        role="alertdialog",
        class_name="dialog",
        custom_attrs={
            "data-open": rx.cond(state.is_open, "true", "false"),
            "aria-labelledby": "action-title",
            "aria-describedby": "action-question",
        },
    )
