"""Time and memory of ingestion, compared with pandas.to_sql and a bare COPY of the same rows.

python benchmarks/data.py                        # simulated rows, 20,000 and 100,000
python benchmarks/data.py --rows 20000 361457    # other sizes
python benchmarks/data.py --csv FILE             # real listings, repeated to the size

Starts an embedded platform in a temporary folder. Each subject is a process: seconds, its processor
seconds, those of Postgres, and its peak memory. ADBC is measured if adbc-driver-postgresql is
installed. "copy" downloads the same answer and copies the lines that ingestion would, with the
batch's id, into the same tables in one transaction.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.processes import PeakMemory, postgres_seconds
from benchmarks.report import ROOT, arguments, machine, table, write_section
from tasador.machine import blas
from tasador.machine.collector import collect_seldom
from tasador.settings import Settings
from tasador.source.stored import StoredBatch

_TABLES = ("raw.raw_data", "clean.clean_data", "ops.quarantine")
_WARM_UP_ROWS = 1_000
_INTERPRETER = 10.0  # MB of a Python process that has imported nothing
_SUBJECTS = ("ingest", "flow", "copy", "pandas.to_sql", "adbc")


class Measured(NamedTuple):
    """Seconds, processor seconds of the process and of Postgres, and peak memory in MB."""

    seconds: float
    processor: float
    postgres: float
    memory: float


def main() -> None:
    """Run the benchmark from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--subjects", nargs="+", choices=_SUBJECTS, default=list(_SUBJECTS))
    parser.add_argument("--runs", type=int, default=1, help="in turns; the middle one counts")
    parser.add_argument("--subject", help="run one subject (the benchmark starts itself)")
    options = parser.parse_args()
    if options.subject:
        run_subject(options.subject, Path(os.environ["BENCH_FOLDER"]))
        return
    # A queue of heavy commands ends one that takes too long; the platform must end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    import compileall  # which the process of a subject does not need

    # Python does so at the first import, unless PYTHONDONTWRITEBYTECODE is set.
    compileall.compile_dir(ROOT / "tasador", quiet=1)
    if "adbc" in options.subjects and find_spec("adbc_driver_postgresql") is None:
        print("adbc: adbc-driver-postgresql is not installed", file=sys.stderr)
        options.subjects.remove("adbc")
    rows, figures = [], []
    with platform() as settings, tempfile.TemporaryDirectory() as scratch:
        # In a fresh clone the first process of a subject waits for its packages to come from disk.
        once = {**vars(options), "runs": 1}
        deque(measure(Namespace(**once), settings, _WARM_UP_ROWS, Path(scratch)), maxlen=0)
        for size in options.rows:
            runs: dict[str, list[Measured]] = {}
            for subject, measured in measure(options, settings, size, Path(scratch)):
                runs.setdefault(subject, []).append(measured)
            found = {
                subject: sorted(each, key=_processor)[len(each) // 2]
                for subject, each in runs.items()
            }
            for subject, measured in found.items():
                rows.append(
                    [
                        *(f"{size:,}", subject, f"{measured.seconds:.1f}"),
                        *(f"{measured.processor:.1f}", f"{measured.postgres:.1f}"),
                        *(f"{size / measured.seconds:,.0f}", f"{measured.memory:,.0f}"),
                    ]
                )
                print(*rows[-1], flush=True)
            figures += compared(size, found)
    header = ["rows", "subject", "s", "processor s", "Postgres s", "rows a second", "peak MB"]
    runs_of_each = f"the middle of {options.runs} by processor time"
    text = f"`./taskw bench:data` on {machine()}, {runs_of_each}.\n\n{table(header, rows)}"
    if figures:
        text += f"\n\n{table(['rows', 'figure', 'measured', 'wanted', ''], figures)}"
    print(text)
    if options.write:
        write_section("data", text)


def compared(size: int, found: dict[str, Measured]) -> list[list[str]]:
    """The figures of a size that the project has set itself limits for."""
    if not {"ingest", "copy"} <= found.keys():
        return []
    ingest, copy = found["ingest"], found["copy"]
    figures = [
        (
            "processor s with Postgres, times a bare COPY's with the transfer",
            _processor(ingest) / _processor(copy),
            2.5,
        ),
        ("s, times a bare COPY's with the transfer", ingest.seconds / copy.seconds, 2.5),
        ("peak MB above the interpreter's", ingest.memory - _INTERPRETER, 200),
    ]
    if to_sql := found.get("pandas.to_sql"):
        share = ingest.processor / to_sql.processor
        figures.append(("processor s, share of pandas.to_sql's", share, 0.1))
    return [
        [f"{size:,}", name, f"{value:,.3g}", f"≤ {limit:g}", "met" if value <= limit else "missed"]
        for name, value, limit in figures
    ]


def _processor(measured: Measured) -> float:
    """Processor seconds with those of Postgres."""
    return measured.processor + measured.postgres


@contextmanager
def platform() -> Iterator[Settings]:
    """An embedded platform in a temporary folder."""
    from tasador.local.platform import Platform

    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as home:
        os.environ["TASADOR_HOME"] = home
        Path(home).chmod(0o755)
        whole = Platform(Path(home))
        try:
            yield whole.up(web=False)
        finally:
            whole.down()


def measure(
    options: Any, settings: Settings, size: int, folder: Path
) -> Iterator[tuple[str, Measured]]:
    """Each subject with the same rows, each time in empty tables."""
    batch = stored(options.csv, size)
    payload = folder / "payload.json"
    with payload.open("wb") as file:
        file.write(b'{"group_number": 5, "day": "Tuesday", "batch_number": 0, "data": [')
        file.writelines(batch.chunks())
        file.write(b"]}")
    prepare(payload, folder)
    for subject in options.subjects * options.runs:
        empty(settings)
        with serving(batch) as url:
            yield subject, run(subject, settings._replace(source_url=url), folder)
    batch.close()


def stored(csv: str | None, size: int) -> StoredBatch:
    """A batch of ``size`` rows, simulated or of a CSV whose rows are repeated."""
    from tasador.listings.csv_file import open_csv
    from tasador.listings.listing import COLUMNS
    from tasador.source.simulator import generate

    if csv is None:
        return StoredBatch.of(generate(1, "steady", 0, size), "object")
    header, read = open_csv(csv)
    places = [header.index(name) if name in header else None for name in COLUMNS]
    known = [row.values for row in read if isinstance(row.values, list)]
    batch = StoredBatch("object")
    for values in islice(cycle(known), size):
        batch.add_texts(["" if place is None else values[place] for place in places])
    return batch.finish()


@contextmanager
def serving(batch: StoredBatch) -> Iterator[str]:
    """A source that serves the batch once."""
    from tasador.source.server import SourceServer, build_app

    server = SourceServer(build_app([batch]), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.url
    finally:
        server.should_exit = True
        thread.join()


def prepare(payload: Path, folder: Path) -> None:
    """The lines of COPY with the batch's id, for the subject that only copies."""
    from tasador.ingestion.loading import read_payload
    from tasador.warehouse.rows import RowFiles

    with payload.open("rb") as body, RowFiles(folder) as files:
        read = read_payload(body, folder / "columns.arrow", files.add, lambda _: None)
    for name in _TABLES:
        with files.paths[name].open("rb") as lines, (folder / name).open("wb") as out:
            out.writelines(f"{read.digest}\t".encode() + line for line in lines)
        files.paths[name].unlink()


def empty(settings: Settings) -> None:
    """Delete what a subject left and wait for the disk: the next one does not pay for it."""
    from sqlalchemy import text

    from tasador.warehouse.connection import connect, transaction

    engine = connect(settings.database_url)
    with transaction(engine) as connection:
        names = ", ".join((*_TABLES, "ops.batches", "ops.fetches"))
        connection.execute(text(f"truncate {names}"))
        connection.execute(text("drop table if exists bench_raw, bench_clean"))
    with transaction(engine) as connection:
        connection.execute(text("checkpoint"))
    engine.dispose()
    os.sync()


def run(subject: str, settings: Settings, folder: Path) -> Measured:
    """One subject in a process."""
    command = [sys.executable, str(ROOT / "benchmarks" / "data.py"), "--subject", subject]
    if subject == "flow":
        command = [sys.executable, str(ROOT / "flows" / "ingest.py"), "run"]
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "BENCH_FOLDER": str(folder),
        "TASADOR_SOURCE_URL": settings.source_url,
    }
    before, began = postgres_seconds(), time.perf_counter()
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL)
    memory = PeakMemory(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{subject} failed")
    seconds = time.perf_counter() - began
    time.sleep(1.0)  # the processor time of a server process counts when it has ended
    return Measured(
        seconds,
        usage.ru_utime + usage.ru_stime,
        postgres_seconds() - before,
        memory.peak(),
    )


def run_subject(subject: str, folder: Path) -> None:
    """What the process of a subject does."""
    collect_seldom()  # as commands and steps of flows do
    blas.sleep_soon()
    settings = Settings.load()
    if subject == "ingest":
        from tasador.ingestion import verbs

        taken = verbs.take(settings, settings.source_url, 5, "Tuesday", print)
        assert taken.batch is not None
        verbs.complete(settings, taken.batch.batch_id, print)
    elif subject == "copy":
        _copy(settings, folder)
    elif subject == "pandas.to_sql":
        _to_sql(settings, folder)
    else:
        _adbc(settings, folder)


def _copy(settings: Settings, folder: Path) -> None:
    from urllib.request import urlopen

    import psycopg2

    answer = f"{settings.source_url}/data?group_number=5&day=Tuesday"
    with urlopen(answer) as body, (folder / "answer.json").open("wb") as file:
        shutil.copyfileobj(body, file, 1 << 20)
    with psycopg2.connect(settings.database_url) as connection, connection.cursor() as cursor:
        for name in _TABLES:
            with (folder / name).open("rb") as file:
                cursor.copy_expert(f"copy {name} from stdin", file, 1 << 20)


def _frames(folder: Path) -> Iterator[tuple[str, Any]]:
    import pandas as pd
    import pyarrow as pa

    rows = json.loads((folder / "payload.json").read_bytes())["data"]
    raw = pd.DataFrame(rows).astype("str")
    raw.insert(0, "row_number", range(len(raw)))
    yield "bench_raw", raw
    with pa.OSFile(str(folder / "columns.arrow")) as file:
        yield "bench_clean", pa.ipc.open_stream(file).read_all().to_pandas()


def _to_sql(settings: Settings, folder: Path) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(settings.database_url.replace("postgresql", "postgresql+psycopg2", 1))
    for name, frame in _frames(folder):
        frame.to_sql(name, engine, index=False, if_exists="replace", chunksize=10_000)
    engine.dispose()


def _adbc(settings: Settings, folder: Path) -> None:
    import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-not-found]
    import pyarrow as pa

    with adbc.connect(settings.database_url) as connection, connection.cursor() as cursor:
        for name, frame in _frames(folder):
            cursor.adbc_ingest(name, pa.Table.from_pandas(frame), mode="replace")
        connection.commit()


if __name__ == "__main__":
    main()
