"""A page with a title and a sentence, for addresses that are not part of Reflex's pages."""

from __future__ import annotations

from html import escape

from tasador_web.languages import language


def plain_page(title: str, reason: str) -> str:
    """The page in HTML; it loads nothing and runs nothing."""
    return (
        f'<!doctype html><html lang="{language()}"><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; "
        "margin: 2rem auto; max-width: 40rem; padding: 0 1rem; }</style>"
        f"<h1>{escape(title)}</h1><p>{escape(reason)}</p></html>"
    )
