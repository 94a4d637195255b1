"""The Models page: every version, why it was promoted or not, and how it compares."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from tasador.errors import ConfigurationError
from tasador.settings import Settings
from tasador_web import live, model_view
from tasador_web.chart import Chart
from tasador_web.client import ApiError, functions
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
from tasador_web.model_view import Check, Comparison, Detail, Rollout, VersionRow

TITLE, ROUTE, ICON = "Models", "/models", "boxes"
SHOWN = 200


class ModelsState(rx.State):
    """The versions, and the one that is shown."""

    loaded: bool = False
    error: str = ""
    sentence: str = ""
    rollouts_message: str = ""  # why the newest promotion does not serve, or that all is paused
    versions: rx.Field[list[VersionRow]] = rx.field(default_factory=list)
    errors_chart: rx.Field[Chart] = rx.field(default_factory=Chart)
    r2_chart: rx.Field[Chart] = rx.field(default_factory=Chart)
    selected: int = 0
    detail: rx.Field[Detail] = rx.field(default_factory=Detail)
    reasons: rx.Field[list[str]] = rx.field(default_factory=list)
    checks: rx.Field[list[Check]] = rx.field(default_factory=list)
    comparisons: rx.Field[list[Comparison]] = rx.field(default_factory=list)
    rollouts: rx.Field[list[Rollout]] = rx.field(default_factory=list)
    run_url: str = ""
    card_url: str = ""
    _mark: str = ""
    _champion: int = 0

    @rx.event
    async def load(self) -> None:
        """Show the versions, and the one in the address or the newest."""
        text = str(self.router.url.query_parameters.get("version", ""))
        self.selected = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        self._mark = ""
        await self._follow()

    @rx.event
    async def tick(self) -> None:
        """Show what has changed."""
        await self._follow()

    async def _follow(self) -> None:
        try:
            mark = await live.change_mark()
            if mark != self._mark:
                await self._show(await functions().models(SHOWN))
                self._mark = mark
            self.error = ""
        except (ApiError, ConfigurationError) as error:
            # What is shown stays; the next tick tries again.
            self.error, self._mark = str(error), ""
        self.loaded = True

    async def _show(self, answer: dict[str, Any]) -> None:
        decisions, rollouts = answer["decisions"], answer["rollouts"]
        self.versions = model_view.version_rows(answer)
        self.sentence = model_view.serving_sentence(answer)
        ordinary = not decisions or (rollouts["healthy"] and not rollouts["paused"])
        self.rollouts_message = "" if ordinary else rollouts["message"].replace("`", "")
        self.errors_chart = model_view.metric_chart(decisions, "median_error")
        self.r2_chart = model_view.metric_chart(decisions, "r2")
        self._champion = answer["champion"] or 0
        if decisions and not self.selected:
            self.selected = decisions[0]["version"]
        if self.selected:
            await self._show_version()

    async def _show_version(self) -> None:
        answer = await functions().version(self.selected)
        self.detail = model_view.detail_of(answer, self._champion)
        self.reasons = answer["reasons"]
        self.checks = model_view.checks_of(answer)
        self.comparisons = model_view.comparisons_of(answer)
        self.rollouts = model_view.rollouts_of(answer)
        settings = Settings.load()
        # The experiment is not known here; MLflow finds a run by its id alone.
        self.run_url = (
            f"{settings.mlflow_url}/#/models/{answer['model_name']}/versions/{answer['version']}"
            if settings.mlflow_url
            else ""
        )
        self.card_url = settings.cards_train_url

    @rx.event
    async def select(self, version: int) -> AsyncIterator[Any]:
        """Show a version."""
        self.selected = version
        try:
            await self._show_version()
        except (ApiError, ConfigurationError) as error:
            self.error = str(error)
            return
        yield rx.call_script(f"history.replaceState(history.state, '', '?version={version}')")
        yield rx.call_script(
            "document.getElementById('version').scrollIntoView({block: 'nearest'})"
        )


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
        rx.el.td(row.against),
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
            detail.command != "",
            rx.el.p(
                "To return to this version: ",
                rx.el.code(detail.command),
                class_name="hint command",
            ),
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
        follows(state.tick),
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
                            "Compared with",
                            "Decided",
                            "Reason",
                        ],
                        rx.foreach(state.versions, _row),
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
