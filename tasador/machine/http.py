"""httpx without its command line, for which it imports rich, click and Pygments where they exist.

That is most of what its import costs: 50 ms.
"""

from __future__ import annotations

import sys

_COMMAND_LINE = "httpx._main"


def import_httpx() -> None:
    """Import httpx; the caller, or a module that it imports, then does so in no time."""
    if "httpx" in sys.modules:
        return
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
    try:
        import httpx  # noqa: F401
    finally:
        del sys.modules[_COMMAND_LINE]
