"""How tests wait: for a condition, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

T = TypeVar("T")


def wait_for(
    condition: Callable[[], T],
    seconds: float = 60.0,
    *,
    pause: float = 0.03,
    ignored: tuple[type[Exception], ...] = (httpx.TransportError,),
    what: str = "",
) -> T:
    """Call ``condition`` until it returns something true, and return that.

    An exception of ``ignored`` (by default: a server that is not reachable) counts as false.
    Raises AssertionError after ``seconds``; it names ``what`` was waited for.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if value := condition():
                return value
            last = value
        except ignored as error:
            last = error
        time.sleep(pause)
    raise AssertionError(f"{what or condition}: not true within {seconds:g} s (last: {last!r})")
