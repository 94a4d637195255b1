"""Work on many rows in chunks, each in a Python thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def in_chunks(work: Callable[[slice], T], rows: int, threads: int, min_rows: int) -> list[T]:
    """The results of ``work`` on consecutive slices that cover all rows, in order.

    There are up to ``threads`` chunks of at least ``min_rows`` rows, and a thread for each: more
    chunks would mean more waiting for the GIL. The first exception of ``work`` is raised.
    """
    threads = max(1, min(threads, rows // min_rows))
    ends = np.linspace(0, rows, threads + 1).astype(int).tolist()
    chunks = [slice(*pair) for pair in pairwise(ends)]
    results: dict[int, T] = {}
    errors: list[Exception] = []
    pending = iter(enumerate(chunks))

    def run() -> None:
        try:
            for number, chunk in pending:
                results[number] = work(chunk)
        except Exception as error:
            errors.append(error)

    helpers = [threading.Thread(target=run, daemon=True) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    run()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(chunks))]
