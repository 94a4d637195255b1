"""The Compare page: one home in several places, or two homes side by side."""

from __future__ import annotations

import reflex as rx

from tasador_web import words
from tasador_web.compare_view import Difference, HomeBar, PlaceBar
from tasador_web.languages import marks, text
from tasador_web.layout import card, effect_row, frame, notice, placed, problem_notice
from tasador_web.pages.compare_state import HOMES, NUMBERS, PLACES, CompareState

TITLE, ROUTE, ICON = "Compare", "/compare", "scale"
_HINTS = {"house_size": "sq ft", "acre_lot": "acres"}
_EXAMPLES = {"house_size": "1,850", "acre_lot": "0.2", "bed": "3", "bath": "2"}


def _number(name: str, ending: str = "") -> rx.Component:
    identity = f"{name}{ending}"
    return rx.el.div(
        rx.el.label(
            words.field(name),
            rx.el.span(f" {text(_HINTS[name])}", class_name="hint") if name in _HINTS else "",
            html_for=identity,
        ),
        rx.el.input(
            id=identity,
            name=identity,
            type="text",
            input_mode="decimal",
            default_value=CompareState.form.get(identity, ""),
            placeholder=marks(_EXAMPLES[name]),
            auto_complete="off",
            class_name="control",
        ),
        class_name="field",
    )


def _where() -> rx.Component:
    return rx.el.div(
        rx.el.label(text("Where"), html_for="where"),
        rx.el.select(
            rx.el.option(text("Every state"), value=""),
            rx.foreach(
                CompareState.states,
                lambda name: rx.el.option(text("Cities of {state}", state=name), value=name),
            ),
            id="where",
            name="where",
            class_name="control",
        ),
        class_name="field",
    )


def _submit(label: str) -> rx.Component:
    return rx.el.div(
        rx.el.button(
            rx.cond(CompareState.busy, text("Pricing…"), label),
            type="submit",
            class_name="button primary",
            # Not disabled meanwhile: what was typed and sent during an answer would be lost.
            custom_attrs={"aria-busy": CompareState.busy},
        ),
        class_name="buttons",
    )


def _one_home() -> rx.Component:
    return rx.el.form(
        rx.el.div(*map(_number, NUMBERS), class_name="fields"),
        rx.el.div(_where(), class_name="below-fields"),
        _submit(text("Compare the places")),
        key=f"places-{CompareState.form_key}",
        on_submit=CompareState.compare_places,
        id="places-form",
        class_name="card form",
        custom_attrs={"aria-label": text("The home")},
    )


def _home(letter: str) -> rx.Component:
    name = f"place_{letter.lower()}"
    return rx.el.fieldset(
        rx.el.legend(text("Home {letter}", letter=letter)),
        rx.el.div(
            rx.el.label(text("Where is it?"), html_for=name),
            rx.el.input(
                id=name,
                name=name,
                default_value=CompareState.form.get(name, ""),
                placeholder=text("City, state or zip code"),
                auto_complete="off",
                class_name="control",
                custom_attrs={"list": "known-places"},
            ),
            class_name="field",
        ),
        rx.el.div(*[_number(n, f"_{letter.lower()}") for n in NUMBERS], class_name="fields"),
        class_name="home-fields",
    )


def _two_homes() -> rx.Component:
    return rx.el.form(
        _home("A"),
        _home("B"),
        rx.el.datalist(
            rx.foreach(CompareState.suggestions, lambda label: rx.el.option(value=label)),
            id="known-places",
        ),
        _submit(text("Compare the homes")),
        key=f"homes-{CompareState.form_key}",
        on_submit=CompareState.compare_homes,
        id="homes-form",
        class_name="card form",
        custom_attrs={"aria-label": text("The two homes")},
    )


def _range(left: rx.Var[float], width: rx.Var[float], mark: rx.Var[float]) -> rx.Component:
    return rx.el.div(
        rx.el.span(class_name="bar range-bar", custom_attrs=placed(left=left, width=width)),
        rx.el.i(class_name="price-mark", custom_attrs=placed(left=mark)),
        class_name="track",
        aria_hidden="true",
    )


def _ranked_row(bar: rx.Var[PlaceBar] | rx.Var[HomeBar], below: rx.Var[str]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(bar.name, rx.el.span(below, class_name="hint below"), scope="row"),
        rx.el.td(_range(bar.left, bar.width, bar.mark)),
        rx.el.td(bar.price, class_name="number"),
        rx.el.td(bar.likely, class_name="number hint wide-only"),
    )


def _place_row(bar: rx.Var[PlaceBar]) -> rx.Component:
    return _ranked_row(bar, bar.remark)


def _heads(*names: str) -> rx.Component:
    return rx.el.thead(rx.el.tr(*[rx.el.th(n, scope="col") for n in names]), class_name="unseen")


def _places_answer() -> rx.Component:
    state = CompareState
    return card(
        text("The same home elsewhere"),
        rx.el.p(state.sentence, id="sentence", class_name="sentence"),
        rx.foreach(state.warnings, lambda says: notice(says, icon="triangle-alert", color="amber")),
        rx.el.table(
            rx.el.caption(text("Prices by place, the dearest first"), class_name="unseen"),
            _heads(text("Place"), text("Range"), text("Price"), text("8 in 10 within")),
            rx.el.tbody(rx.foreach(state.places, _place_row)),
            class_name="bars ranked",
        ),
        rx.el.p(
            text(
                "Prices in {places}. A bar holds 8 in 10 prices of such homes; the line in it is "
                "the estimate.",
                places=state.where,
            ),
            class_name="hint",
        ),
    )


def _home_row(home: rx.Var[HomeBar]) -> rx.Component:
    return _ranked_row(home, home.place)


def _difference_row(part: rx.Var[Difference]) -> rx.Component:
    return effect_row(part.name, part.given, part, track="track halved")


def _homes_answer() -> rx.Component:
    state = CompareState
    return rx.fragment(
        card(
            text("Both homes"),
            rx.el.p(state.difference, id="difference", class_name="sentence"),
            rx.foreach(
                state.homes,
                lambda home: rx.foreach(
                    home.warnings,
                    lambda says: notice(
                        f"{home.name}: {says}", icon="triangle-alert", color="amber"
                    ),
                ),
            ),
            rx.el.table(
                rx.el.caption(text("The two homes"), class_name="unseen"),
                _heads(text("Home"), text("Range"), text("Price"), text("8 in 10 within")),
                rx.el.tbody(rx.foreach(state.homes, _home_row)),
                class_name="bars ranked",
            ),
        ),
        card(
            text("What makes the difference"),
            rx.el.table(
                rx.el.caption(text("From home A to home B"), class_name="unseen"),
                _heads(text("Part"), text("Step"), text("Dollars")),
                rx.el.tbody(rx.foreach(state.differences, _difference_row)),
                class_name="bars ranked",
                id="differences",
            ),
            rx.el.p(
                text("From home A to home B. The parts add up to the difference."),
                class_name="hint",
            ),
        ),
    )


def _before(invitation: str) -> rx.Component:
    return rx.el.div(
        rx.cond(
            CompareState.busy,
            rx.fragment(
                rx.el.div(class_name="spinner", aria_hidden="true"),
                rx.el.p(text("Pricing…")),
                rx.el.p(
                    text("The model was asleep and is waking up. This takes a few seconds."),
                    class_name="waking",
                ),
            ),
            rx.fragment(rx.icon("scale", size=28, aria_hidden="true"), rx.el.p(invitation)),
        ),
        class_name="card empty",
        role="status",
    )


def _choice(label: str, mode: str) -> rx.Component:
    return rx.el.button(
        label,
        type="button",
        class_name=rx.cond(CompareState.mode == mode, "button small chosen", "button small"),
        on_click=CompareState.switch(mode),
        custom_attrs={"aria-pressed": rx.cond(CompareState.mode == mode, "true", "false")},
    )


def page() -> rx.Component:
    """The page."""
    state = CompareState
    return frame(
        TITLE,
        text(
            "What a home would cost elsewhere, and why two homes differ. Nothing here is recorded."
        ),
        problem_notice(state.error, state.no_model),
        rx.el.div(
            _choice(text("One home, many places"), PLACES),
            _choice(text("Two homes"), HOMES),
            class_name="choices",
            role="group",
            aria_label=text("What to compare"),
        ),
        rx.cond(
            state.mode == PLACES,
            rx.el.div(
                _one_home(),
                rx.el.div(
                    rx.cond(
                        state.places.length() > 0,
                        _places_answer(),
                        _before(
                            text("Give what you know of a home, and see its price everywhere.")
                        ),
                    ),
                    class_name="stack",
                    id="comparison",
                    custom_attrs={"data-narrow": ""},
                ),
                class_name="form-and-answer",
            ),
            rx.el.div(
                _two_homes(),
                rx.el.div(
                    rx.cond(
                        state.homes.length() > 0,
                        _homes_answer(),
                        _before(text("Give two homes, and see what makes the difference.")),
                    ),
                    class_name="stack",
                    id="comparison",
                    custom_attrs={"data-narrow": ""},
                ),
                class_name="form-and-answer",
            ),
        ),
        custom_attrs={"data-loaded": rx.cond(state.loaded, "true", "false")},
    )


ON_LOAD = CompareState.load
