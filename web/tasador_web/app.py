"""The app: registers the pages in the order of the navigation."""

from __future__ import annotations

import reflex as rx
from reflex.config import get_config

from tasador_web import layout
from tasador_web.origins import KnownOrigins
from tasador_web.pages import estimate, market, models, service

PAGES = (estimate, market, models, service)

layout.NAVIGATION.extend((page.TITLE, page.ROUTE, page.ICON) for page in PAGES)

app = rx.App(
    stylesheets=["/tasador.css"],
    head_components=[
        rx.el.link(rel="icon", href="/icon.svg", type="image/svg+xml"),
        rx.el.script(src="/tasador.js", defer=True),
    ],
    html_lang="en",
    api_transformer=lambda app: KnownOrigins(app, get_config().cors_allowed_origins),
)
for page in PAGES:
    app.add_page(page.page, route=page.ROUTE, title=f"{page.TITLE} · Tasador", on_load=page.ON_LOAD)
