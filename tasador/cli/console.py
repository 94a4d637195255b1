"""The Rich console that commands print text to."""

import sys

from rich.console import Console

# A pipe, a file or a log has no edge: an address or an id must stay in one piece.
_WITHOUT_EDGE = 10_000


def make_console() -> Console:
    """A console as wide as the terminal; lines that go elsewhere are never broken."""
    return Console() if sys.stdout.isatty() else Console(width=_WITHOUT_EDGE)


def heading(console: Console, text: str) -> None:
    """Print a rule with the text, or only the text where there is no edge."""
    if console.width < _WITHOUT_EDGE:
        console.rule(text)
    else:
        console.print(f"-- {text}", highlight=False, markup=False)


def say(console: Console, text: str, style: str = "") -> None:
    """Print text as it is; the terminal may break it, Rich must not."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


console = make_console()
