"""The functions beside an empty function and beside the old way of serving, with the same model.

    python benchmarks/serve.py [--quick] [--csv FILE] [--write] [--soak MINUTES]

All servers run at once and are asked in turns, so that whatever else the machine does slows all of
them; ratios are medians over the turns. ``--soak`` runs predict alone at 16 connections instead.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from report import ROOT, machine, table, write_section
from serving import data, soak
from serving.subjects import MODES, Subject, environments, packages_of, size_of, subjects

ROWS_IN_A_BATCH = 10_000
BASE = "python:3.11-slim-bookworm"
# Started anew for each cold start, and compared with each other.
COMPARED = ("predict", "explain", "empty", "old")
Measures = dict[str, dict[str, list[float]]]


def measure(servers: dict[str, Subject], bodies: Path, args: argparse.Namespace) -> Measures:
    """Every measure of every server, one value a turn."""
    lines = bodies.read_bytes().splitlines()
    found: Measures = {name: {} for name in servers}

    def note(name: str, measure: str, value: float) -> None:
        found[name].setdefault(measure, []).append(value)

    for name in ("sink", *MODES):
        servers[name].start(lines[0])
    for number in range(args.tries):
        say(f"cold start {number + 1} of {args.tries}")
        for name in COMPARED:
            servers[name].stop()
            note(name, "cold", servers[name].start(lines[number]) * 1000)
            note(name, "cold cpu", servers[name].cpu())
    batches = data.batches(lines[:ROWS_IN_A_BATCH])
    for turn in range(args.turns):
        say(f"turn {turn + 1} of {args.turns}")
        for connections in (1, 16):
            for name in (*COMPARED, *MODES):
                load = servers[name].load(servers[name].path, bodies, connections, args.seconds)
                for key in ("rate", "p50", "p99", "busy", "cpu"):
                    note(name, f"c{connections} {key}", load[key])
        for name in ("explain", "old"):
            load = servers[name].load("/explain", bodies, 1, args.seconds)
            for key in ("rate", "p50", "p99", "cpu"):
                note(name, f"explain {key}", load[key])
        if turn == 0:
            for name in (*COMPARED, *MODES):
                note(name, "memory", servers[name].memory())
        # One is over in a tenth of a second, in which a machine may be busy elsewhere: so several.
        for _ in range(args.batches):
            for form, batch in batches.items():
                for name in ("predict", "old"):
                    before = servers[name].cpu()
                    took = servers[name].seconds_of(getattr(servers[name], form), batch)
                    note(name, f"{form} cpu", servers[name].cpu() - before)
                    note(name, f"{form} rate", ROWS_IN_A_BATCH / took)
    for name in ("predict", "old"):
        note(name, "memory of batches", servers[name].memory())
    for measure in ("cold", "memory"):
        found["explain"][f"explain {measure}"] = found["explain"][measure]
    return found


ROWS = (
    ("spawn to first served prediction, ms", "cold"),
    ("resident memory under load, MB", "memory"),
    ("resident memory after batches of 10,000, MB", "memory of batches"),
    ("1 client: requests a second", "c1 rate"),
    ("1 client: p50, ms", "c1 p50"),
    ("1 client: p99, ms", "c1 p99"),
    ("16 clients: requests a second", "c16 rate"),
    ("16 clients: p50, ms", "c16 p50"),
    ("16 clients: p99, ms", "c16 p99"),
    ("explain, 1 client: requests a second", "explain rate"),
    ("explain, 1 client: p50, ms", "explain p50"),
    ("explain, 1 client: p99, ms", "explain p99"),
    ("explain, spawn to first explanation, ms", "explain cold"),
    ("explain, resident memory, MB", "explain memory"),
    ("batch of 10,000 by row: rows a second", "by_row rate"),
    ("batch of 10,000 by column: rows a second", "by_column rate"),
    ("packages and code of an image, MB", "size"),
)

CPU_ROWS = (
    ("spawn to first served prediction", "cold cpu"),
    ("one prediction, 1 client", "c1 cpu"),
    ("one prediction, 16 clients", "c16 cpu"),
    ("one explanation", "explain cpu"),
    ("a batch of 10,000 by row", "by_row cpu"),
    ("a batch of 10,000 by column", "by_column cpu"),
)


def of(found: Measures, name: str, measure: str) -> float:
    """The median; explanations are explain's, whatever else is asked of predict."""
    if name == "ours":
        name = "explain" if measure.startswith("explain") else "predict"
    return statistics.median(found[name].get(measure, [float("nan")]))


def ratio(found: Measures, measure: str, other: str) -> float:
    """The median over the turns of ours by the other's."""
    name = "explain" if measure.startswith("explain") else "predict"
    pairs = zip(found[name].get(measure, ()), found[other].get(measure, ()), strict=False)
    return statistics.median([a / b for a, b in pairs] or [float("nan")])


# Milliseconds are the machine's as much as ours: what the empty function misses, nothing that is
# served by parliament can meet there.
BESIDE_EMPTY = {
    "spawn to first served prediction, ms": "cold",
    "resident memory, MB": "memory",
    "16 clients: p99, ms": "c16 p99",
}


def targets(found: Measures) -> list[tuple[str, float, str, bool]]:
    """The targets: what, measured, wanted, met."""
    high: Callable[[float, float], bool] = lambda value, limit: value <= limit  # noqa: E731
    low: Callable[[float, float], bool] = lambda value, limit: value >= limit  # noqa: E731
    cold = "spawn to first served prediction"
    wanted = [
        (f"{cold}, ms", of(found, "ours", "cold"), "≤", 300),
        (f"{cold}, times the empty function's", ratio(found, "cold", "empty"), "≤", 2.2),
        (f"{cold}, times faster than the old way", 1 / ratio(found, "cold", "old"), "≥", 8),
        ("resident memory, MB", of(found, "ours", "memory"), "≤", 130),
        ("1 client, times the empty function's rate", ratio(found, "c1 rate", "empty"), "≥", 0.7),
        ("1 client, times the old way's rate", ratio(found, "c1 rate", "old"), "≥", 6),
        ("16 clients: p99, ms", of(found, "ours", "c16 p99"), "≤", 15),
        ("explain: p99, ms", of(found, "ours", "explain p99"), "≤", 25),
        ("explain, times the old way's rate", ratio(found, "explain rate", "old"), "≥", 3),
        ("batch: rows a second", of(found, "ours", "by_column rate"), "≥", 100_000),
    ]
    return [
        (what, value, f"{sign} {limit:,}", (high if sign == "≤" else low)(value, limit))
        for what, value, sign, limit in wanted
    ]


def compared(found: Measures, rows: Sequence[tuple[str, str]]) -> list[list[str]]:
    """A line for each measure: ours, the others', and ours by theirs."""
    lines = []
    for what, measure in rows:
        cells = [of(found, name, measure) for name in ("ours", "empty", "old")]
        cells += [ratio(found, measure, other) for other in ("empty", "old")]
        lines.append([what, *(number(cell) for cell in cells)])
    return lines


def image_size(image: str) -> str:
    """The sizes of a built image of predict and of what it stands on."""
    docker = shlex.split(os.environ.get("TASADOR_DOCKER", "docker"))
    sizes = [
        int(subprocess.check_output([*docker, "image", "inspect", "-f", "{{.Size}}", name])) / 1e6
        for name in (image, BASE)
    ]
    return f"The image of predict: {sizes[0]:.0f} MB, of which {BASE} is {sizes[1]:.0f} MB."


def text(found: Measures, told: str, image: str | None) -> str:
    """The tables as Markdown."""
    header = ["", "tasador", "empty function", "old way", "by empty", "by old"]
    rows, used = compared(found, ROWS), compared(found, CPU_ROWS)
    met = [
        [
            what,
            number(value),
            number(of(found, "empty", BESIDE_EMPTY.get(what, ""))),
            limit,
            "met" if ok else "MISSED",
        ]
        for what, value, limit, ok in targets(found)
    ]
    notes = [] if image is None else [image_size(image)]
    busiest = max(max(v["c16 busy"]) for v in found.values() if "c16 busy" in v)
    recorded = [
        [mode, *(number(of(found, name, m)) for m in ("c1 rate", "c1 p99", "c16 rate", "c16 p99"))]
        for mode, name in (("off", "predict"), *zip(MODES, MODES, strict=True))
    ]
    return "\n\n".join(
        [
            f"`./taskw bench:serve` on {machine()}. Model: {told}.",
            table(header, rows),
            table(["target", "measured", "empty function", "wanted", ""], met),
            "Processor time of the server, ms, which a busy machine leaves as it is:",
            table(header, used),
            "What recording costs, to a sink on the same machine that takes every event:",
            table(
                ["recording", "1 client, a second", "p99, ms", "16 clients, a second", "p99, ms"],
                recorded,
            ),
            *notes,
            f"The load generator was busy for at most {busiest:.0%} of a core; the load average "
            f"was {os.getloadavg()[0]:.1f} at the end.",
        ]
    )


def number(value: float) -> str:
    """Three figures, no more."""
    if value != value:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def say(what: str) -> None:
    """Tell how far it is."""
    print(what, flush=True)


def main() -> None:
    """Measure, print, and write with --write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = os.environ.get("TASADOR_LISTINGS_CSV")
    parser.add_argument("--csv", type=Path, default=given, help="real listings to train on")
    parser.add_argument("--bundle", type=Path, help="serve this bundle instead of training one")
    parser.add_argument("--rows", type=int, default=60_000, help="simulated listings, without CSV")
    parser.add_argument("--image", help="tell the size of this image (TASADOR_DOCKER: the command)")
    parser.add_argument("--quick", action="store_true", help="a first look: one short turn")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="predict at 16 connections")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--tries", type=int, default=9, help="cold starts")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=5, help="of each form, in a turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, each time")
    args = parser.parse_args()
    if args.quick:
        args.tries, args.turns, args.batches, args.seconds = 3, 1, 1, 1.0
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    say("a model")
    bundle, told = (
        (args.bundle, f"bundle {args.bundle.name}")
        if args.bundle
        else data.train(args.csv, args.rows, folder)
    )
    bodies = folder / "bodies.jsonl"
    bodies.write_bytes(b"\n".join(data.requests(args.csv, ROWS_IN_A_BATCH)))
    say("environments from uv.lock")
    serving, old = environments(folder)
    servers = subjects(bundle.resolve(), folder, serving, old)
    began = time.monotonic()
    try:
        if args.soak:
            section, said = "soak", soak.run(servers["predict"], bodies, args.soak)
        else:
            found = measure(servers, bodies, args)
            code = size_of(ROOT / "tasador") + size_of(ROOT / "functions")
            found["predict"]["size"] = [(size_of(packages_of(serving)) + code) / 1e6]
            found["old"]["size"] = [(size_of(packages_of(old)) + code) / 1e6]
            section, said = "serve", text(found, told, args.image)
    finally:
        for server in servers.values():
            server.stop()
    print(f"\n{said}\n\n({time.monotonic() - began:.0f} s)")
    if args.write:
        write_section(section, said)


if __name__ == "__main__":
    main()
