"""What spans cost a function's throughput (``serve.py --without traces``).

One process sends spans and does without, in turn: two processes of one program differ by more than
spans cost. The median of the turns has an interval by the bootstrap.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.report import machine, table
from benchmarks.serving.measures import say
from benchmarks.serving.pieces import TRACES
from benchmarks.serving.subjects import HERE, Subject, free_port

# The share of a function's throughput that traces may cost.
_MAY_COST = 0.03
# Turns for each of --turns: a turn is short, so that what else the machine does hits both halves.
_PAIRS = 8
_SECONDS = 1.0
_LOADS = (
    ("predict, 1 client", "predict", 1),
    ("predict, 16 clients", "predict", 16),
    ("explain, 1 client", "explain", 1),
)


def subjects(bundle: Path, folder: Path) -> dict[str, Subject]:
    """predict and explain, and the sink that takes the place of a collector."""
    port = free_port()
    env = {
        "MODEL_URI": str(bundle),
        "TASADOR_HOME": str(folder),
        "TASADOR_RECORDING": "off",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    sink = Subject("sink", [sys.executable, str(HERE / "sink.py"), "{port}"], {}, port=port)
    return {"sink": sink} | {
        name: Subject(
            name,
            [sys.executable, str(HERE / "pieces.py"), TRACES, f"functions/{name}"],
            env,
            path=f"/{name}",
            log=folder / f"{name}.log",
        )
        for name in ("predict", "explain")
    }


def measure(servers: dict[str, Subject], bodies: Path, args: argparse.Namespace) -> str:
    """Measure and return a Markdown table of what traces cost."""
    body = bodies.read_bytes().partition(b"\n")[0]
    for server in servers.values():
        server.start(body)
    costs: dict[str, list[tuple[float, float]]] = {}
    for turn in range(args.turns):
        say(f"turn {turn + 1} of {args.turns}")
        for label, name, connections in _LOADS:
            costs.setdefault(label, []).extend(
                _cost(servers[name], bodies, connections) for _ in range(_PAIRS)
            )
    return (
        f"`./taskw bench:serve -- --without traces` on {machine()}; the median of "
        f"{args.turns * _PAIRS} turns in one process, and its 95 % interval:\n\n{report(costs)}"
    )


def report(costs: dict[str, list[tuple[float, float]]]) -> str:
    """A Markdown table, from each turn's shares of throughput and of processor time."""
    rows = []
    for label, turns in costs.items():
        shares = [_median(column) for column in zip(*turns, strict=True)]
        cells = [f"{middle:.1%} ({low:.1%} to {high:.1%})" for middle, low, high in shares]
        verdict = "met" if shares[0][0] <= _MAY_COST else "missed"
        rows.append([label, *cells, f"≤ {_MAY_COST:.0%}", verdict])
    header = ["traces cost", "of the requests a second", "of the processor time", "wanted", ""]
    return table(header, rows)


def _cost(server: Subject, bodies: Path, connections: int) -> tuple[float, float]:
    """The shares of throughput and of processor time, from load with, without, without, with."""
    results = []
    for switched in (False, True, False, True):
        if switched:
            _switch(server)
        results.append(server.load(server.path, bodies, connections, _SECONDS))
    on, off = ((results[0], results[3]), (results[1], results[2]))
    rate, processor = (
        sum(r[key] for r in on) / sum(r[key] for r in off) for key in ("rate", "cpu")
    )
    return 1 - rate, processor - 1


def _switch(server: Subject) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGUSR1)
    time.sleep(0.05)


def _median(values: tuple[float, ...]) -> tuple[float, float, float]:
    """The median, and its interval: quantiles of the medians of 2,000 resamples."""
    random = np.random.default_rng(0)
    samples = np.median(random.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(samples, (0.025, 0.975))
    return float(np.median(values)), float(low), float(high)
