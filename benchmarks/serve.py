"""Measure the functions, an empty function and the usual way of serving, with the same model.

    python benchmarks/serve.py [--quick] [--csv FILE] [--write]
    python benchmarks/serve.py --soak MINUTES     predict alone, at 16 connections
    python benchmarks/serve.py --users 50         that many on the whole surface, for a minute
    python benchmarks/serve.py --without PIECE    the functions with one optimisation switched off
    python benchmarks/serve.py --against REF [--of REF]  those of a git ref, and of this checkout

All servers run at the same time and take turns, so a busy machine slows all of them. Ratios are
medians over the turns.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Allows the script to run from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import ROOT, machine, table, write_section
from benchmarks.serving import checkouts, data, paired, soak, traces, users, without
from benchmarks.serving.measures import ROWS_PER_BATCH, Measures, Meter, median, number, ratio, say
from benchmarks.serving.pieces import PIECES, TRACES
from benchmarks.serving.subjects import MODES, Subject, environments, packages_of, size_of, subjects

BASE_IMAGE = "python:3.11-slim-bookworm"
# Restarted for each cold start, and compared with each other.
COMPARED = ("predict", "explain", "empty", "old")

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

# Targets in absolute units, which depend on the machine: the empty function's value is shown too.
MACHINE_DEPENDENT = {
    "spawn to first served prediction, ms": "cold",
    "resident memory, MB": "memory",
    "16 clients: p99, ms": "c16 p99",
}


def measure(servers: dict[str, Subject], bodies: Path, args: argparse.Namespace) -> Measures:
    """Every measure of every server."""
    meter = Meter(servers, bodies, args)
    meter.start(("sink", *MODES))
    meter.cold_starts(COMPARED)
    for turn in range(args.turns):
        say(f"turn {turn + 1} of {args.turns}")
        for connections in (1, 16):
            meter.load((*COMPARED, *MODES), connections)
        meter.load(("explain", "old"), 1, "/explain", "explain")
        if turn == 0:
            meter.memory((*COMPARED, *MODES))
        meter.batches(("predict", "old"))
    meter.memory(("predict", "old"), "memory of batches")
    for name in ("cold", "memory"):
        meter.values["explain"][f"explain {name}"] = meter.values["explain"][name]
    return meter.values


def function_of(measure: str) -> str:
    """Which of the functions the measure is of."""
    return "explain" if measure.startswith("explain") else "predict"


def targets(values: Measures) -> list[tuple[str, float, str, bool]]:
    """The targets: name, measured value, limit, met."""

    def own(measure: str) -> float:
        return median(values, function_of(measure), measure)

    def times(measure: str, other: str) -> float:
        return ratio(values, measure, function_of(measure), other)

    cold = "spawn to first served prediction"
    wanted = [
        (f"{cold}, ms", own("cold"), "≤", 300),
        (f"{cold}, times the empty function's", times("cold", "empty"), "≤", 2.2),
        (f"{cold}, times faster than FastAPI", 1 / times("cold", "old"), "≥", 8),
        ("resident memory, MB", own("memory"), "≤", 130),
        ("1 client, times the empty function's rate", times("c1 rate", "empty"), "≥", 0.7),
        ("1 client, times FastAPI's rate", times("c1 rate", "old"), "≥", 6),
        ("16 clients: p99, ms", own("c16 p99"), "≤", 15),
        ("explain: p99, ms", own("explain p99"), "≤", 25),
        ("explain, times FastAPI's rate", times("explain rate", "old"), "≥", 3),
        ("batch: rows a second", own("by_column rate"), "≥", 100_000),
    ]
    return [
        (what, value, f"{sign} {limit:,}", value <= limit if sign == "≤" else value >= limit)
        for what, value, sign, limit in wanted
    ]


def compared(values: Measures, rows: Sequence[tuple[str, str]]) -> list[list[str]]:
    """A line per measure: Tasador, the empty function, FastAPI, and the ratios to them."""
    lines = []
    for what, measure in rows:
        name = function_of(measure)
        cells = [median(values, server, measure) for server in (name, "empty", "old")]
        cells += [ratio(values, measure, name, other) for other in ("empty", "old")]
        lines.append([what, *(number(cell) for cell in cells)])
    return lines


def image_size(image: str) -> str:
    """The sizes of a built image of predict and of its base image."""
    docker = shlex.split(os.environ.get("TASADOR_DOCKER", "docker"))
    sizes = [
        int(subprocess.check_output([*docker, "image", "inspect", "-f", "{{.Size}}", name])) / 1e6
        for name in (image, BASE_IMAGE)
    ]
    return f"The image of predict: {sizes[0]:.0f} MB, of which {BASE_IMAGE} is {sizes[1]:.0f} MB."


def report(values: Measures, model: str, image: str | None) -> str:
    """The tables as Markdown; ``model`` describes the model."""
    header = ["", "tasador", "empty function", "FastAPI", "by empty", "by old"]
    target_rows = [
        [
            what,
            number(value),
            number(median(values, "empty", MACHINE_DEPENDENT.get(what, ""))),
            limit,
            "met" if met else "MISSED",
        ]
        for what, value, limit, met in targets(values)
    ]
    busiest = max(max(v["c16 busy"]) for v in values.values() if "c16 busy" in v)
    recorded = ("c1 rate", "c1 p99", "c16 rate", "c16 p99")
    recording_rows = [
        [mode, *(number(median(values, name, measure)) for measure in recorded)]
        for mode, name in (("off", "predict"), *zip(MODES, MODES, strict=True))
    ]
    return "\n\n".join(
        [
            f"`./taskw bench:serve` on {machine()}. Model: {model}.",
            table(header, compared(values, ROWS)),
            table(["target", "measured", "empty function", "wanted", ""], target_rows),
            "Processor time of the server in ms, which does not depend on the machine's load:",
            table(header, compared(values, CPU_ROWS)),
            "The cost of recording, to a sink on the same machine that accepts every event:",
            table(
                ["recording", "1 client, a second", "p99, ms", "16 clients, a second", "p99, ms"],
                recording_rows,
            ),
            *([] if image is None else [image_size(image)]),
            f"The load generator used at most {busiest:.0%} of a core; the load average was "
            f"{os.getloadavg()[0]:.1f} at the end.",
        ]
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    csv = os.environ.get("TASADOR_LISTINGS_CSV")
    parser.add_argument("--csv", type=Path, default=csv, help="real listings to train on")
    parser.add_argument("--bundle", type=Path, help="serve this bundle instead of training one")
    parser.add_argument("--rows", type=int, default=60_000, help="simulated listings, without CSV")
    parser.add_argument("--image", help="report this image's size (TASADOR_DOCKER: the command)")
    parser.add_argument("--quick", action="store_true", help="one short turn")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="predict at 16 connections")
    parser.add_argument("--users", type=int, metavar="N", help="on the whole surface, for 60 s")
    parser.add_argument("--without", choices=PIECES, metavar="PIECE", help=", ".join(PIECES))
    parser.add_argument("--against", metavar="REF", help="a git ref to compare with")
    parser.add_argument("--of", default="", metavar="REF", help="what to compare (this checkout)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--tries", type=int, default=9, help="cold starts")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=5, help="of each form, in a turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, each time")
    args = parser.parse_args()
    if args.write and args.without not in (None, TRACES):
        parser.error(f"docs/benchmarks.md has no section for --without {args.without}")
    if args.write and args.against:
        parser.error("docs/benchmarks.md has no section for --against")
    if args.quick:
        args.tries, args.turns, args.batches, args.seconds = 3, 1, 1, 1.0
    return args


def compare(
    servers: dict[str, Subject], bodies: Path, args: argparse.Namespace, variants: tuple[str, str]
) -> None:
    """Measure two variants in turns, and print their ratios."""
    try:
        text = paired.measure(servers, bodies, args, variants)
    finally:
        for server in servers.values():
            server.stop()
    print(f"\n`./taskw bench:serve -- {shlex.join(sys.argv[1:])}` on {machine()}:\n\n{text}")


def main() -> None:
    """Measure, print, and write with --write."""
    args = arguments()
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    bodies = folder / "bodies.jsonl"
    bodies.write_bytes(b"\n".join(data.requests(args.csv, ROWS_PER_BATCH)))
    if args.against:
        refs = (args.against, args.of)
        servers = checkouts.subjects(refs, args.csv, args.rows, folder)
        compare(servers, bodies, args, (args.against, args.of or "this checkout"))
        return
    say("a model")
    bundle, model = (
        (args.bundle, f"bundle {args.bundle.name}")
        if args.bundle
        else data.train(args.csv, args.rows, folder)
    )
    bundle = bundle.resolve()
    began = time.monotonic()
    if args.users:
        text = users.run(bundle, args.users, 60)
        print(f"\n{text}")
        if args.write:
            write_section("users", text)
        return
    if args.without not in (None, TRACES):
        servers = without.subjects(args.without, bundle, folder)
        compare(servers, bodies, args, without.VARIANTS)
        return
    if args.without == TRACES:
        servers = traces.subjects(bundle, folder)
    else:
        say("environments from uv.lock")
        serving, old = environments(folder)
        servers = subjects(bundle, folder, serving, old)
    try:
        if args.without == TRACES:
            section, text = TRACES, traces.measure(servers, bodies, args)
        elif args.soak:
            section, text = "soak", soak.run(servers["predict"], bodies, args.soak)
        else:
            values = measure(servers, bodies, args)
            code = size_of(ROOT / "tasador") + size_of(ROOT / "functions")
            values["predict"]["size"] = [(size_of(packages_of(serving)) + code) / 1e6]
            values["old"]["size"] = [(size_of(packages_of(old)) + code) / 1e6]
            section, text = "serve", report(values, model, args.image)
    finally:
        for server in servers.values():
            server.stop()
    print(f"\n{text}\n\n({time.monotonic() - began:.0f} s)")
    if args.write and section:
        write_section(section, text)


if __name__ == "__main__":
    main()
