"""The rate of `tasador score` and of the score flow, compared with that of the model alone.

python benchmarks/score.py --bundle DIR                     # 1,000,000 simulated rows
python benchmarks/score.py --bundle DIR --csv FILE --rows N # real listings, repeated

All are measured in turns, --runs times: rates and times are the best of each, shares the middle
one of the runs. The model alone prices columns that were read before. "A part of the score flow" is
what a task of it does with a part that it has fetched. Listings of places that the bundle does not
know cost a warning each.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.processes import PeakMemory
from benchmarks.report import arguments, machine, table, write_section
from tasador.clock import now
from tasador.listings.csv_file import open_csv
from tasador.listings.listing import COLUMNS
from tasador.model.bundle import Bundle
from tasador.model.model_ref import ModelRef
from tasador.scoring.part_prices import Pricing, price_part
from tasador.scoring.parts import Part
from tasador.scoring.price_file import open_listings, read_blocks, score_csv
from tasador.source.simulator import generate

_GOAL = 0.7  # of the model's rate


class Took(NamedTuple):
    """Seconds, and processor seconds."""

    seconds: float
    processor: float


def main() -> None:
    """Run the benchmark from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="folder of `tasador train`")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = write_csv(Path(scratch) / "in.csv", options.csv, options.rows)
        tenth = first_rows(path, options.rows // 10)
        peaks = [peak_memory(options.bundle, file) for file in (tenth, path)]
        actions = subjects(options.bundle, path)
        *_, alone = actions
        runs = [
            {name: took(action) for name, action in actions.items()} for _ in range(options.runs)
        ]
    rows = [
        [
            name,
            f"{options.rows / min(run[name].seconds for run in runs):,.0f}",
            f"{median(run[alone].seconds / run[name].seconds for run in runs):.2f}",
            f"{1e6 * min(run[name].processor for run in runs) / options.rows:.1f}",
            f"{median(run[alone].processor / run[name].processor for run in runs):.2f}",
        ]
        for name in actions
    ]
    rate = "share of the model's rate"
    text = (
        f"`./taskw bench:score` on {machine()}. {options.rows:,} rows; the goal is {_GOAL} of the "
        f"model's rate. The process of `tasador score` has at most {peaks[1]:,.0f} MB, with a "
        f"tenth of the rows {peaks[0]:,.0f} MB.\n\n"
        f"{table(['', 'rows a second', rate, 'processor µs a row', 'by processor time'], rows)}"
    )
    print(text)
    if options.write:
        write_section("score", text)


def subjects(folder: Path, path: Path) -> dict[str, Callable[[], None]]:
    """What is measured; the model alone comes last."""
    bundle = Bundle.load(folder)
    blocks = [read.columns for read in read_blocks(open_listings(path))]
    pricing = Pricing(
        bundle=bundle, model=ModelRef(), keys=(), prefix="job", predicted_at=now(), revision=""
    )

    def score() -> None:
        score_csv(folder, path, path.with_name("out.csv"))

    def part() -> None:
        price_part(pricing, Part(path, 0), 0, path.with_name("out.parquet"), None)

    def model() -> None:
        for columns in blocks:
            bundle.predict(columns)

    return {
        "tasador score": score,
        "a part of the score flow": part,
        "the model alone": model,
    }


def took(action: Callable[[], None]) -> Took:
    """The time of one call."""
    began, processor = time.perf_counter(), time.process_time()
    action()
    return Took(time.perf_counter() - began, time.process_time() - processor)


def peak_memory(bundle: Path, path: Path) -> float:
    """The peak memory of `tasador score` in MB."""
    command = [sys.executable, "-m", "tasador", "score", "--json", "--bundle", str(bundle)]
    command += ["--csv", str(path), "--out", str(path.with_name("out.csv"))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    memory = PeakMemory(process.pid)
    if process.wait() != 0:
        raise SystemExit("tasador score failed")
    return memory.peak()


def first_rows(path: Path, rows: int) -> Path:
    """A CSV of the first rows of another."""
    shorter = path.with_name("tenth.csv")
    with path.open("rb") as file, shorter.open("wb") as out:
        out.writelines(islice(file, rows + 1))
    return shorter


def write_csv(path: Path, listings: Path | None, rows: int) -> Path:
    """A CSV of so many rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        if listings is None:
            for row in generate(1, "steady", 0, rows):
                writer.writerow([row.get(name) for name in COLUMNS])
            return path
        header, read = open_csv(listings, COLUMNS)
        places = [header.index(name) for name in COLUMNS]
        known = [row.values for row in read if isinstance(row.values, list)]
        for values in islice(cycle(known), rows):
            writer.writerow([values[place] for place in places])
    return path


if __name__ == "__main__":
    main()
