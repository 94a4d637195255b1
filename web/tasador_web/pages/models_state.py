"""The state of the Models page: the versions, and the one that is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import reflex as rx

from tasador.errors import ConfigurationError
from tasador.settings import Settings
from tasador_web import checks_view, live, model_cards, model_view, runs_view
from tasador_web.browser_state import BrowserState
from tasador_web.chart import Chart
from tasador_web.checks_view import Check
from tasador_web.client import ApiError, functions
from tasador_web.marks import shared
from tasador_web.model_view import Comparison, Detail, Rollout, VersionRow

# Decisions in the list at first, with each press for more, and at most, which record sets.
FIRST, MORE, MOST = 60, 240, 1_000


async def newest_decisions(limit: int = FIRST) -> dict[str, Any]:
    """The newest decisions on versions, and what serves."""
    return dict(await shared(f"models {limit}", lambda: functions().models(limit)))


async def early(query: Mapping[str, str]) -> None:
    """Ask for what the page with this query will show."""
    asked = _version_of(query.get("version", ""))
    await asyncio.gather(newest_decisions(), *([_version(asked)] if asked else []))


async def _version(version: int) -> dict[str, Any]:
    return dict(await shared(f"version {version}", lambda: functions().version(version)))


def _version_of(asked: str) -> int:
    """The version that an address names; 0 for none."""
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0


def _known(answer: Any) -> dict[str, Any]:
    """An answer of several; raises what came instead of it."""
    if isinstance(answer, BaseException):
        raise answer
    return dict(answer)


class ModelsState(live.Following, rx.State):
    """The versions, and the one that is shown."""

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
    more: bool = False  # decisions than the list has
    run_url: str = ""
    model_card_url: str = ""
    card_url: str = ""
    _limit: int = FIRST

    @rx.event
    async def load(self) -> None:
        """Show the versions, and the one in the address or the newest."""
        self.selected = _version_of(str(self.router.url.query_parameters.get("version", "")))
        self._limit = FIRST
        await self._begin()

    async def _fetch(self) -> None:
        # The list and the version in the address, at once.
        asked = [_version(self.selected)] if self.selected else []
        answer, *versions = await asyncio.gather(
            newest_decisions(self._limit), *asked, return_exceptions=True
        )
        self._show_list(_known(answer))
        if self.selected:
            version = versions[0] if versions else await _version(self.selected)
            self._show_version(_known(version))

    def _show_list(self, answer: dict[str, Any]) -> None:
        decisions, rollouts = answer["decisions"], answer["rollouts"]
        self.more = self._limit <= len(decisions) < MOST
        self.versions = model_view.version_rows(answer)
        self.sentence = model_view.serving_sentence(answer)
        ordinary = not decisions or (rollouts["healthy"] and not rollouts["paused"])
        self.rollouts_message = "" if ordinary else rollouts["message"].replace("`", "")
        self.errors_chart = model_view.metric_chart(decisions, "median_error")
        self.r2_chart = model_view.metric_chart(decisions, "r2")
        self._champion = answer["champion"] or 0
        if decisions and not self.selected:
            self.selected = decisions[0]["version"]

    def _show_version(self, answer: dict[str, Any]) -> None:
        self.detail = model_view.detail_of(answer, self._champion)
        self.reasons = answer["reasons"]
        self.checks = checks_view.checks_of(answer)
        self.comparisons = model_view.comparisons_of(answer)
        self.rollouts = model_view.rollouts_of(answer)
        settings = Settings.load()
        # The experiment is not known here; MLflow finds a run by its id alone.
        self.run_url = (
            f"{settings.mlflow_url}/#/models/{answer['model_name']}/versions/{answer['version']}"
            if settings.mlflow_url
            else ""
        )
        self.model_card_url = model_cards.link_of(answer["version"], settings)
        self.card_url = runs_view.cards_of_version(
            settings.cards_train_url, answer["correlation_id"], settings.platform
        )

    @rx.event
    async def show_more(self) -> None:
        """Show older versions too."""
        self._limit = min(self._limit + MORE, MOST)
        await self._begin()

    @rx.event
    async def select(self, version: int) -> AsyncIterator[Any]:
        """Show a version."""
        self.selected = version
        try:
            self._show_version(await functions().version(version))
        except (ApiError, ConfigurationError) as error:
            self.error = str(error)
            return
        yield BrowserState.show(f"?version={self.selected}", "version")
