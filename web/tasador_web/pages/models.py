"""The Models page: every version, why it was promoted or not, and how it compares."""

from __future__ import annotations

import reflex as rx

from tasador_web.action_dialog import act_button
from tasador_web.checks_view import Check
from tasador_web.languages import address, text
from tasador_web.layout import (
    badge,
    card,
    facts,
    folded,
    follows,
    frame,
    line_chart,
    nothing,
    notice,
    problem_notice,
    table,
)
from tasador_web.links import outside
from tasador_web.model_view import Comparison, Rollout, VersionRow
from tasador_web.pages.models_state import ModelsState, early
from tasador_web.visitor_state import VisitorState

TITLE, ROUTE, ICON = "Models", "/models", "boxes"


def _row(row: rx.Var[VersionRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            rx.el.button(
                text("Version {version}", version=row.version),
                type="button",
                class_name="linked",
                on_click=ModelsState.select(row.version),
            ),
            scope="row",
        ),
        rx.el.td(badge(row.decision, row.color), " ", badge(row.serving, "blue")),
        rx.el.td(row.median_error),
        rx.el.td(row.r2),
        rx.el.td(row.coverage),
        rx.el.td(row.decided),
        rx.el.td(row.reason, class_name="wide hint"),
        class_name=rx.cond(row.version == ModelsState.selected, "selected", ""),
    )


def _check(check: rx.Var[Check]) -> rx.Component:
    return rx.el.tr(
        rx.el.td(
            rx.cond(
                check.passed,
                rx.icon("circle-check", size=16, class_name="good", aria_label=text("passed")),
                rx.icon("circle-x", size=16, class_name="bad", aria_label=text("not passed")),
            )
        ),
        rx.el.th(check.name, scope="row"),
        rx.el.td(check.value, class_name="number"),
        rx.el.td(check.limit, class_name="number"),
        rx.el.td(check.says, class_name="wide"),
    )


def _comparison(row: rx.Var[Comparison]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(row.name, scope="row"),
        rx.el.td(row.challenger, class_name="number"),
        rx.el.td(row.champion, class_name="number"),
        rx.el.td(badge(row.difference, row.color), class_name="number"),
    )


def _rollout(row: rx.Var[Rollout]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(row.service, scope="row"),
        rx.el.td(badge(row.outcome, row.color)),
        rx.el.td(row.started),
        rx.el.td(row.took),
        rx.el.td(row.reason, class_name="wide"),
    )


def _link(url: rx.Var[str], label: str) -> rx.Component:
    opened = outside(
        label,
        rx.icon("external-link", size=13, aria_hidden="true"),
        href=url,
        target="_blank",
        rel="noreferrer",
        class_name="button small",
    )
    return rx.cond(url != "", opened)


def _version() -> rx.Component:
    state, detail = ModelsState, ModelsState.detail
    decision = card(
        text("Decision"),
        rx.el.ul(rx.foreach(state.reasons, lambda r: rx.el.li(r)), class_name="reasons"),
        facts(
            (text("Decided"), detail.decided),
            (text("By"), detail.people),
            (text("Compared with"), detail.champion),
            (text("Trained on batches"), detail.batches),
        ),
        rx.cond(
            detail.waits,
            rx.el.p(
                text(
                    "It passed the gate and waits for an operator who did not start its training."
                ),
                class_name="hint",
            ),
        ),
        rx.cond(
            (detail.command != "") & (VisitorState.role != "operator"),
            rx.el.p(
                rx.cond(detail.waits, text("To approve it: "), text("To return to this version: ")),
                rx.el.code(detail.command),
                rx.cond(VisitorState.may_sign_in, text(", or sign in as an operator."), ""),
                class_name="hint command",
            ),
        ),
        rx.el.div(
            rx.cond(
                detail.can_return,
                act_button("roll_back", detail.target, text("Roll back to this version…")),
            ),
            rx.cond(
                detail.waits,
                rx.fragment(
                    act_button("approve", detail.target, text("Approve…"), primary=True),
                    act_button("decline", detail.target, text("Decline…")),
                ),
            ),
            class_name="buttons",
        ),
        folded(
            text("Ids"),
            facts(
                (text("Digest"), detail.digest),
                (text("Run"), detail.run_id),
                (text("Correlation"), detail.correlation_id),
            ),
        ),
        rx.el.div(
            _link(state.run_url, text("Version in MLflow")),
            _link(state.model_card_url, text("Model card")),
            _link(state.card_url, text("Cards of its training")),
            rx.el.a(
                text("Its predictions"),
                href=f"{address('/predictions')}?version={detail.version}",
                class_name="button small",
            ),
            class_name="buttons",
        ),
        aside=badge(detail.decision, detail.color),
    )
    compared = card(
        text("Challenger and champion"),
        rx.cond(
            state.comparisons.length() > 0,
            table(
                text("Challenger and champion"),
                [text("Measure"), text("This version"), text("Champion"), text("Difference")],
                rx.foreach(state.comparisons, _comparison),
                class_name="list compact versus",
            ),
            nothing(text("There was no champion to compare with.")),
        ),
        aside=rx.el.span(text("Each on the permanent holdout of its time"), class_name="hint"),
    )
    return rx.el.section(
        rx.el.h2(text("Version {version}", version=detail.version), class_name="section"),
        rx.el.div(decision, compared, class_name="halves"),
        card(
            text("The gate"),
            table(
                text("Checks of the gate"),
                ["", text("Check"), text("Value"), text("Limit"), text("Finding")],
                rx.foreach(state.checks, _check),
                class_name="list gate",
            ),
            aside=rx.el.span(detail.passed, class_name="hint"),
        ),
        card(
            text("Rollouts"),
            rx.cond(
                state.rollouts.length() > 0,
                table(
                    text("Rollouts of this version"),
                    [
                        text("Function"),
                        text("Outcome"),
                        text("Started"),
                        text("Took"),
                        text("Reason"),
                    ],
                    rx.foreach(state.rollouts, _rollout),
                ),
                nothing(text("This version was never rolled out.")),
            ),
        ),
        id="version",
        aria_label=text("Version"),
    )


def page() -> rx.Component:
    """The page."""
    state = ModelsState
    return frame(
        TITLE,
        rx.cond(
            state.sentence != "", state.sentence, text("Every version and why it serves, or not.")
        ),
        follows(state),
        problem_notice(state.error, rx.Var.create(False)),
        rx.cond(
            state.rollouts_message != "",
            notice(state.rollouts_message, icon="circle-pause", color="amber"),
        ),
        rx.cond(
            state.versions.length() > 0,
            rx.fragment(
                rx.el.div(
                    card(
                        text("Median error by version"),
                        line_chart(state.errors_chart, text("Median error")),
                    ),
                    card(text("R² by version"), line_chart(state.r2_chart, text("R²"))),
                    class_name="halves",
                ),
                card(
                    text("Versions"),
                    table(
                        text("Versions, newest first"),
                        [
                            text("Version"),
                            text("Decision"),
                            text("Median error"),
                            text("R²"),
                            text("In the 90 % interval"),
                            text("Decided"),
                            text("Reason"),
                        ],
                        rx.foreach(state.versions, _row),
                        long=True,
                    ),
                    aside=rx.cond(
                        state.more,
                        rx.el.button(
                            text("Show older ones"),
                            type="button",
                            on_click=state.show_more,
                            class_name="button small",
                            id="older",
                        ),
                    ),
                ),
                rx.cond(state.detail.version > 0, _version()),
            ),
            card(
                text("Versions"),
                nothing(
                    rx.cond(
                        state.loaded & (state.error == ""),
                        text(
                            "No version has been trained yet. The first batch trains the first "
                            "one: run “tasador pipeline”."
                        ),
                        rx.cond(
                            state.error != "",
                            text("The versions are not known now."),
                            text("Loading…"),
                        ),
                    )
                ),
            ),
        ),
    )


ON_LOAD, EARLY = ModelsState.load, early
