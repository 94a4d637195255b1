"""Pages of blocks that render both as a Markdown file and as a Metaflow card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """Markdown."""

    markdown: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; the first column holds texts, the others may hold numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG: its path in the folder, its alternative text, and its content."""

    file: str
    shows: str
    content: bytes


Block = Text | Rows | Picture

_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")


def to_markdown(blocks: Iterable[Block]) -> str:
    """The page in GitHub's Markdown; pictures link to their files."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_card(blocks: Iterable[Block]) -> Iterator[Any]:
    """The page as components of a Metaflow card; links to files are removed."""
    from metaflow.cards import Image, Markdown, Table

    for block in blocks:
        match block:
            case Text(markdown):
                yield Markdown(_LINK.sub(r"\1", markdown))
            case Rows(headers, rows):
                # A card does not render Markdown in cells.
                yield Table([[_plain(cell) for cell in row] for row in rows], headers=list(headers))
            case Picture(_, shows, content):
                yield Image(content, shows)


def number(value: float) -> str:
    """Format a number of any size for people: 0.35, 12.5, 1,840,000."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _markdown(block: Block) -> str:
    match block:
        case Text(markdown):
            return markdown
        case Rows(headers, rows):
            ruler = ["---", *["---:"] * (len(headers) - 1)] if right_aligned(rows) else ["---"]
            ruler += ["---"] * (len(headers) - len(ruler))
            return "\n".join(_row(cells) for cells in (headers, ruler, *rows))
        case Picture(file, shows, _):
            return f"![{shows}]({file})"


def _plain(cell: str) -> str:
    return cell.replace("`", "")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", r"\|").split()) for cell in cells) + " |"


def right_aligned(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all columns but the first look like numbers, which are right-aligned."""
    return all(len(cell) <= 14 for row in rows for cell in row[1:])
