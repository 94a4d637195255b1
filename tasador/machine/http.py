"""httpx without its command line, for which it imports rich, click and Pygments where they exist.

That is most of what its import costs: 50 ms.
"""

from __future__ import annotations

import sys

_COMMAND_LINE = "httpx._main"

_hidden = "httpx" not in sys.modules
if _hidden:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
try:
    import httpx as httpx
finally:
    if _hidden:
        del sys.modules[_COMMAND_LINE]
