"""numpy's OpenBLAS in processes that import it and hardly multiply matrices."""

from __future__ import annotations

import os

# A thread without work spins for two to the power of this many processor cycles, then sleeps.
# OpenBLAS' own value is 26: 30 ms of a core in each process that imports numpy.
_SPINNING = "20"


def sleep_soon() -> None:
    """Let threads without work sleep; call it before numpy is imported, which reads it then."""
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _SPINNING)
