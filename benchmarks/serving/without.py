"""A function with and without one of its optimisations (``serve.py --without PIECE``)."""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.report import machine, table
from benchmarks.serving.measures import Meter, number, ratio
from benchmarks.serving.subjects import HERE, Subject

# Differences below this are noise.
NOISE = 0.03

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


def subjects(piece: str, bundle: Path, folder: Path) -> dict[str, Subject]:
    """predict and explain as they are, and without the piece; all in this interpreter."""
    env = {"MODEL_URI": str(bundle), "TASADOR_HOME": str(folder), "TASADOR_RECORDING": "off"}
    return {
        name: Subject(
            name,
            [sys.executable, str(HERE / "pieces.py"), off, f"functions/{function}"],
            env,
            path=f"/{function}",
            batch_paths={"by_row": "/batch_predict", "by_column": "/batch_predict"},
            log=folder / f"{name}.log",
        )
        for function in ("predict", "explain")
        for name, off in ((function, "none"), (f"{function} without", piece))
    }


def measure(servers: dict[str, Subject], bodies: Path, args: argparse.Namespace) -> str:
    """Measure and return a Markdown table of the ratios."""
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
    rows = []
    for name, what, key in _MEASURES:
        cells = [_typical(meter.values[n], key) for n in (name, f"{name} without")]
        change = (
            cells[1] / cells[0]
            if key.endswith("cpu")
            else ratio(meter.values, key, f"{name} without", name)
        )
        verdict = "noise" if abs(change - 1) < NOISE else ""
        rows.append([what, *map(number, cells), f"{change:.2f}", verdict])
    header = ["", "with", "without", "without / with", ""]
    return (
        f"`./taskw bench:serve -- --without {args.without}` on {machine()}:\n\n"
        f"{table(header, rows)}"
    )


def _typical(values: dict[str, list[float]], key: str) -> float:
    """The median; of processor times the mean, since the kernel counts them in steps of 10 ms."""
    average = statistics.mean if key.endswith("cpu") else statistics.median
    return average(values[key])
