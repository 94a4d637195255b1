"""The Pipeline page: where the loop stands now, and its turns with their stages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlencode

import reflex as rx

from tasador.settings import Settings
from tasador_web import live, pipeline_view, runs_view
from tasador_web.action_dialog import start_button
from tasador_web.browser_state import BrowserState
from tasador_web.client import functions
from tasador_web.languages import text
from tasador_web.layout import badge, card, follows, frame, nothing, problem_notice, table
from tasador_web.links import outside
from tasador_web.marks import shared
from tasador_web.pipeline_view import STAGES, ShownStage, Turn
from tasador_web.runs_view import RunPages

TITLE, ROUTE, ICON = "Pipeline", "/pipeline", "workflow"
SHOWN = 40
_Turns = tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]
_OF_RUN = {"card": "Card of {flow}", "log": "Log of {flow}"}


class PipelineState(live.Following, rx.State):
    """The turns of the loop, and the one that is shown."""

    turns: rx.Field[list[Turn]] = rx.field(default_factory=list)
    shown: rx.Field[list[Turn]] = rx.field(default_factory=list)  # one turn, or none
    cards: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    runs: rx.Field[list[RunPages]] = rx.field(default_factory=list)  # of the turn that is shown
    elsewhere: str = ""  # where logs and cards are, if not here
    embedded: str = ""  # the address of a card or log, or nothing
    embedded_title: str = ""
    _selected: str = ""
    _servers: dict[str, str] = {}  # noqa: RUF012 - that list and find runs, by the name of the flow

    @rx.event
    async def load(self) -> None:
        """Show the turns, and the one in the address or the newest."""
        self._selected = str(self.router.url.query_parameters.get("correlation", ""))
        settings = Settings.load()
        cards = {
            "ingest": settings.cards_ingest_url,
            "drift": settings.cards_drift_url,
            "training": settings.cards_train_url,
            "monitoring": settings.cards_monitor_url,
        }
        self.cards = [
            (text("Cards of {flow}", flow=runs_view.spoken(name)), url)
            for name, url in cards.items()
            if url
        ]
        if settings.platform == "embedded":
            # Only the card servers of this machine list earlier runs and find one.
            self._servers = {name: url for name, url in cards.items() if url}
            self.cards += [
                (text("Runs of {flow}", flow=runs_view.spoken(name)), f"{url}/runs")
                for name, url in cards.items()
                if url
            ]
        self.cards += runs_view.runs_in_ui(settings.metaflow_ui_url)
        self.elsewhere = runs_view.where_runs_are(self._servers, settings.metaflow_ui_url)
        self.embedded = ""
        await self._begin()

    async def _fetch(self) -> None:
        batches, models, rollouts = await newest_turns()
        self.turns = pipeline_view.turns_of(
            batches, models["decisions"], rollouts, datetime.now(UTC)
        )
        self._show()

    def _show(self) -> None:
        chosen = next((t for t in self.turns if t.identity == self._selected), None)
        # Without a choice, the newest is shown, also when a newer one arrives.
        chosen = chosen or (self.turns[0] if self.turns else None)
        for turn in self.turns:
            turn.selected = turn is chosen
        self.shown = [] if chosen is None else [chosen]
        self.runs = [] if chosen is None else runs_view.runs_of(chosen, self._servers)
        if self.embedded not in {url for run in self.runs for url in (run.card, run.log)}:
            self.embedded = ""

    @rx.event
    def embed(self, name: str, what: str) -> None:
        """Show the card or the log of a run within the page, or nothing."""
        pages = {r.name: {"card": r.card, "log": r.log} for r in self.runs}
        self.embedded = pages.get(name, {}).get(what, "")
        self.embedded_title = text(_OF_RUN[what], flow=runs_view.spoken(name)) if what else ""

    @rx.event
    def select(self, identity: str) -> Any:
        """Show a turn."""
        self._selected = identity
        self._show()
        return BrowserState.show(f"?{urlencode({'correlation': identity})}", "turn")


async def newest_turns() -> _Turns:
    """Batches, decisions and rollouts."""
    return cast(_Turns, await shared("turns", _histories))


async def _histories() -> _Turns:
    client = functions()
    return await asyncio.gather(
        client.batches(SHOWN), client.models(2 * SHOWN), client.rollouts(4 * SHOWN)
    )


def _stage(stage: rx.Var[ShownStage]) -> rx.Component:
    label = badge(stage.label, stage.color)
    return rx.el.li(
        rx.el.p(stage.title, class_name="over"),
        rx.el.p(
            rx.cond(stage.href != "", rx.el.a(label, href=stage.href, class_name="link"), label)
        ),
        rx.el.p(stage.text, class_name="hint"),
        rx.el.p(
            rx.cond(stage.took != "", text("took {time}", time=stage.took), ""),
            class_name="hint",
        ),
        rx.cond(
            (stage.when != "") & (stage.state != "running"),
            rx.el.p(stage.when, class_name="hint"),
        ),
        class_name=f"stage {stage.state}",
    )


def _run(run: rx.Var[RunPages]) -> rx.Component:
    def opens(what: str) -> rx.Component:
        return rx.el.button(
            text(_OF_RUN[what], flow=run.label),
            type="button",
            class_name="button small",
            on_click=PipelineState.embed(run.name, what),
            custom_attrs={f"data-{what}": run.name},
        )

    return rx.fragment(opens("card"), opens("log"))


def _embedded() -> rx.Component:
    url, title = PipelineState.embedded, PipelineState.embedded_title
    return rx.el.figure(
        rx.el.figcaption(
            title,
            rx.el.span(
                outside(text("Open in a tab"), href=url, target="_blank", rel="noreferrer"),
                rx.el.button(
                    text("Close"),
                    type="button",
                    class_name="button small",
                    on_click=PipelineState.embed("", ""),
                ),
                class_name="buttons",
            ),
            class_name="card-head",
        ),
        rx.el.iframe(src=url, title=title, key=url),
        id="embedded",
    )


def _shown(turn: rx.Var[Turn]) -> rx.Component:
    return rx.el.section(
        rx.el.div(
            rx.el.h2(turn.title),
            rx.el.span(
                text("began {time}", time=turn.began),
                rx.cond(turn.took != "", text(", took {time}", time=turn.took), ""),
                class_name="aside hint",
            ),
            class_name="card-head",
        ),
        rx.el.ol(rx.foreach(turn.stages, _stage), class_name="path stages"),
        rx.el.p(text("Correlation id: "), rx.el.code(turn.identity), class_name="hint"),
        rx.el.div(rx.foreach(PipelineState.runs, _run), class_name="buttons start"),
        rx.cond(PipelineState.elsewhere != "", rx.el.p(PipelineState.elsewhere, class_name="hint")),
        rx.cond(PipelineState.embedded != "", _embedded()),
        id="turn",
        aria_label=text("Turn of the loop"),
        class_name="card",
    )


def _cell(stage: rx.Var[ShownStage]) -> rx.Component:
    return rx.el.td(
        badge(stage.label, stage.color),
        rx.cond(stage.took != "", rx.el.span(stage.took, class_name="hint below"), ""),
    )


def _row(turn: rx.Var[Turn]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            rx.el.button(
                turn.title,
                type="button",
                class_name="linked",
                on_click=PipelineState.select(turn.identity),
            ),
            rx.el.span(turn.began, class_name="hint below"),
            scope="row",
        ),
        rx.foreach(turn.stages, _cell),
        rx.el.td(turn.took, class_name="number"),
        class_name=rx.cond(turn.selected, "selected", ""),
    )


def _history() -> rx.Component:
    state = PipelineState
    return card(
        text("History"),
        table(
            text("Turns of the loop, newest first"),
            (text("Began with"), *map(text, STAGES), text("Took")),
            rx.foreach(state.turns, _row),
            long=True,
        ),
        rx.el.div(
            rx.foreach(
                state.cards,
                lambda link: outside(
                    link[0],
                    href=link[1],
                    target="_blank",
                    rel="noreferrer",
                    class_name="button small",
                ),
            ),
            class_name="buttons start",
        ),
    )


def page() -> rx.Component:
    """The page."""
    state = PipelineState
    return frame(
        TITLE,
        text(
            "Where the loop stands: each batch is ingested and judged, and may lead to a new model."
        ),
        follows(state),
        problem_notice(state.error, rx.Var.create(False)),
        start_button(),
        rx.cond(
            state.turns.length() > 0,
            rx.fragment(rx.foreach(state.shown, _shown), _history()),
            card(
                text("History"),
                nothing(
                    rx.cond(
                        state.loaded & (state.error == ""),
                        text(
                            "The loop has not begun. “tasador pipeline” fetches the first batches."
                        ),
                        rx.cond(
                            state.error != "",
                            text("The turns are not known now."),
                            text("Loading…"),
                        ),
                    )
                ),
            ),
        ),
    )


ON_LOAD, EARLY = PipelineState.load, lambda _query: newest_turns()
