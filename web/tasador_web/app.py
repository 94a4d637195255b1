"""The app: registers the pages in the order of the navigation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import reflex as rx
from reflex.config import get_config
from reflex.middleware import Middleware

from tasador.settings import Settings
from tasador_web import layout
from tasador_web.action_state import ActionState
from tasador_web.batch_files import FileRoutes, batch_files
from tasador_web.browser_rules import BrowserRules, policy
from tasador_web.browser_state import BrowserState
from tasador_web.early import Early
from tasador_web.languages import (
    LANGUAGES,
    address,
    language_of,
    speak,
    speaking,
    text,
)
from tasador_web.model_cards import ModelCards
from tasador_web.news import News
from tasador_web.origins import App, KnownOrigins
from tasador_web.pages import (
    activity,
    batch,
    compare,
    estimate,
    market,
    missing,
    models,
    pipeline,
    predictions,
    service,
)
from tasador_web.reports import Reports
from tasador_web.sign_in import SignIn
from tasador_web.visitor_state import VisitorState

PAGES = (estimate, compare, batch, market, models, pipeline, predictions, service)

layout.NAVIGATION.extend((page.TITLE, page.ROUTE, page.ICON) for page in PAGES)

# By path, what a page that is loading is going to show.
EARLY = {
    address(page.ROUTE, spoken): page.EARLY
    for page in (market, models, pipeline)
    for spoken in LANGUAGES
}

BUILT = Path(".web", "build", "client")


def protected(app: App) -> App:
    """The app behind what every request passes: headers, known addresses, people who may read."""
    origins = get_config().cors_allowed_origins
    settings = Settings.load()
    cards = [getattr(settings, f"cards_{f}_url") for f in ("ingest", "drift", "train", "monitor")]
    inner = News(Reports(ModelCards(FileRoutes(Early(app, EARLY), batch_files))))
    return BrowserRules(KnownOrigins(SignIn(inner, origins), origins), policy(BUILT, cards))


class Spoken(Middleware):
    """An event handler writes in the language of the page that sent the event."""

    async def preprocess(self, app: rx.App, state: Any, event: Any) -> None:
        """Set the language."""
        speak(language_of(state.router.url.path))


def in_language(page: Callable[[], Any], spoken: str) -> Callable[[], Any]:
    """The page, built in a language."""

    def built() -> Any:
        with speaking(spoken):
            return page()

    built.__name__ = f"{page.__module__.rpartition('.')[2]}_{spoken}"
    return built


app = rx.App(
    stylesheets=["/tasador.css"],
    head_components=[
        rx.el.link(rel="icon", href="/icon.svg", type="image/svg+xml"),
        rx.el.script(src="/tasador.js", defer=True),
    ],
    html_lang="en",
    api_transformer=protected,
)
app.add_middleware(Spoken(), 0)
# Activity is for people who signed in, so their name leads to it.
for page in (*PAGES, activity):
    for spoken in LANGUAGES:
        with speaking(spoken):
            app.add_page(
                in_language(page.page, spoken),
                route=address(page.ROUTE),
                title=f"{text(page.TITLE)} · Tasador",
                on_load=[BrowserState.begin, ActionState.begin, VisitorState.load, page.ON_LOAD],
            )
app.add_page(
    missing.page, route="404", title=f"{missing.TITLE} · Tasador", on_load=[VisitorState.load]
)
