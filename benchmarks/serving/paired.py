"""Two variants of the functions, measured in turns, and the ratio of each measure."""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from benchmarks.report import table
from benchmarks.serving.measures import Meter, number, ratio
from benchmarks.serving.subjects import Subject

# Differences below this are noise.
NOISE = 0.03

# The suffix of a function's name in the other variant.
OTHER = ", other"

_MEASURES = (
    ("predict", "spawn to first prediction, ms", "cold"),
    ("explain", "spawn to first explanation, ms", "cold"),
    ("predict", "resident memory after batches, MB", "memory"),
    ("predict", "1 client: requests a second", "c1 rate"),
    ("predict", "1 client: p99, ms", "c1 p99"),
    ("predict", "1 client: processor time, ms", "c1 cpu"),
    ("predict", "16 clients: requests a second", "c16 rate"),
    ("predict", "16 clients: p99, ms", "c16 p99"),
    ("predict", "16 clients: processor time, ms", "c16 cpu"),
    ("explain", "explain, 1 client: requests a second", "c1 rate"),
    ("explain", "explain, 1 client: p99, ms", "c1 p99"),
    ("explain", "explain, 1 client: processor time, ms", "c1 cpu"),
    ("predict", "batch by row: rows a second", "by_row rate"),
    ("predict", "batch by row: processor time, ms", "by_row cpu"),
    ("predict", "batch by column: rows a second", "by_column rate"),
    ("predict", "batch by column: processor time, ms", "by_column cpu"),
)


def measure(
    servers: dict[str, Subject],
    bodies: Path,
    args: argparse.Namespace,
    variants: tuple[str, str],
) -> str:
    """Measure predict and explain, and those with the suffix OTHER; return a Markdown table.

    ``variants`` are the names of the two in the table's head.
    """
    meter = Meter(servers, bodies, args)
    predict, explain = (
        [name for name in servers if name.startswith(function)]
        for function in ("predict", "explain")
    )
    meter.cold_starts(list(servers))
    for turn in range(args.turns):
        # The other one first in every second turn.
        order = slice(None, None, 1 if turn % 2 == 0 else -1)
        # Processes of the same program differ by up to 5 %, so each turn measures others.
        if turn > 0:
            meter.restart([*predict[order], *explain[order]])
        meter.load(predict[order], 1)
        meter.load(predict[order], 16)
        meter.load(explain[order], 1)
        meter.batches(predict[order])
    meter.memory(list(servers))
    one, other = (servers[name].prices(meter.batch) for name in predict)
    rows = []
    for name, what, key in _MEASURES:
        cells = [_typical(meter.values[n], key) for n in (name, name + OTHER)]
        change = (
            cells[1] / cells[0]
            if key.endswith("cpu")
            else ratio(meter.values, key, name + OTHER, name)
        )
        verdict = "noise" if abs(change - 1) < NOISE else ""
        rows.append([what, *map(number, cells), f"{change:.2f}", verdict])
    head = ["", *variants, f"{variants[1]} / {variants[0]}", ""]
    return f"{table(head, rows)}\n\n{_different_prices(one, other)}"


def _different_prices(prices: list[float], others: list[float]) -> str:
    """A sentence on how far the two variants' prices of one batch differ."""
    differences = [abs(b / a - 1) for a, b in zip(prices, others, strict=True)]
    return (
        f"Of {len(prices):,} prices {differences.count(0.0):,} are equal to the bit; the largest "
        f"difference is {max(differences):.2g} of a price, the middle one "
        f"{statistics.median(differences):.2g}."
    )


def _typical(values: dict[str, list[float]], key: str) -> float:
    """The median; of processor times the mean, since the kernel counts them in steps of 10 ms."""
    average = statistics.mean if key.endswith("cpu") else statistics.median
    return average(values[key])
