"""The language of a page: English, or Spanish below /es. No Reflex.

``text`` gives a text in the language of the page that is built, or that sent the event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from tasador.valuation.languages import LANGUAGES, language, marks, speak, speaking
from tasador_web.spanish import SPANISH

__all__ = [
    "LANGUAGES",
    "ROUTES",
    "address",
    "counted",
    "in_other_language",
    "known_text",
    "language",
    "language_of",
    "language_of_request",
    "marks",
    "speak",
    "speaking",
    "text",
]

# The pages; each is in every language.
ROUTES = (
    *("/", "/compare", "/batch", "/market", "/models", "/pipeline", "/predictions", "/service"),
    "/activity",
)


def language_of(path: str) -> str:
    """The language of the page at a path."""
    return "es" if path == "/es" or path.startswith("/es/") else "en"


def in_other_language(path: str) -> str:
    """The same page in the other language; a path that is no page stays as it is."""
    route, mark, query = path.partition("?")
    route = route.removeprefix("/es").rstrip("/") or "/"
    other = "es" if language() == "en" else "en"
    return f"{address(route, other)}{mark}{query}" if route in ROUTES else path


def language_of_request(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The language of the page that sent a request, by the header that names the page."""
    referer = next((value for name, value in headers if name.lower() == b"referer"), b"")
    return language_of(urlsplit(referer.decode("latin-1")).path)


def text(english: str, /, **values: Any) -> str:
    """The text in the language now; ``values`` fill its {placeholders}."""
    known = english if language() == "en" else SPANISH[english]
    return known.format(**values) if values else known


def counted(number: float, one: str, many: str, /, **values: Any) -> str:
    """The text for one of something, or for another number of it: its {count}, or {one}."""
    written = marks(f"{number:,.10g}")
    return text(one if number == 1 else many, count=written, one=written, **values)


def known_text(english: str) -> str:
    """As ``text``, for what a function says: a text that is in no catalogue stays as it is."""
    return english if language() == "en" else SPANISH.get(english, english)


def address(route: str, chosen: str = "") -> str:
    """Where the page of a route is in the language now, or in ``chosen``."""
    if (chosen or language()) == "en":
        return route
    return "/es" if route == "/" else f"/es{route}"


def below(path: str, route: str) -> tuple[str, str] | None:
    """The language of a path below ``route``, and what follows it; None for any other path."""
    chosen = language_of(path)
    prefix = address(route, chosen)
    return (chosen, path.removeprefix(prefix)) if path.startswith(prefix) else None
