"""Pages of blocks as one HTML file, which a browser shows with its plots, and MLflow does too.

It loads nothing and runs nothing; whatever a block says is text, never markup.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape

from markdown_it import MarkdownIt

from tasador.dossier.blocks import Block, Picture, Rows, Text, right_aligned

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2730; --soft: #55626d; --line: #d5dce2;
  --row: #f4f7f9; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181d; --ink: #e4eaee; --soft: #a3b0ba;
  --line: #303b44; --row: #1a2229; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1.2rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .4rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, li { max-width: 46rem; }
a { color: inherit; }
figure { margin: 1rem 0; padding: .6rem; background: #fff; border-radius: 6px; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: .92rem; }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; overflow-wrap: normal; }
th { color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--line); }
tbody tr:nth-child(even) { background: var(--row); }
.numbers :is(th, td):not(:first-child) { text-align: right; white-space: nowrap; }
table:not(.numbers) td:nth-child(n + 4) { min-width: 8rem; }
code { font-size: .92em; }
@media print { body { max-width: none; padding: 0; } }
""".strip()

# Raw HTML in a block stays text.
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


def to_html(title: str, blocks: Iterable[Block]) -> str:
    """The page in HTML; its pictures are within it."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Text(markdown):
            return str(_MARKDOWN.render(markdown))
        case Rows(headers, rows):
            names = "".join(f'<th scope="col">{_inline(name)}</th>' for name in headers)
            lines = "".join(
                f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in rows
            )
            head = f"<thead><tr>{names}</tr></thead>" if any(headers) else ""
            kind = ' class="numbers"' if right_aligned(rows) else ""
            table = f"<table{kind}>{head}<tbody>{lines}</tbody></table>"
            return f'<div class="table" tabindex="0">{table}</div>'
        case Picture(_, shows, content):
            data = b64encode(content).decode()
            return (
                f'<figure><img alt="{escape(shows)}" src="data:image/png;base64,{data}"></figure>'
            )


def _inline(cell: str) -> str:
    return str(_MARKDOWN.renderInline(cell))
