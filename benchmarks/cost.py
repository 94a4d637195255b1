"""The cost of a training: time on real listings, and memory on fourteen times as many.

The larger set has 1.1 million listings, the size of a national market. Each training runs the
default study in a separate process.

    python benchmarks/cost.py [--csv FILE] [--copies N] [--trials N] [--write]
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

# Allows the script to run from any folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import report
from tasador.listings.csv_file import open_csv

# Trains, then prints the peak memory of its process in kilobytes.
_TRAIN = """
import resource, sys
from tasador.cli.main import main
sys.argv = ["tasador", "train", *sys.argv[1:]]
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Cost(NamedTuple):
    """The cost of one training: wall-clock and processor seconds, and peak memory in gigabytes."""

    rows: int
    seconds: float
    processor: float
    gigabytes: float


def repeated(listings: Path, copies: int, out: Path) -> int:
    """Write the listings ``copies`` times, each time as different properties; returns the rows.

    A different street makes a different property.
    """
    header, _ = open_csv(listings)
    street = header.index("street")
    rows = 0
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for copy in range(copies):
            for _, values, _ in open_csv(listings)[1]:
                if isinstance(values, list):
                    if values[street]:
                        # No street has a code of ten million or more.
                        values[street] = f"{float(values[street]) + 10_000_000 * copy:.0f}"
                    writer.writerow(values)
                    rows += 1
    return rows


def train(listings: Path, rows: int, trials: int, out: Path) -> Cost:
    """Train once with the command line, in a separate process."""
    began, before = time.perf_counter(), os.times()
    command = [sys.executable, "-c", _TRAIN, "--csv", str(listings), "--out", str(out)]
    done = subprocess.run(
        [*command, "--trials", str(trials)], stdout=subprocess.PIPE, text=True, check=True
    )
    after = os.times()
    return Cost(
        rows=rows,
        seconds=time.perf_counter() - began,
        processor=after.children_user - before.children_user,
        gigabytes=int(done.stdout.split()[-1]) * 1024 / 1e9,
    )


def summary(small: Cost, large: Cost, trials: int) -> str:
    """The table, with the targets."""

    def row(cost: Cost, target: str, met: bool) -> tuple[str, ...]:
        figures = f"{cost.seconds:.0f}", f"{cost.processor:.0f}", f"{cost.gigabytes:.2f}"
        return (f"{cost.rows:,}", *figures, target, "met" if met else "MISSED")

    header = ("listings", "seconds", "processor seconds", "peak GB", "target", "")
    rows = [
        row(small, "< 240 s", small.seconds < 240),
        row(large, "< 900 s, < 3 GB", large.seconds < 900 and large.gigabytes < 3),
    ]
    return f"A search of {trials} trials each.\n\n{report.table(header, rows)}"


def main() -> None:
    parser = report.arguments(__doc__)
    parser.add_argument("--copies", type=int, default=14, help="of the listings, for the memory")
    parser.add_argument("--trials", type=int, default=12, help="of the search (default: as usual)")
    options = report.parsed(parser)
    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as scratch:
        folder = Path(scratch)
        many = folder / "many.csv"
        rows = repeated(options.csv, options.copies, many)
        small = train(options.csv, rows // options.copies, options.trials, folder / "small")
        large = train(many, rows, options.trials, folder / "large")
    text = summary(small, large, options.trials)
    print(text)
    if options.write:
        report.write_section("cost", f"{report.machine()}. {text}")


if __name__ == "__main__":
    main()
