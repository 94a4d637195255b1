"""Python's garbage collector in processes that import much and live for seconds."""

from __future__ import annotations

import atexit
import gc

# New objects before the youngest are looked at; Python's own value is 700. An ingestion imports and
# keeps some 150,000.
_MOST_YOUNG = 200_000


def collect_seldom() -> None:
    """Look for garbage seldom, and not at all when the process ends.

    Imported modules are no garbage, but the collector walks them again and again while they are
    imported, and once more at the end: a quarter of the processor time of a step that does nothing
    else.
    """
    gc.set_threshold(_MOST_YOUNG, 10, 10)
    atexit.register(gc.freeze)
