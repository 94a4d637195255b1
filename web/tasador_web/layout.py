"""The frame that every page stands in, and the parts that pages share."""

from __future__ import annotations

import reflex as rx

# Filled by the app, in the order of the navigation: (title, route).
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
                    aria_label="Tasador, to the first page",
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
                rx.color_mode.button(aria_label="Light or dark", size="2"),
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
    """A message; an alert is read out at once."""
    return rx.callout.root(
        rx.callout.icon(rx.icon(icon, size=18, aria_hidden="true")),
        rx.callout.text(text),
        color_scheme=color,
        role="alert" if alert else "status",
        size="1",
    )


def trouble(detail: rx.Var[str], no_model: rx.Var[bool]) -> rx.Component:
    """What went wrong, if anything did; that no model is in service yet is no error."""
    return rx.cond(
        no_model,
        notice(
            "No model is in service yet. The first one comes with the first batch: "
            "run “tasador pipeline”, then load this page again.",
            icon="hourglass",
            color="amber",
        ),
        rx.cond(detail != "", notice(detail, icon="triangle-alert", color="red", alert=True)),
    )


def card(title: str, *content: rx.Component, **more: object) -> rx.Component:
    """A titled part of a page."""
    return rx.card(
        rx.el.section(
            rx.heading(title, as_="h2", size="4", margin_bottom="0.75rem"),
            *content,
            aria_label=title,
        ),
        size="3",
        **more,
    )


def facts(*pairs: tuple[str, rx.Var[str] | str]) -> rx.Component:
    """Names and values."""
    return rx.el.dl(
        *[rx.fragment(rx.el.dt(name), rx.el.dd(value)) for name, value in pairs],
        class_name="facts",
    )
