"""What is measured of each server, and the ratios between servers.

All servers run at the same time and take turns, so a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving import data
from benchmarks.serving.subjects import Subject

ROWS_PER_BATCH = 10_000
# By server and measure, one value per turn.
Measures = dict[str, dict[str, list[float]]]

_LOAD_KEYS = ("rate", "p50", "p99", "busy", "cpu")

# Of load, for a new process.
_WARM_SECONDS = 0.5


class Meter:
    """Measures servers and collects the values."""

    def __init__(self, servers: dict[str, Subject], bodies: Path, args: argparse.Namespace) -> None:
        self.servers = servers
        self.values: Measures = {name: {} for name in servers}
        self._bodies = bodies
        self._lines = bodies.read_bytes().splitlines()
        self._args = args

    def add(self, name: str, measure: str, value: float) -> None:
        """Add one turn's value."""
        self.values[name].setdefault(measure, []).append(value)

    def start(self, names: Sequence[str]) -> None:
        """Start servers without measuring."""
        for name in names:
            self.servers[name].start(self._lines[0])

    def cold_starts(self, names: Sequence[str]) -> None:
        """Restart each server ``--tries`` times; the last processes keep running."""
        for number in range(self._args.tries):
            say(f"cold start {number + 1} of {self._args.tries}")
            for name in names:
                self.servers[name].stop()
                seconds = self.servers[name].start(self._lines[number])
                self.add(name, "cold", seconds * 1000)
                self.add(name, "cold cpu", self.servers[name].cpu())

    def restart(self, names: Sequence[str]) -> None:
        """Replace the servers' processes by new ones that have answered for a moment."""
        for name in names:
            server = self.servers[name]
            server.stop()
            server.start(self._lines[0])
            server.load(server.path, self._bodies, 1, _WARM_SECONDS)

    def load(self, names: Sequence[str], connections: int, path: str = "", key: str = "") -> None:
        """One turn of load on each server; ``path`` and ``key`` replace the server's defaults."""
        for name in names:
            server = self.servers[name]
            result = server.load(path or server.path, self._bodies, connections, self._args.seconds)
            for measure in _LOAD_KEYS:
                self.add(name, f"{key or f'c{connections}'} {measure}", result[measure])

    @property
    def batch(self) -> bytes:
        """A batch by column."""
        return data.batches(self._lines[:ROWS_PER_BATCH])["by_column"]

    def memory(self, names: Sequence[str], measure: str = "memory") -> None:
        """Resident memory of each server."""
        for name in names:
            self.add(name, measure, self.servers[name].memory())

    def batches(self, names: Sequence[str]) -> None:
        """``--batches`` batches of each form; one takes too short a time to be reliable."""
        for _ in range(self._args.batches):
            for form, batch in data.batches(self._lines[:ROWS_PER_BATCH]).items():
                for name in names:
                    server = self.servers[name]
                    before = server.cpu()
                    seconds = server.seconds_of(server.batch_paths[form], batch)
                    self.add(name, f"{form} cpu", server.cpu() - before)
                    self.add(name, f"{form} rate", ROWS_PER_BATCH / seconds)


def median(values: Measures, name: str, measure: str) -> float:
    """The median over the turns; NaN if it was not measured."""
    return statistics.median(values[name].get(measure, [float("nan")]))


def ratio(values: Measures, measure: str, name: str, other: str) -> float:
    """The median over the turns of ``name``'s value divided by ``other``'s.

    NaN if one of them was not measured; ValueError if they were not measured equally often.
    """
    ones, others = values[name].get(measure, []), values[other].get(measure, [])
    if not ones or not others:
        return float("nan")
    return statistics.median(a / b for a, b in zip(ones, others, strict=True))


def number(value: float) -> str:
    """Three significant digits; empty for NaN."""
    if value != value:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def say(message: str) -> None:
    """Print the progress."""
    print(message, flush=True)
