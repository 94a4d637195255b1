"""Values of a report as HTML: every text of a request, a model or a record is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape

LONGEST = 60  # characters of a text that somebody sent


def facts_list(rows: Iterable[tuple[str, str]]) -> str:
    """A list of labels and values, which are HTML."""
    return f"<dl>{''.join(f'<dt>{label}</dt><dd>{value}</dd>' for label, value in rows)}</dl>"


def note(text: str, *, escaped: bool = False) -> str:
    """A line of explanation; ``escaped`` if the text is HTML."""
    return f'<p class="note">{text if escaped else text_of(text, 4 * LONGEST)}</p>'


def text_of(value: object, most: int = LONGEST) -> str:
    """A value as HTML, cut after ``most`` characters."""
    text = str(value)
    return escape(text if len(text) <= most else f"{text[: most - 1]}…")


def value_of(value: object, unit: str) -> str:
    """A number with its unit, or a text."""
    if isinstance(value, int | float):
        return f"{number_of(value)}{unit}"
    return text_of(str(value).replace("_", " "))


def number_of(value: float) -> str:
    """A number with commas between thousands."""
    return f"{value:,.10g}"


def dollars(amount: float) -> str:
    """Whole dollars."""
    whole = round(amount)
    return f"−${-whole:,}" if whole < 0 else f"${whole:,}"


def change(amount: float) -> str:
    """Whole dollars with their sign."""
    return f"+{dollars(amount)}" if round(amount) > 0 else dollars(amount)


def direction(amount: float) -> str:
    """The class of a change in the style sheet."""
    return "up" if round(amount) > 0 else "down" if round(amount) < 0 else ""


def rounded(amount: float) -> str:
    """Dollars to three digits, as precise as a bound can be meant."""
    return dollars(float(f"{amount:.3g}"))


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %"


def moment(when: datetime) -> str:
    """A time in UTC, to the minute."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
