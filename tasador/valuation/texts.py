"""Values of a report as HTML: every text of a request, a model or a record is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

LONGEST = 60  # characters of a text that somebody sent


def facts_list(rows: Iterable[tuple[str, str]]) -> str:
    """A list of labels and values, which are HTML."""
    return f"<dl>{''.join(f'<dt>{label}</dt><dd>{value}</dd>' for label, value in rows)}</dl>"


def note(text: str, *, escaped: bool = False) -> str:
    """A line of explanation; ``escaped`` if the text is HTML."""
    return f'<p class="note">{text if escaped else text_of(text, 5 * LONGEST)}</p>'


def text_of(value: object, most: int = LONGEST) -> str:
    """A value as HTML, cut after ``most`` characters."""
    text = str(value)
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def direction(amount: float) -> str:
    """The class of a change in the style sheet."""
    return "up" if round(amount) > 0 else "down" if round(amount) < 0 else ""
