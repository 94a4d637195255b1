"""Blocks of a file that are read, and priced, by threads, and come out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Blocks that a bundle prices at a time, each by one thread: the two processors of a small machine
# are busy while one block waits for its reader, its writer or the interpreter's lock.
AT_ONCE = 3


def worked(work: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[tuple[T, R]]:
    """Each item with its result, in order; ``at_once`` are worked on at a time.

    A thread makes the next item meanwhile.
    """
    with ThreadPoolExecutor(at_once, "work") as pool:
        begun: deque[tuple[T, Future[R]]] = deque()
        for item in ahead(items):
            begun.append((item, pool.submit(work, item)))
            if len(begun) == at_once:
                first, result = begun.popleft()
                yield first, result.result()
        for item, result in begun:
            yield item, result.result()


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items; a thread makes the next one while the caller uses one."""
    iterator = iter(items)
    with ThreadPoolExecutor(1, "read") as pool:
        coming = pool.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, iterator, None)
            yield item
