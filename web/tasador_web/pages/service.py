"""The Service page: the model in service, and how fast it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import reflex as rx

from tasador.errors import ConfigurationError
from tasador_web import view, words
from tasador_web.client import ApiError, functions
from tasador_web.languages import marks, text
from tasador_web.layout import card, frame, nothing, notice, problem_notice, table

TITLE, ROUTE, ICON = "Service", "/service", "activity"

# Metrics of a manifest, measured on the permanent holdout: (label, format).
METRICS = {
    "median_error": ("Median error", "{:.1%}"),
    "r2": ("R²", "{:.3f}"),
    "rmse": ("RMSE", "${:,.0f}"),
    "mae": ("Mean error", "${:,.0f}"),
    "coverage_80": ("In the 80 % interval", "{:.1%}"),
    "coverage_90": ("In the 90 % interval", "{:.1%}"),
    "coverage_95": ("In the 95 % interval", "{:.1%}"),
    "rows": ("Homes priced for it", "{:,.0f}"),
}


@dataclass
class Fact:
    """A name and its value."""

    name: str
    value: str


@dataclass
class Version:
    """Statistics of one version's predictions."""

    model: str
    count: str
    mean: str
    last: str


class ServiceState(rx.State):
    """What the functions report about the model and its predictions."""

    busy: bool = True
    no_model: bool = False
    model_error: str = ""
    record_error: str = ""
    rejection: str = ""  # why there is no model although one was trained
    rollouts: str = ""  # why the newest promotion does not serve, or that rollouts are paused
    model: rx.Field[list[Fact]] = rx.field(default_factory=list)
    measures: rx.Field[list[Fact]] = rx.field(default_factory=list)
    summary: rx.Field[list[Fact]] = rx.field(default_factory=list)
    versions: rx.Field[list[Version]] = rx.field(default_factory=list)

    @rx.event
    async def load(self) -> AsyncIterator[None]:
        """Send both requests at once; each is shown even if another fails."""
        self.busy, self.no_model = True, False
        self.model_error = self.record_error = ""
        yield
        try:
            model, summary = await _requested()
            self._show_model(model)
            self._show_record(summary)
        except ConfigurationError as error:
            self.model_error = str(error)
        finally:
            self.busy = False

    def _show_model(self, answer: dict[str, Any] | BaseException) -> None:
        self.model, self.measures = [], []
        if isinstance(answer, ApiError):
            self.no_model = answer.no_model
            self.model_error = answer.detail
        elif isinstance(answer, BaseException):
            raise answer
        else:
            self.model = _model_facts(answer)
            self.measures = _measures(answer["metrics"])

    def _show_record(self, summary: dict[str, Any] | BaseException) -> None:
        self.summary, self.versions, self.rollouts = [], [], ""
        if isinstance(summary, ApiError):
            self.record_error = summary.detail
        elif isinstance(summary, BaseException):
            raise summary
        else:
            self.rollouts = _rollout_notice(summary.get("rollouts", {}))
            self.rejection = view.rejection_of(summary)
            self.summary, self.versions = _summary_facts(summary), _versions(summary)


Answer = dict[str, Any] | BaseException


async def _requested() -> tuple[Answer, Answer]:
    """The model and the summary, or exceptions in their place."""
    client = functions()
    return await asyncio.gather(client.model(), client.summary(), return_exceptions=True)


def _rollout_notice(rollouts: dict[str, Any]) -> str:
    """What a reader should know about rollouts; empty while the newest promotion serves."""
    is_ordinary = rollouts.get("healthy", True) and not rollouts.get("paused", False)
    return "" if is_ordinary else str(rollouts.get("message", "")).replace("`", "")


def _model_facts(model: dict[str, Any]) -> list[Fact]:
    facts = [
        Fact(text("Model"), view.name_of(model)),
        Fact(text("Trained"), words.moment(model["created"])),
    ]
    data = model["data"]
    for name, count in (
        ("Trained on rows", data.get("rows", 0)),
        ("of properties", data.get("properties", 0)),
        ("from batches", len(data.get("batch_ids", ()))),
    ):
        if count:
            facts.append(Fact(text(name), words.count(count)))
    return [
        *facts,
        Fact(text("Features"), str(len(model["features"]))),
        Fact(text("Revision"), model["revision"] or text("none")),
        Fact(text("Code"), words.short(model["git_sha"]) or text("unknown")),
        Fact(text("Digest"), words.short(model["digest"])),
    ]


def _measures(metrics: dict[str, Any]) -> list[Fact]:
    return [
        Fact(text(name), words.formatted(template, metrics[key]))
        for key, (name, template) in METRICS.items()
        if isinstance(metrics.get(key), int | float)
    ]


def _summary_facts(summary: dict[str, Any]) -> list[Fact]:
    if not summary["count"]:
        return [Fact(text("Predictions"), "0")]
    latency = summary["latency_ms"]
    return [
        Fact(text("Predictions"), words.count(summary["count"])),
        Fact(text("With missing fields"), words.count(summary["with_missing"])),
        Fact(text("Mean price"), words.dollars(summary["mean_price"])),
        Fact(text("Half of the answers took"), _up_to(latency["p50"])),
        Fact(text("95 in 100 took"), _up_to(latency["p95"])),
        Fact(text("Last"), words.moment(summary["last_at"])),
    ]


def _up_to(milliseconds: float) -> str:
    return text("up to {time} ms", time=marks(f"{milliseconds:.1f}"))


def _versions(summary: dict[str, Any]) -> list[Version]:
    return [
        Version(
            model=f"{row['model_name']}@{row['version']}",
            count=words.count(row["count"]),
            mean=words.dollars(row["mean_price"]),
            last=words.moment(row["last_at"]),
        )
        for row in summary["by_version"]
    ]


def _facts(facts: rx.Var[list[Fact]]) -> rx.Component:
    return rx.el.dl(
        rx.foreach(facts, lambda f: rx.fragment(rx.el.dt(f.name), rx.el.dd(f.value))),
        class_name="facts",
    )


def _version(row: rx.Var[Version]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(row.model, scope="row"),
        rx.el.td(row.count),
        rx.el.td(row.mean),
        rx.el.td(row.last, class_name="wrapped"),
    )


def page() -> rx.Component:
    """The page."""
    state = ServiceState
    return frame(
        TITLE,
        text("The model in service, and how fast it answers."),
        problem_notice(state.model_error, state.no_model, state.rejection),
        rx.cond(
            (state.rollouts != "") & ~state.no_model,
            notice(state.rollouts, icon="circle-pause", color="amber"),
        ),
        rx.el.div(
            card(text("Model in service"), _facts(state.model)),
            card(
                text("How well it prices"),
                _facts(state.measures),
                aside=rx.el.span(text("On homes that it has not learned from"), class_name="hint"),
            ),
            class_name="halves",
        ),
        rx.el.div(
            card(
                text("How fast it answers"),
                problem_notice(state.record_error, rx.Var.create(False)),
                _facts(state.summary),
            ),
            card(
                text("Predictions by version"),
                rx.cond(
                    state.versions.length() > 0,
                    table(
                        text("Predictions by version"),
                        [text("Model"), text("Predictions"), text("Mean price"), text("Last")],
                        rx.foreach(state.versions, _version),
                    ),
                    nothing(text("None yet.")),
                ),
            ),
            class_name="halves",
        ),
        rx.el.div(
            rx.el.button(
                text("Refresh"),
                on_click=state.load,
                disabled=state.busy,
                type="button",
                class_name="button",
            ),
            class_name="buttons",
        ),
    )


ON_LOAD = ServiceState.load
