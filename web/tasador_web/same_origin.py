"""Let the browser find the back end where the page came from.

Reflex writes the back end's address into the built page, port included, so that each port would
need its own build. The build is made with an address that nobody has, and afterwards every literal
of it becomes an expression over the page's own origin.
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
        """Replace BUILD_URL in every script; raises if there is none, or one is left."""
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
        lambda found: f"(globalThis.location.origin+`{found[3] or ''}`)", script
    )
    if "tasador.invalid" in text:
        raise RuntimeError(f"{BUILD_URL} is built into a script in a form that is not known")
    return text, count
