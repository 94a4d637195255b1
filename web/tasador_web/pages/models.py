"""The Models page: every version, why it was promoted or not, and how it compares."""

from __future__ import annotations

import reflex as rx

from tasador_web.action_dialog import act_button
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
from tasador_web.model_view import Check, Comparison, Rollout, VersionRow
from tasador_web.pages.models_state import SHOWN, ModelsState
from tasador_web.visitor_state import VisitorState

TITLE, ROUTE, ICON = "Models", "/models", "boxes"


def _row(row: rx.Var[VersionRow]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            rx.el.button(
                f"Version {row.version}",
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
                rx.icon("circle-check", size=16, class_name="good", aria_label="passed"),
                rx.icon("circle-x", size=16, class_name="bad", aria_label="failed"),
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


def _link(url: rx.Var[str], text: str) -> rx.Component:
    opened = rx.el.a(
        text,
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
        "Decision",
        rx.el.ul(rx.foreach(state.reasons, lambda r: rx.el.li(r)), class_name="reasons"),
        facts(
            ("Decided", detail.decided),
            ("By", detail.people),
            ("Compared with", detail.champion),
            ("Trained on batches", detail.batches),
        ),
        rx.cond(
            detail.waits,
            rx.el.p(
                "It passed the gate and waits for an operator who did not start its training.",
                class_name="hint",
            ),
        ),
        rx.cond(
            (detail.command != "") & (VisitorState.role != "operator"),
            rx.el.p(
                rx.cond(detail.waits, "To approve it: ", "To return to this version: "),
                rx.el.code(detail.command),
                rx.cond(VisitorState.may_sign_in, ", or sign in as an operator.", ""),
                class_name="hint command",
            ),
        ),
        rx.el.div(
            rx.cond(
                detail.can_return,
                act_button("roll_back", detail.target, "Roll back to this version…"),
            ),
            rx.cond(
                detail.waits,
                rx.fragment(
                    act_button("approve", detail.target, "Approve…", primary=True),
                    act_button("decline", detail.target, "Decline…"),
                ),
            ),
            class_name="buttons",
        ),
        folded(
            "Ids",
            facts(
                ("Digest", detail.digest),
                ("Run", detail.run_id),
                ("Correlation", detail.correlation_id),
            ),
        ),
        rx.el.div(
            _link(state.run_url, "Version in MLflow"),
            _link(state.card_url, "Cards of the training"),
            rx.link(
                "Its predictions",
                href=f"/predictions?version={detail.version}",
                underline="none",
                class_name="button small",
            ),
            class_name="buttons",
        ),
        aside=badge(detail.decision, detail.color),
    )
    compared = card(
        "Challenger and champion",
        rx.cond(
            state.comparisons.length() > 0,
            table(
                "Challenger and champion",
                ["Measure", "This version", "Champion", "Difference"],
                rx.foreach(state.comparisons, _comparison),
                class_name="list compact",
            ),
            nothing("There was no champion to compare with."),
        ),
        aside=rx.el.span("Each on the permanent holdout of its time", class_name="hint"),
    )
    return rx.el.section(
        rx.el.h2(f"Version {detail.version}", class_name="section"),
        rx.el.div(decision, compared, class_name="halves"),
        card(
            "The gate",
            table(
                "Checks of the gate",
                ["", "Check", "Value", "Limit", "Finding"],
                rx.foreach(state.checks, _check),
                class_name="list gate",
            ),
            aside=rx.el.span(detail.passed, class_name="hint"),
        ),
        card(
            "Rollouts",
            rx.cond(
                state.rollouts.length() > 0,
                table(
                    "Rollouts of this version",
                    ["Function", "Outcome", "Started", "Took", "Reason"],
                    rx.foreach(state.rollouts, _rollout),
                ),
                nothing("This version was never rolled out."),
            ),
        ),
        id="version",
        aria_label="Version",
    )


def page() -> rx.Component:
    """The page."""
    state = ModelsState
    return frame(
        TITLE,
        rx.cond(state.sentence != "", state.sentence, "Every version and why it serves, or not."),
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
                    card("Median error by version", line_chart(state.errors_chart, "Median error")),
                    card("R² by version", line_chart(state.r2_chart, "R²")),
                    class_name="halves",
                ),
                card(
                    "Versions",
                    table(
                        "Versions, newest first",
                        [
                            "Version",
                            "Decision",
                            "Median error",
                            "R²",
                            "In the 90 % interval",
                            "Decided",
                            "Reason",
                        ],
                        rx.foreach(state.versions, _row),
                        long=True,
                    ),
                    aside=rx.cond(
                        state.versions.length() >= SHOWN,
                        rx.el.span(
                            f"The newest {SHOWN} decisions; ?version=N in the address opens any "
                            "version.",
                            class_name="aside hint",
                        ),
                    ),
                ),
                rx.cond(state.detail.version > 0, _version()),
            ),
            card(
                "Versions",
                nothing(
                    rx.cond(
                        state.loaded & (state.error == ""),
                        "No version has been trained yet. The first batch trains the first one: "
                        "run “tasador pipeline”.",
                        rx.cond(state.error != "", "The versions are not known now.", "Loading…"),
                    )
                ),
            ),
        ),
    )


ON_LOAD = ModelsState.load
