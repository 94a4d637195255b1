"""The language of what people read: English, or Spanish. Texts are found by their English.

The web app speaks with the same language, marks and catalogue (docs/decisions/0072).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tasador.valuation.spanish import SPANISH

LANGUAGES = {"en": "English", "es": "Español"}
# Thousands and decimals change places.
_MARKS = str.maketrans(",.", ".,")

_language: ContextVar[str] = ContextVar("language", default="en")


def language() -> str:
    """The language now: "en" or "es"."""
    return _language.get()


def speak(chosen: str) -> None:
    """Set the language for the rest of this task."""
    _language.set(chosen)


@contextmanager
def speaking(chosen: str) -> Iterator[None]:
    """The language within the block."""
    token = _language.set(chosen)
    try:
        yield
    finally:
        _language.reset(token)


def text(english: str, /, **values: Any) -> str:
    """The text in the language now; ``values`` fill its {placeholders}."""
    known = english if language() == "en" else SPANISH[english]
    return known.format(**values) if values else known


def counted(number: float, one: str, many: str, /, **values: Any) -> str:
    """The text for one of something, or for another number of it: its {count}, or {one}.

    English says "1 ba" and "2 ba"; {one} keeps such texts apart for other languages.
    """
    written = marks(f"{number:,.10g}")
    return text(one if number == 1 else many, count=written, one=written, **values)


def marks(number: str) -> str:
    """A number that was formatted as in English, with the marks of the language."""
    return number if language() == "en" else number.translate(_MARKS)
