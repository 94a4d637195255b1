"""A Reflex plugin: the built pages call the back end at the address that served them.

Reflex writes the back end's address, port included, into the built pages, so every port would need
a separate build. We build with a placeholder address and then replace each literal of it with an
expression over ``location.origin``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from reflex.plugins import Plugin

BUILD_URL = "http://tasador.invalid"


class SameOrigin(Plugin):
    """Rewrites the built scripts, before Reflex compresses them."""

    def post_build(self, *, static_dir: Path, **_: Any) -> None:
        """Replace BUILD_URL in every script; RuntimeError if there is none, or one is left."""
        replaced = 0
        for script in static_dir.rglob("*.js"):
            text, count = _rewritten(script.read_text())
            if count:
                script.write_text(text)
                replaced += count
        if not replaced:
            raise RuntimeError(f"{BUILD_URL} is not in the built scripts: Reflex has changed")


def _rewritten(script: str) -> tuple[str, int]:
    literal = re.compile(r"([\"'`])(http|ws)://tasador\.invalid(/[\w./-]*)?\1")
    text, count = literal.subn(
        lambda match: f"(globalThis.location.origin+`{match[3] or ''}`)", script
    )
    if "tasador.invalid" in text:
        raise RuntimeError(f"{BUILD_URL} occurs in a built script in an unknown form")
    return text, count
