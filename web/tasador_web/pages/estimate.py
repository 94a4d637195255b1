"""Estimate: any part of a listing in, a price with its intervals and its reasons out."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import reflex as rx

from tasador.errors import ConfigurationError
from tasador.listings.listing import STATUSES
from tasador_web import view
from tasador_web.client import Functions, Problem
from tasador_web.layout import card, facts, frame, notice, trouble
from tasador_web.view import Estimate, Interval, Step

TITLE, ROUTE = "Estimate", "/"


class EstimateState(rx.State):
    """One visitor's form and the answer to it."""

    states: rx.Field[list[str]] = rx.field(default_factory=list)
    busy: bool = False
    errors: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    trouble: str = ""
    no_model: bool = False
    done: bool = False
    result: rx.Field[Estimate] = rx.field(default_factory=Estimate)
    intervals: rx.Field[list[Interval]] = rx.field(default_factory=list)
    missing: rx.Field[list[str]] = rx.field(default_factory=list)
    warnings: rx.Field[list[str]] = rx.field(default_factory=list)
    steps: rx.Field[list[Step]] = rx.field(default_factory=list)
    sentence: str = ""

    @rx.event
    async def load(self):
        """Fetch the states that the model knows."""
        try:
            async with Functions() as functions:
                self.states = await functions.states()
        except (Problem, ConfigurationError) as problem:
            self._show(problem)
        else:
            self.trouble, self.no_model = "", False

    @rx.event
    async def estimate(self, form: dict[str, Any]):
        """Ask for a price and its reasons; one without the other is shown as it is."""
        listing = {name: value for name, value in form.items() if str(value).strip()}
        self.busy, self.done = True, False
        self.errors, self.trouble, self.no_model = {}, "", False
        yield
        try:
            async with Functions() as functions:
                answer, reasons = await asyncio.gather(
                    functions.predict(listing), functions.explain(listing), return_exceptions=True
                )
            if isinstance(answer, BaseException):
                raise answer
            self._take(answer)
            self._take_reasons(answer, reasons)
            if not self.states:
                await self.load()
        except (Problem, ConfigurationError) as problem:
            self._show(problem)
        finally:
            self.busy = False
        if wrong := next((name for name in view.FIELDS if name in self.errors), None):
            yield rx.set_focus(wrong)

    def _take(self, answer: dict[str, Any]) -> None:
        self.done = True
        self.result = view.estimate_of(answer)
        self.intervals = view.intervals_of(answer)
        self.missing = view.names_of(answer["missing"])
        self.warnings = answer["warnings"]

    def _take_reasons(
        self, answer: dict[str, Any], reasons: dict[str, Any] | BaseException
    ) -> None:
        self.steps = []
        if isinstance(reasons, Problem):
            self.sentence = f"The price cannot be explained now: {reasons.detail}"
        elif isinstance(reasons, BaseException):
            raise reasons
        elif reasons["model"] != answer["model"]:
            # Between the two, another model went into service.
            self.sentence = "The model has just changed. Estimate again to see the reasons."
        else:
            self.steps, self.sentence = view.steps_of(reasons), reasons["sentence"]

    def _show(self, problem: Problem | ConfigurationError) -> None:
        if isinstance(problem, Problem):
            self.no_model = problem.no_model
            self.errors = {f: r for f, r in problem.errors.items() if f in view.FIELDS}
            # What stands beside its field need not be said twice.
            self.trouble = "" if self.errors or self.no_model else problem.detail
        else:
            self.trouble = str(problem)

    @rx.event
    def clear(self):
        """Forget the answer; the browser empties the form."""
        self.done, self.errors, self.trouble = False, {}, ""


# -- the form -------------------------------------------------------------------------------------


class Input(NamedTuple):
    """One text field of the form."""

    name: str
    hint: str = ""
    mode: str = "text"
    kind: str = "text"


PLACE = (Input("city"), Input("zip_code", "five digits", "numeric"), Input("street", "code"))
HOME = (
    Input("house_size", "square feet", "decimal"),
    Input("acre_lot", "acres", "decimal"),
    Input("bed", "", "decimal"),
    Input("bath", "", "decimal"),
)
SALE = (Input("brokered_by", "code"), Input("prev_sold_date", "", "none", "date"))


def _described(name: str, hint: str, control: rx.Component) -> rx.Component:
    """A control with its label and what is wrong with it."""
    return rx.el.div(
        rx.el.label(
            view.FIELDS[name],
            rx.el.span(f" {hint}", class_name="hint") if hint else "",
            html_for=name,
        ),
        control,
        rx.cond(
            EstimateState.errors.contains(name),
            rx.el.p(
                EstimateState.errors[name], id=f"{name}-error", role="alert", class_name="error"
            ),
        ),
        class_name="field",
    )


def _aria(name: str) -> dict[str, Any]:
    wrong = EstimateState.errors.contains(name)
    return {
        "custom_attrs": {
            "aria-invalid": rx.cond(wrong, "true", "false"),
            "aria-describedby": rx.cond(wrong, f"{name}-error", ""),
        }
    }


def _input(field: Input) -> rx.Component:
    return _described(
        field.name,
        field.hint,
        rx.el.input(
            id=field.name,
            name=field.name,
            type=field.kind,
            input_mode=field.mode,
            auto_complete="off",
            class_name="control",
            **_aria(field.name),
        ),
    )


def _choice(name: str, options: rx.Component) -> rx.Component:
    return _described(
        name,
        "",
        rx.el.select(
            rx.el.option("Not given", value=""),
            options,
            id=name,
            name=name,
            class_name="control",
            **_aria(name),
        ),
    )


def _group(title: str, *fields: rx.Component) -> rx.Component:
    return rx.el.fieldset(rx.el.legend(title), rx.el.div(*fields, class_name="fields"))


def _form() -> rx.Component:
    states = rx.foreach(EstimateState.states, lambda state: rx.el.option(state, value=state))
    statuses = rx.fragment(
        *[rx.el.option(status.replace("_", " "), value=status) for status in STATUSES]
    )
    return card(
        "Listing",
        rx.form(
            _group("Place", _choice("state", states), *map(_input, PLACE)),
            _group("Home", *map(_input, HOME)),
            _group("Listing", _choice("status", statuses), *map(_input, SALE)),
            rx.flex(
                rx.button("Estimate", type="submit", loading=EstimateState.busy, size="3"),
                rx.button(
                    "Clear",
                    type="reset",
                    variant="soft",
                    color_scheme="gray",
                    size="3",
                    on_click=EstimateState.clear,
                ),
                spacing="3",
            ),
            on_submit=EstimateState.estimate,
            id="listing",
        ),
    )


# -- the answer -----------------------------------------------------------------------------------


def _interval(interval: rx.Var[Interval]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(interval.level, scope="row"),
        rx.el.td(interval.low, class_name="number"),
        rx.el.td(
            rx.el.div(
                rx.el.span(
                    class_name="bar base",
                    style={"left": f"{interval.left}%", "width": f"{interval.width}%"},
                ),
                rx.el.span(class_name="mark", style={"left": f"{EstimateState.result.mark}%"}),
                class_name="track",
                aria_hidden="true",
            )
        ),
        rx.el.td(interval.high, class_name="number"),
    )


def _step(step: rx.Var[Step]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(step.name, rx.el.span(step.value, class_name="hint below"), scope="row"),
        rx.el.td(
            rx.el.div(
                rx.el.span(
                    class_name=f"bar {step.kind}",
                    style={"left": f"{step.left}%", "width": f"{step.width}%"},
                ),
                class_name="track",
                aria_hidden="true",
            )
        ),
        rx.el.td(step.dollars, class_name=f"number {step.kind}"),
    )


def _table(caption: str, heads: list[str], rows: rx.Component) -> rx.Component:
    return rx.el.table(
        rx.el.caption(caption, class_name="unseen"),
        rx.el.thead(
            rx.el.tr(*[rx.el.th(head, scope="col") for head in heads]), class_name="unseen"
        ),
        rx.el.tbody(rows),
        class_name="bars",
    )


def _answer() -> rx.Component:
    result = EstimateState.result
    return rx.flex(
        card(
            "Price",
            rx.el.p(result.price, id="price", class_name="price"),
            rx.text("The price will lie in each range with that probability.", class_name="hint"),
            _table(
                "Prediction intervals",
                ["Probability", "From", "Range", "To"],
                rx.foreach(EstimateState.intervals, _interval),
            ),
            rx.foreach(
                EstimateState.warnings,
                lambda warning: notice(warning, icon="info", color="amber"),
            ),
            rx.cond(
                EstimateState.missing.length() > 0,
                rx.flex(
                    rx.text("Not given:", class_name="hint"),
                    rx.foreach(
                        EstimateState.missing,
                        lambda name: rx.badge(name, color_scheme="gray", variant="soft"),
                    ),
                    wrap="wrap",
                    spacing="2",
                    align="center",
                    id="missing",
                ),
            ),
        ),
        card(
            "Why",
            rx.text(EstimateState.sentence, margin_bottom="0.75rem", id="sentence"),
            rx.cond(
                EstimateState.steps.length() > 0,
                _table(
                    "From the base to the price, in dollars",
                    ["Part", "Step", "Dollars"],
                    rx.foreach(EstimateState.steps, _step),
                ),
            ),
        ),
        card(
            "Where it comes from",
            facts(
                ("Model", result.model),
                ("Digest", result.digest),
                ("Revision", result.revision),
                ("Prediction", result.prediction_id),
                ("Correlation", result.correlation_id),
            ),
        ),
        direction="column",
        spacing="4",
        role="status",
        custom_attrs={"aria-live": "polite"},
    )


def page() -> rx.Component:
    """The page."""
    return frame(
        TITLE,
        "What is this home worth? Every field may stay empty; what is known narrows the range.",
        trouble(EstimateState.trouble, EstimateState.no_model),
        rx.el.div(
            _form(),
            rx.cond(
                EstimateState.done,
                _answer(),
                card(
                    "Price",
                    rx.text("The price, its ranges and its reasons come here.", class_name="hint"),
                ),
            ),
            class_name="halves",
        ),
    )


ON_LOAD = EstimateState.load
