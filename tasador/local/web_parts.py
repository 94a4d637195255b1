"""The parts with web pages, which the loop does not need: the web app and the card servers.

Each part has a name in NAMES, an address in ``endpoints.ADDRESSES`` and a daemon in ``daemons``.
"""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from tasador.local.probe import status_of
from tasador.local.process import Daemon
from tasador.settings import CHECKOUT, Settings

NAMES: tuple[str, ...] = ("web", "cards-ingest", "cards-drift", "cards-train", "cards-monitor")


def daemons(settings: Settings) -> list[Daemon]:
    """The daemons of ``NAMES``, at the addresses in the settings."""
    return [
        _cards("ingest", settings.cards_ingest_url),
        _cards("drift", settings.cards_drift_url),
        _cards("train", settings.cards_train_url),
        _cards("monitor", settings.cards_monitor_url),
        _web(settings),
    ]


def _web(settings: Settings) -> Daemon:
    return Daemon(
        name="web",
        command=(sys.executable, str(CHECKOUT / "web" / "run.py")),
        env={
            "TASADOR_HOME": str(settings.home),
            "TASADOR_WEB_PORT": str(urlsplit(settings.web_url).port),
            "TASADOR_FUNCTIONS_URL": settings.functions_url,
        },
        cwd=CHECKOUT,
        ready=lambda: status_of(f"{settings.web_url}/ping") == 200,
        url=settings.web_url,
        # The first start downloads npm packages and builds the pages.
        ready_seconds=300,
    )


def _cards(flow: str, url: str) -> Daemon:
    return Daemon(
        name=f"cards-{flow}",
        command=(sys.executable, "-m", "tasador.local.cards", flow, str(urlsplit(url).port)),
        # Metaflow searches for its local datastore from here.
        cwd=CHECKOUT,
        ready=lambda: status_of(url) == 200,
        url=url,
    )
