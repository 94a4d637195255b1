"""Work on many rows in parts, some of them at one time: each part in a thread of Python's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def in_parts(work: Callable[[slice], T], rows: int, threads: int, least: int) -> list[T]:
    """``work`` on all rows, in parts of at least ``least`` of them, up to ``threads`` at one time.

    There is one part a thread: whoever hands the interpreter's lock over waits to get it back.
    """
    threads = max(1, min(threads, rows // least))
    ends = np.linspace(0, rows, threads + 1).astype(int).tolist()
    parts = [slice(*pair) for pair in pairwise(ends)]
    found: dict[int, T] = {}
    errors: list[Exception] = []
    left = iter(enumerate(parts))

    def answer() -> None:
        try:
            for place, part in left:
                found[place] = work(part)
        except Exception as error:
            errors.append(error)

    helpers = [threading.Thread(target=answer, daemon=True) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    answer()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return [found[place] for place in range(len(parts))]
