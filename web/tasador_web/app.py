"""The app: registers the pages in the order of the navigation."""

from __future__ import annotations

from pathlib import Path

import reflex as rx
from reflex.config import get_config

from tasador.settings import Settings
from tasador_web import layout
from tasador_web.batch_files import FileRoutes, batch_files
from tasador_web.browser_rules import BrowserRules, policy
from tasador_web.origins import App, KnownOrigins
from tasador_web.pages import (
    activity,
    batch,
    compare,
    estimate,
    market,
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

BUILT = Path(".web", "build", "client")


def protected(app: App) -> App:
    """The app behind what every request passes: headers, known addresses, people who may read."""
    origins = get_config().cors_allowed_origins
    settings = Settings.load()
    cards = [getattr(settings, f"cards_{f}_url") for f in ("ingest", "drift", "train", "monitor")]
    inner = Reports(FileRoutes(app, batch_files))
    return BrowserRules(KnownOrigins(SignIn(inner, origins), origins), policy(BUILT, cards))


app = rx.App(
    stylesheets=["/tasador.css"],
    head_components=[
        rx.el.link(rel="icon", href="/icon.svg", type="image/svg+xml"),
        rx.el.script(src="/tasador.js", defer=True),
    ],
    html_lang="en",
    api_transformer=protected,
)
# Activity is for people who signed in, so their name leads to it.
for page in (*PAGES, activity):
    app.add_page(
        page.page,
        route=page.ROUTE,
        title=f"{page.TITLE} · Tasador",
        on_load=[VisitorState.load, page.ON_LOAD],
    )
