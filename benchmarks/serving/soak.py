"""Minutes of load on one server: does it fail, does its memory grow?"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

from benchmarks.report import machine
from benchmarks.serving.subjects import Subject

# Growth below this is noise of the allocator.
_GROWTH_MB = 3.0


def run(server: Subject, bodies: Path, minutes: float) -> str:
    """Load from sixteen connections, with memory measured each second; the result as Markdown."""
    server.start(bodies.read_bytes().splitlines()[0])
    began = time.monotonic()
    memory: list[tuple[float, float]] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            memory.append((time.monotonic() - began, server.memory()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        # Raises if an answer is not 200 or a connection breaks.
        load = server.load(server.path, bodies, 16, minutes * 60)
    finally:
        ended.set()
        watcher.join()
    warm = min(60.0, minutes * 30)
    early = statistics.median(m for at, m in memory if warm <= at <= warm + 30)
    late = statistics.median(m for at, m in memory if at >= memory[-1][0] - 30)
    grown = late - early
    verdict = "met" if grown <= _GROWTH_MB else "MISSED"
    return (
        f"`./taskw bench:serve -- --soak {minutes:g}` on {machine()}: {load['requests']:,} "
        f"requests at 16 connections ({load['rate']:,.0f} a second, p99 {load['p99']:.1f} ms), "
        f"no error; memory {early:.1f} MB after the first minute, {late:.1f} MB at the end "
        f"(growth {grown:+.1f} MB; at most {_GROWTH_MB:g} is allowed: {verdict})."
    )
