"""The frame of every page, and the components that pages share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import reflex as rx

from tasador_web import action_dialog, browser_state
from tasador_web.chart import Chart, Point, Tick
from tasador_web.languages import LANGUAGES, address, language, text
from tasador_web.ticking import tick_button
from tasador_web.view import WAITS
from tasador_web.visitor_state import VisitorState

# (title, route, icon) of every page, filled by the app.
NAVIGATION: list[tuple[str, str, str]] = []


def frame(
    title: str, lead: rx.Var[str] | str, *content: rx.Component, route: str = "", **options: Any
) -> Any:
    """A whole page: navigation, heading, content; ``route`` is that of a page outside the menu."""
    route = {name: where for name, where, _ in NAVIGATION}.get(title, route)
    return rx.fragment(
        rx.el.a(text("Skip to the content"), href="#content", class_name="skip", lang=language()),
        rx.el.div(
            rx.el.header(
                rx.el.a(
                    rx.icon("house", size=18, aria_hidden="true"),
                    rx.el.span("Tasador"),
                    href=address("/"),
                    class_name="brand",
                    aria_label=text("Tasador, home"),
                ),
                _pages(title),
                # On a phone; a page that is reached by it closes it, since it has another one.
                rx.el.details(
                    rx.el.summary(
                        rx.icon("menu", size=18, aria_hidden="true"),
                        rx.el.span(text("Pages: "), class_name="unseen"),
                        text(title),
                        class_name="button small",
                    ),
                    _pages(title),
                    class_name="menu",
                ),
                action_dialog.account(),
                rx.el.div(_other_language(route), _color_mode(), class_name="tools"),
                class_name="side",
            ),
            rx.el.main(
                rx.el.div(
                    rx.el.h1(text(title)),
                    rx.el.p(lead, class_name="lead"),
                    class_name="title",
                ),
                action_dialog.outcome(),
                *content,
                id="content",
                **options,
            ),
            class_name="shell",
            lang=language(),
        ),
        action_dialog.dialog(),
        browser_state.watched_element(),
    )


def _pages(title: str) -> rx.Component:
    links = [_destination(name, route, icon, name == title) for name, route, icon in NAVIGATION]
    return rx.el.nav(*links, aria_label=text("Pages"), class_name="pages")


def _color_mode() -> rx.Component:
    """Switches between light and dark; the style shows the icon of the one that is on."""
    return rx.el.button(
        rx.icon("sun", size=16, aria_hidden="true"),
        rx.icon("moon", size=16, aria_hidden="true"),
        type="button",
        on_click=rx.toggle_color_mode,
        class_name="button small mode",
        aria_label=text("Switch between light and dark"),
    )


def _destination(name: str, route: str, icon: str, current: bool) -> rx.Component:
    return rx.el.a(
        rx.icon(icon, size=16, aria_hidden="true"),
        rx.el.span(text(name)),
        href=address(route),
        class_name="destination",
        custom_attrs={"aria-current": "page"} if current else {},
    )


def _other_language(route: str) -> rx.Component:
    """The same page in the other language, with the same query; nothing where there is no page.

    The browser loads it, since a document has one language. Other links of Reflex change the page
    within the document.
    """
    if not route:
        return rx.fragment()
    other = "en" if language() == "es" else "es"
    return rx.el.a(
        LANGUAGES[other],
        lang=other,
        class_name="button small language",
        href=address(route, other),
        reload_document=True,
        custom_attrs={"hrefLang": other, "data-language": ""},
    )


def notice(says: rx.Var[str] | str, *, icon: str, color: str, alert: bool = False) -> rx.Component:
    """A message; screen readers announce an alert at once."""
    return rx.el.div(
        rx.icon(icon, size=16, aria_hidden="true"),
        rx.el.p(says),
        class_name=f"notice {color}",
        role="alert" if alert else "status",
    )


def problem_notice(
    detail: rx.Var[str], no_model: rx.Var[bool], rejection: rx.Var[str] | None = None
) -> rx.Component:
    """The error message, if there is one; a missing first model is shown as a hint instead.

    ``rejection`` says why the newest version does not serve, and takes the place of the hint.
    """
    first = text(
        "No model is in service yet. The first batch trains the first model: "
        "run “tasador pipeline”, then reload this page."
    )
    hint = first if rejection is None else rx.cond(rejection != "", rejection, first)
    decide = rx.cond(
        VisitorState.role == "operator",
        rx.el.a(text("Approve or decline it"), href=address("/models"), class_name="button small"),
    )
    waits = rx.fragment() if rejection is None else rx.cond(rejection.contains(text(WAITS)), decide)
    return rx.cond(
        no_model,
        rx.fragment(notice(hint, icon="hourglass", color="amber"), waits),
        rx.cond(detail != "", notice(detail, icon="triangle-alert", color="red", alert=True)),
    )


def card(title: str, *content: rx.Component, aside: Any = None, **options: Any) -> rx.Component:
    """A section with a title; ``aside`` stands at the end of its line."""
    heading = rx.el.div(
        rx.el.h2(title), *([] if aside is None else [aside]), class_name="card-head"
    )
    name = f"card {options.pop('class_name', '')}".strip()
    return rx.el.section(heading, *content, aria_label=title, class_name=name, **options)


def copied() -> dict[str, str]:
    """What a button that copies says afterwards."""
    return {"data-copied": text("Copied"), "data-refused": text("Not allowed here")}


def badge(says: rx.Var[str] | str, color: rx.Var[str] | str) -> rx.Component:
    """A small label: green, red, amber, blue or gray."""
    return rx.el.span(says, class_name=f"badge {color}")


def facts(*pairs: tuple[str, rx.Var[str] | str]) -> rx.Component:
    """A list of names and values."""
    return rx.el.dl(
        *[rx.fragment(rx.el.dt(name), rx.el.dd(value)) for name, value in pairs],
        class_name="facts",
    )


def table(
    caption: str,
    heads: Sequence[str],
    rows: rx.Component,
    class_name: str = "list stacked",
    *,
    long: bool = False,
) -> rx.Component:
    """A table; the caption is for screen readers.

    On a phone each row of a ``stacked`` one becomes a block, whose cells say the names of their
    columns; any other scrolls sideways where it does not fit. A ``long`` one scrolls within itself.
    """
    names = {f"--h{n}": json.dumps(head, ensure_ascii=False) for n, head in enumerate(heads, 1)}
    return rx.el.div(
        rx.el.table(
            rx.el.caption(caption, class_name="unseen"),
            rx.el.thead(rx.el.tr(*[rx.el.th(h, scope="col") if h else rx.el.td() for h in heads])),
            rx.el.tbody(rows),
            class_name=class_name,
            custom_attrs={"style": names},
        ),
        class_name="scroll long" if long else "scroll",
        tab_index=0,
        role="region",
        aria_label=caption,
    )


def placed(**positions: Any) -> dict[str, Any]:
    """A style attribute with positions in per cent, as attributes of an element.

    Reflex would write a rule into the page's style for each position, and keep it for ever.
    """
    style = {name: f"{position}%" for name, position in positions.items()}
    return {"style": rx.Var.create(style)}


def effect_row(
    name: rx.Var[str], given: rx.Var[str], effect: Any, *, track: str = "track"
) -> rx.Component:
    """A row of a table of effects: a bar at ``left`` of ``width``, in per cent, and its dollars."""
    return rx.el.tr(
        rx.el.th(name, rx.el.span(given, class_name="hint below"), scope="row"),
        rx.el.td(
            rx.el.div(
                rx.el.span(
                    class_name=f"bar {effect.kind}",
                    custom_attrs=placed(left=effect.left, width=effect.width),
                ),
                class_name=track,
                aria_hidden="true",
            )
        ),
        rx.el.td(effect.dollars, class_name=f"number {effect.kind}"),
    )


def folded(title: str, *content: rx.Component, **options: Any) -> rx.Component:
    """A section that opens at a click."""
    return rx.el.details(rx.el.summary(title), *content, class_name="folded", **options)


def nothing(says: rx.Var[str] | str) -> rx.Component:
    """What a page says where there is nothing to show yet."""
    return rx.el.p(says, class_name="nothing")


def follows(state: Any) -> rx.Component:
    """Makes a page show news within a second, while it is visible.

    It asks again while an error shows.
    """
    return tick_button(state.tick, again=rx.cond(state.error != "", "true", "false"))


def line_chart(chart: rx.Var[Chart], title: str, *, legend: bool = False) -> rx.Component:
    """A chart with its axes; ``legend`` names its lines.

    Only the lines are an SVG, which is stretched: letters and points keep their size at any width.
    """

    def tick_down(tick: rx.Var[Tick]) -> rx.Component:
        return rx.el.div(
            rx.el.span(tick.label, class_name="tick"),
            class_name="grid-line",
            custom_attrs=placed(top=tick.at),
        )

    def tick_across(tick: rx.Var[Tick]) -> rx.Component:
        return rx.el.span(
            tick.label,
            class_name=f"tick across {tick.kind}",
            custom_attrs=placed(left=tick.at),
        )

    def point(value: rx.Var[Point]) -> rx.Component:
        return rx.el.i(
            title=value.title,
            class_name=f"point {value.kind}",
            custom_attrs=placed(left=value.x, top=value.y),
        )

    plot = rx.el.div(
        rx.foreach(chart.down, tick_down),
        rx.el.svg(
            rx.foreach(
                chart.lines,
                lambda line: rx.el.svg.path(d=line.path, class_name=f"line {line.kind}"),
            ),
            view_box="0 0 100 100",
            custom_attrs={"preserveAspectRatio": "none"},
        ),
        rx.foreach(chart.points, point),
        rx.foreach(chart.across, tick_across),
        role="img",
        class_name="plot",
        custom_attrs={"aria-label": f"{title}: {chart.summary}"},
    )
    names = rx.el.ul(
        rx.foreach(
            chart.lines,
            lambda line: rx.el.li(
                rx.el.i(class_name=f"swatch bg-{line.kind}", aria_hidden="true"), line.name
            ),
        ),
        class_name="levels",
    )
    return rx.el.div(plot, *([names] if legend else []), class_name="chart")
