"""The course's six batches at their true sizes, ingested by a process that is often killed.

python benchmarks/kills.py                     # 1,084,909 simulated rows, 20 kills
python benchmarks/kills.py --rows 60000        # the same shares of fewer rows

Starts an embedded platform in a temporary folder and a source that advances with each request. A
process ingests until the source is exhausted; it is killed (SIGKILL) after random times, and
started again. Then it ingests the same batches again, which must add nothing. Then two processes
ingest at once into empty tables. After each, the rows in the warehouse are compared with the
source's, which are read one by one: their number, and the sum of a hash of each row. Fails if they
differ.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg2

from benchmarks.data import empty, platform
from benchmarks.report import ROOT, arguments, machine, table, write_section
from tasador.ingestion.row_texts import row_texts
from tasador.listings.listing import COLUMNS
from tasador.settings import Settings
from tasador.source.server import SourceServer, build_app
from tasador.source.simulator import generate
from tasador.source.stored import StoredBatch

_SIZES = (73_784, 94_551, 230_366, 4_055, 320_696, 361_457)
_SEED = 1
_TWO = "two at once, from nothing"
# Seconds between a start and its kill: some kills hit the imports, some the last writes.
_SOONEST, _LATEST = 0.3, 2.0
# A missing value differs from an empty text.
_HASHED = ", ".join(f"coalesce({name}, chr(30))" for name in COLUMNS)
_SUM = f"count(*), sum(hashtextextended(concat_ws(chr(31), number, {_HASHED}), 0)::numeric)"


class Rows(NamedTuple):
    """How many rows there are, and the sum of a hash of each with its batch's number."""

    number: int
    checksum: int


def main() -> None:
    """Run the benchmark from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=sum(_SIZES))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--ingest", action="store_true", help="ingest (the benchmark starts itself)"
    )
    options = parser.parse_args()
    if options.ingest:
        ingest(Settings.load())
        return
    # A queue of heavy commands ends one that takes too long; the platform must end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sizes = [max(1, size * options.rows // sum(_SIZES)) for size in _SIZES]
    with platform() as settings:
        expected = rows_of_source(settings, sizes)
        batches = [StoredBatch.of(simulated(n, size), "object") for n, size in enumerate(sizes)]
        found = [("the rows of the source", expected, 0, 0.0)]
        runs: dict[str, Callable[[str], int]] = {
            "killed, then to the end": lambda url: killed(url, options.kills),
            "the same batches again": lambda url: together(url, 1),
            _TWO: lambda url: together(url, 2),
        }
        for what, run in runs.items():
            if what == _TWO:
                empty(settings)
            found.append((what, *measured(settings, batches, run)))
            print(*found[-1], flush=True)
    header = ["ingestion", "rows", "sum of the rows' hashes", "kills", "s"]
    lines = [
        [what, f"{rows.number:,}", f"{rows.checksum:x}"[-12:], f"{kills}", f"{seconds:,.0f}"]
        for what, rows, kills, seconds in found
    ]
    text = f"`./taskw bench:kills` on {machine()}.\n\n{table(header, lines)}"
    print(text)
    different = [what for what, rows, _, _ in found if rows != expected]
    if different:
        raise SystemExit(f"these rows are not those of the source: {', '.join(different)}")
    if options.write:
        write_section("kills", text)


def measured(
    settings: Settings, batches: Sequence[StoredBatch], run: Callable[[str], int]
) -> tuple[Rows, int, float]:
    """The rows in the warehouse after a run on a new source, its kills and its seconds."""
    server = SourceServer(build_app(batches), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    began = time.perf_counter()
    try:
        kills = run(server.url)
    finally:
        server.should_exit = True
        thread.join()
    return rows_of_warehouse(settings), kills, time.perf_counter() - began


def killed(url: str, kills: int) -> int:
    """Ingest, and kill the process up to ``kills`` times; returns how often it was killed."""
    draws = random.Random(_SEED)
    for done in range(kills):
        process = start(url)
        try:
            code = process.wait(draws.uniform(_SOONEST, _LATEST))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            if code:
                raise SystemExit(f"ingestion failed with status {code}")
            return done
    together(url, 1)
    return kills


def together(url: str, processes: int) -> int:
    """Ingest in some processes at a time, to the end."""
    codes = [process.wait() for process in [start(url) for _ in range(processes)]]
    if any(codes):
        raise SystemExit(f"ingestion failed with status {codes}")
    return 0


def start(url: str) -> subprocess.Popen[bytes]:
    """A process that ingests until the source is exhausted."""
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--ingest"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TASADOR_SOURCE_URL": url}
    return subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL)


def ingest(settings: Settings) -> None:
    """What such a process does."""
    from tasador.ingestion import verbs

    status = ""
    while status != "exhausted":
        taken = verbs.take(settings, settings.source_url, 5, "Tuesday", print)
        status = taken.status
        if status == "ingested" and taken.batch is not None:
            verbs.complete(settings, taken.batch.batch_id, print)


def rows_of_warehouse(settings: Settings) -> Rows:
    """The rows as they are stored."""
    stored = "raw.raw_data join (select batch_id, batch_number as number from ops.batches) as b"
    with connected(settings) as cursor:
        cursor.execute(f"select {_SUM} from {stored} using (batch_id)")
        return Rows(*map(int, cursor.fetchone()))


def rows_of_source(settings: Settings, sizes: Sequence[int]) -> Rows:
    """The rows that the source will send, one by one, through the same function of Postgres."""
    with connected(settings) as cursor:
        columns = ", ".join(f"{name} text" for name in COLUMNS)
        cursor.execute(f"create temp table sent (number int, {columns})")
        for number, size in enumerate(sizes):
            with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
                lines = csv.writer(file)
                for row in simulated(number, size):
                    lines.writerow([number, *(row_texts(json.loads(json.dumps(row))) or ())])
                file.seek(0)
                cursor.copy_expert("copy sent from stdin (format csv)", file)
        cursor.execute(f"select {_SUM} from sent")
        return Rows(*map(int, cursor.fetchone()))


def simulated(number: int, rows: int) -> list[dict[str, object]]:
    """The rows of a batch."""
    return generate(_SEED, "steady", number, rows)


@contextmanager
def connected(settings: Settings) -> Iterator[Any]:
    """A cursor of the warehouse."""
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


if __name__ == "__main__":
    main()
