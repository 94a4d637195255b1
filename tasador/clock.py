"""The current time, and trying again: pauses that grow, retries, waiting for a condition."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def backoff(first: float, longest: float = math.inf, *, factor: float = 2.0) -> Iterator[float]:
    """Pauses in seconds without end: ``first``, each ``factor`` times the last, up to ``longest``.

    Jitter is the caller's: ``random.uniform(pause / 2, pause)``.
    """
    pause = first
    while True:
        yield min(pause, longest)
        pause = min(pause * factor, longest)


def retry(
    action: Callable[[], T],
    on: type[Exception] | tuple[type[Exception], ...],
    pauses: Iterator[float],
    *,
    attempts: int | None = None,
    seconds: float = math.inf,
    on_failure: Callable[[Exception], None] | None = None,
    sleep: Callable[[float], None] | None = None,
    elapsed: Callable[[], float] = time.monotonic,
) -> T:
    """Return what ``action`` returns, calling it again after each exception of the kind ``on``.

    ``pauses`` are the seconds between two calls (``backoff``). After ``attempts`` calls, or once
    ``seconds`` have passed, the last exception is raised. Every other exception is raised at once.
    ``on_failure`` gets each exception that another call follows, before the pause.
    """
    deadline = elapsed() + seconds
    attempt = 1
    while True:
        try:
            return action()
        except on as error:
            if attempt == attempts or elapsed() >= deadline:
                raise
            if on_failure is not None:
                on_failure(error)
        (sleep or time.sleep)(next(pauses))
        attempt += 1


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    pause: float,
    *,
    sleep: Callable[[float], None] | None = None,
    elapsed: Callable[[], float] = time.monotonic,
) -> bool:
    """Check ``condition`` every ``pause`` seconds; False if it does not hold within ``seconds``.

    It is checked at least once, also where ``seconds`` is 0.
    """
    deadline = elapsed() + seconds
    while not condition():
        if elapsed() >= deadline:
            return False
        (sleep or time.sleep)(pause)
    return True
