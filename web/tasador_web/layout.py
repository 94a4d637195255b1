"""The frame of every page, and the components that pages share."""

from __future__ import annotations

import reflex as rx

# (title, route) of every page, filled by the app.
NAVIGATION: list[tuple[str, str]] = []


def frame(title: str, lead: str, *content: rx.Component) -> rx.Component:
    """A whole page: navigation, heading, content."""
    return rx.fragment(
        rx.el.a("Skip to the content", href="#content", class_name="skip"),
        rx.el.header(
            rx.flex(
                rx.link(
                    rx.flex(
                        rx.icon("house", size=20, aria_hidden="true"),
                        rx.text("Tasador", weight="bold", size="4"),
                        align="center",
                        spacing="2",
                    ),
                    href="/",
                    underline="none",
                    high_contrast=True,
                    aria_label="Tasador, home",
                ),
                rx.el.nav(
                    *[
                        _destination(name, route, current=name == title)
                        for name, route in NAVIGATION
                    ],
                    aria_label="Pages",
                    class_name="pages",
                ),
                rx.spacer(),
                rx.color_mode.button(aria_label="Switch between light and dark", size="2"),
                align="center",
                spacing="5",
                class_name="wide",
            ),
            class_name="top",
        ),
        rx.el.main(
            rx.heading(title, as_="h1", size="7"),
            rx.text(lead, color_scheme="gray", margin_bottom="1.25rem"),
            *content,
            id="content",
            class_name="wide",
        ),
    )


def _destination(name: str, route: str, *, current: bool) -> rx.Component:
    return rx.link(
        name,
        href=route,
        size="3",
        weight="medium" if current else "regular",
        custom_attrs={"aria-current": "page"} if current else {},
    )


def notice(text: rx.Var[str] | str, *, icon: str, color: str, alert: bool = False) -> rx.Component:
    """A message; screen readers announce an alert at once."""
    return rx.callout.root(
        rx.callout.icon(rx.icon(icon, size=18, aria_hidden="true")),
        rx.callout.text(text),
        color_scheme=color,
        role="alert" if alert else "status",
        size="1",
    )


def problem_notice(
    detail: rx.Var[str], no_model: rx.Var[bool], rejection: rx.Var[str] | None = None
) -> rx.Component:
    """The error message, if there is one; a missing first model is shown as a hint instead.

    ``rejection`` says why the newest version was rejected, and takes the place of the hint.
    """
    first = (
        "No model is in service yet. The first batch trains the first model: "
        "run “tasador pipeline”, then reload this page."
    )
    hint = first if rejection is None else rx.cond(rejection != "", rejection, first)
    return rx.cond(
        no_model,
        notice(hint, icon="hourglass", color="amber"),
        rx.cond(detail != "", notice(detail, icon="triangle-alert", color="red", alert=True)),
    )


def card(title: str, *content: rx.Component, **options: object) -> rx.Component:
    """A card with a title."""
    return rx.card(
        rx.el.section(
            rx.heading(title, as_="h2", size="4", margin_bottom="0.75rem"),
            *content,
            aria_label=title,
        ),
        size="3",
        **options,
    )


def facts(*pairs: tuple[str, rx.Var[str] | str]) -> rx.Component:
    """A list of names and values."""
    return rx.el.dl(
        *[rx.fragment(rx.el.dt(name), rx.el.dd(value)) for name, value in pairs],
        class_name="facts",
    )
