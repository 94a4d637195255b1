"""The rate of `tasador score` compared with that of the model alone on the same rows.

python benchmarks/score.py --bundle DIR                     # 200,000 simulated rows
python benchmarks/score.py --bundle DIR --csv FILE --rows N # real listings, repeated

Both are measured in turns, --runs times; the best of each counts. The model alone prices columns
that were read before. Listings of places that the bundle does not know cost a warning each.
"""

from __future__ import annotations

import csv
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.data import stored
from benchmarks.report import arguments, machine, table, write_section
from tasador.listings.listing import COLUMNS
from tasador.model.bundle import Bundle
from tasador.scoring.price_file import open_listings, read_blocks, score_csv


class Took(NamedTuple):
    """Seconds, and processor seconds."""

    seconds: float
    processor: float


def main() -> None:
    """Run the benchmark from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="folder of `tasador train`")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = write_csv(Path(scratch) / "in.csv", options.csv, options.rows)
        bundle = Bundle.load(options.bundle)
        blocks = [read.columns for read in read_blocks(open_listings(path))]

        def score() -> None:
            score_csv(options.bundle, path, Path(scratch) / "out.csv")

        def model() -> None:
            for columns in blocks:
                bundle.predict(columns)

        runs = [(took(score), took(model)) for _ in range(options.runs)]
    scored, alone = (Took(*map(min, zip(*side, strict=True))) for side in zip(*runs, strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        [name, f"{options.rows / t.seconds:,.0f}", f"{1e6 * t.processor / options.rows:.1f}"]
        for name, t in (("tasador score", scored), ("the model alone", alone))
    ]
    rows.append(
        [
            "score by model",
            f"{alone.seconds / scored.seconds:.2f}",
            f"{alone.processor / scored.processor:.2f}",
        ]
    )
    text = (
        f"`./taskw bench:score` on {machine()}. {options.rows:,} rows; peak memory "
        f"{memory:,.0f} MB, with the columns of the model alone.\n\n"
        f"{table(['', 'rows a second', 'processor µs a row'], rows)}"
    )
    print(text)
    if options.write:
        write_section("score", text)


def took(action: Callable[[], None]) -> Took:
    """The time of one call."""
    began, processor = time.perf_counter(), time.process_time()
    action()
    return Took(time.perf_counter() - began, time.process_time() - processor)


def write_csv(path: Path, listings: Path | None, rows: int) -> Path:
    """A CSV of so many rows."""
    batch = stored(None if listings is None else str(listings), rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in json.loads(b"[" + b"".join(batch.chunks()) + b"]"):
            writer.writerow(["" if row[name] is None else row[name] for name in COLUMNS])
    batch.close()
    return path


if __name__ == "__main__":
    main()
