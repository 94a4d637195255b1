"""The Batch page: a file of homes in, a file with their prices out."""

from __future__ import annotations

from importlib.util import find_spec

import reflex as rx

from tasador_web.batch_files import MAX_FILE, MEGABYTE, too_large
from tasador_web.batch_job import MAX_ROWS
from tasador_web.batch_view import Bar, Column, PricedRow, Problem
from tasador_web.languages import marks, text
from tasador_web.layout import badge, card, frame, notice, placed, table
from tasador_web.links import outside
from tasador_web.pages.batch_state import BatchState

TITLE, ROUTE, ICON = "Batch", "/batch", "table-2"
# The image of the web app has no reader of it.
_READS_PARQUET = find_spec("pyarrow") is not None


def _area() -> rx.Component:
    return rx.el.div(
        rx.el.label(
            rx.icon("file-up", size=28, aria_hidden="true"),
            rx.el.b(text("Drop a file of homes here, or choose one")),
            rx.el.span(
                text(
                    "CSV, also as .gz or in a .zip{parquet}: up to {rows} rows and {size} MB. The "
                    "first line names the columns.",
                    parquet=text(", or Parquet") if _READS_PARQUET else "",
                    rows=marks(f"{MAX_ROWS:,}"),
                    size=MAX_FILE // MEGABYTE,
                ),
                class_name="hint",
            ),
            rx.el.input(
                type="file", id="file", accept=".csv,.gz,.zip,.parquet", class_name="unseen"
            ),
            html_for="file",
            class_name="drop",
        ),
        rx.el.div(rx.el.span(custom_attrs={"data-sent": ""}), class_name="progress thin"),
        rx.el.p(role="status", class_name="hint", custom_attrs={"data-sending": ""}),
        rx.el.p(role="alert", class_name="error", custom_attrs={"data-send-error": ""}),
        rx.el.button(
            type="button",
            hidden=True,
            on_click=BatchState.arrived,
            custom_attrs={"data-arrived": "", "aria-hidden": "true", "tabindex": "-1"},
        ),
        custom_attrs={
            "data-upload": BatchState.ticket,
            "data-most": MAX_FILE,
            "data-too-large": too_large(),
            "data-says-sending": text("Sending {name}…", name="{name}"),
            "data-unanswered": text("The file did not arrive: the server does not answer."),
        },
        class_name="card upload",
    )


def _file_line() -> rx.Component:
    return rx.el.span(BatchState.name, " · ", BatchState.size, class_name="aside hint")


def _column(column: rx.Var[Column]) -> rx.Component:
    return rx.el.li(
        rx.cond(column.found, badge(text("found"), "green"), badge(text("not given"), "gray")),
        " ",
        column.label,
    )


def _problem(problem: rx.Var[Problem]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(problem.name, scope="row"),
        rx.el.td(problem.rows, class_name="number"),
        rx.el.td(problem.example, class_name="wide"),
    )


def _key(name: rx.Var[str]) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="checkbox",
            checked=BatchState.keys.contains(name),
            on_change=lambda chosen: BatchState.choose(name, chosen),
        ),
        name,
        class_name="check",
    )


def _check() -> rx.Component:
    state, checked = BatchState, BatchState.checked
    return rx.fragment(
        rx.el.div(
            card(
                text("What is in the file"),
                rx.el.p(rx.el.b(checked.rows_text), ". ", checked.problem_rows, id="checked"),
                rx.cond(
                    checked.problems.length() > 0,
                    table(
                        text("Rows with problems by field"),
                        [text("Field"), text("Rows"), text("The first of them")],
                        rx.foreach(checked.problems, _problem),
                    ),
                ),
                aside=_file_line(),
            ),
            card(
                text("Columns"),
                rx.el.ul(rx.foreach(checked.columns, _column), class_name="columns"),
                rx.cond(
                    checked.others.length() > 0,
                    rx.el.fieldset(
                        rx.el.legend(text("Other columns to copy to the result")),
                        rx.foreach(checked.others, _key),
                        class_name="checks",
                    ),
                    rx.el.p(text("The file has no other columns."), class_name="hint"),
                ),
            ),
            class_name="halves",
        ),
        rx.el.div(
            rx.el.button(
                text("Price {rows}", rows=checked.homes_text),
                type="button",
                class_name="button primary",
                id="price-file",
                disabled=(state.stage == "pricing") | (checked.homes == 0),
                on_click=state.price,
            ),
            _another(),
            class_name="buttons start",
        ),
    )


def _another() -> rx.Component:
    return rx.el.button(
        text("Another file"), type="button", class_name="button", on_click=BatchState.another
    )


def _progress() -> rx.Component:
    state = BatchState
    return card(
        text("Pricing"),
        rx.el.div(
            rx.el.span(custom_attrs=placed(width=state.share)),
            class_name="progress",
            role="progressbar",
            custom_attrs={
                "aria-label": text("Rows priced"),
                "aria-valuenow": state.share,
                "aria-valuemin": 0,
                "aria-valuemax": 100,
            },
        ),
        rx.cond(
            state.done_rows != "",
            rx.el.p(text("{done} of {rows}", done=state.done_rows, rows=state.checked.homes_text)),
            rx.el.p(text("The model was asleep and is waking up."), class_name="waking"),
        ),
        rx.cond(
            state.waits != "",
            rx.el.p(state.waits, text(" Trying again…"), class_name="hint", role="status"),
        ),
        rx.el.div(
            rx.el.button(text("Stop"), type="button", class_name="button", on_click=state.stop),
            class_name="buttons",
        ),
        aside=_file_line(),
    )


def _bar(bar: rx.Var[Bar]) -> rx.Component:
    return rx.el.span(
        rx.el.i(custom_attrs=placed(height=bar.height)),
        rx.el.small(bar.label, class_name="tick"),
        title=bar.title,
    )


def _priced_row(row: rx.Var[PricedRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(row.named, scope="row", class_name="cut"),
        rx.el.td(row.price, class_name="number"),
        rx.el.td(row.likely, class_name="number"),
        rx.el.td(row.remarks, class_name="wide"),
    )


def _result() -> rx.Component:
    state, priced = BatchState, BatchState.priced
    return rx.fragment(
        card(
            text("Prices"),
            rx.el.p(
                rx.el.span(priced.rows, id="priced"),
                text(" priced by {model}.", model=priced.model),
            ),
            rx.el.p(
                text("Half cost more than "),
                rx.el.b(priced.median),
                text("; 8 in 10 cost {low} to {high}.", low=priced.low, high=priced.high),
            ),
            rx.el.div(
                rx.foreach(state.bars, _bar),
                class_name="histogram",
                role="img",
                custom_attrs={
                    "aria-label": text(
                        "How many homes have which price: most {low} to {high}",
                        low=priced.low,
                        high=priced.high,
                    )
                },
            ),
            rx.el.p(priced.problem_rows, class_name="hint"),
            rx.el.div(
                outside(
                    rx.icon("download", size=16, aria_hidden="true"),
                    text("Download the prices (CSV)"),
                    href=f"/batch-files/{state.ticket}",
                    download=True,
                    id="download",
                    class_name="button primary",
                ),
                _another(),
                class_name="buttons start",
            ),
            aside=_file_line(),
        ),
        card(
            text("The first rows"),
            table(
                text("The first rows of the result"),
                [text("Row"), text("Price"), text("8 in 10 within"), text("Remarks")],
                rx.foreach(state.first, _priced_row),
            ),
        ),
    )


def page() -> rx.Component:
    """The page."""
    state = BatchState
    return frame(
        TITLE,
        text(
            "Price a whole file of homes. It is deleted after an hour, and its homes are not "
            "recorded."
        ),
        rx.cond(
            state.error != "", notice(state.error, icon="triangle-alert", color="red", alert=True)
        ),
        rx.match(
            state.stage,
            (
                "checking",
                card(text("Checking"), rx.el.p(text("Reading every row…")), aside=_file_line()),
            ),
            ("checked", _check()),
            ("pricing", _progress()),
            ("done", _result()),
            _area(),
        ),
    )


ON_LOAD = BatchState.load
