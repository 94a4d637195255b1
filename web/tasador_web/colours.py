"""A Reflex plugin: the colours of the pages are scales of Radix Colors.

The pages are plain elements with our own style. Radix Themes, of which Reflex's own components
consist, would add 670 kB of styles and 200 kB of scripts to each page.
"""

from __future__ import annotations

from typing import Any

from reflex.plugins import Plugin

_PACKAGE, _VERSION = "@radix-ui/colors", "3.0.0"
_SCALES = ("slate", "indigo", "teal", "orange", "amber", "red")
# Those that the style also uses as a tint of what lies below.
_TINTS = ("slate", "indigo", "teal", "amber", "red")


class Colours(Plugin):
    """Adds the scales, light and dark, to the style of the pages."""

    def get_stylesheet_paths(self, **_: Any) -> tuple[str, ...]:
        """The files of the scales."""
        names = [name for scale in _SCALES for name in (scale, f"{scale}-dark")]
        names += [name for scale in _TINTS for name in (f"{scale}-alpha", f"{scale}-dark-alpha")]
        return tuple(f"{_PACKAGE}/{name}.css" for name in (*names, "black-alpha"))

    def get_frontend_dependencies(self, **_: Any) -> tuple[str, ...]:
        """The package of the scales."""
        return (f"{_PACKAGE}@{_VERSION}",)
