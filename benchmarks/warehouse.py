"""How long the answers of record take with many predictions in the warehouse.

python benchmarks/warehouse.py                        # 1,000,000 predictions
python benchmarks/warehouse.py --predictions 10000000

Starts Postgres alone in a temporary folder, fills raw.inference_logs with a year of predictions of
four versions by generate_series, and asks the warehouse what the function record asks it. Then it
deletes old ones as `tasador db prune` does. The best of --runs counts.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from benchmarks.report import arguments, machine, table, write_section
from tasador.clock import now
from tasador.settings import Settings
from tasador.warehouse.connection import connect, transaction
from tasador.warehouse.predictions import Chosen
from tasador.warehouse.warehouse import Warehouse

_WANTED_MS = 50
_STATEMENT = 100_000  # predictions

_FILL = text("""
insert into raw.inference_logs (prediction_id, predicted_at, correlation_id, model_name,
    model_version, model_digest, revision, listing, price, intervals, missing, warnings, latency_ms)
select 'p-' || n, now() - interval '365 days' * (n / cast(:rows as float8)), 'c',
    'tasador-price', 1 + n % 4, 'digest', 'predict-00001',
    jsonb_build_object('state', (array['Texas', 'Ohio', 'Utah', 'Florida'])[1 + n % 4],
                       'city', 'Town ' || n % 500, 'bed', n % 6, 'house_size', 500 + n % 4000),
    100000 + n % 900000, '{"90": [90000, 200000]}', '["acre_lot"]', '[]', 0.2 + (n % 997) / 300.0
from generate_series(cast(:low as bigint), cast(:high as bigint)) as n
""")


def main() -> None:
    """Run the benchmark from the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    # A queue of heavy commands ends one that takes too long; the platform must end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with stores() as settings, Warehouse(settings.database_url) as warehouse:
        seconds = fill(settings, options.predictions)
        rows = [
            [name, f"{milliseconds(action, options.runs):,.1f}", f"≤ {_WANTED_MS}"]
            for name, action in questions(warehouse, options.predictions).items()
        ]
        oldest = now() - timedelta(days=180)
        deleting = milliseconds(lambda: warehouse.delete_old("predictions", oldest), options.runs)
        rows.append(["deleting the oldest 20,000 predictions", f"{deleting:,.1f}", ""])
    body = table(["question", "ms", "wanted"], rows)
    said = (
        f"`./taskw bench:warehouse` on {machine()}, with {options.predictions:,} predictions, "
        f"which took {seconds:,.0f} s to store.\n\n{body}"
    )
    print(said)
    if options.write:
        write_section("warehouse", said)


def questions(warehouse: Warehouse, predictions: int) -> dict[str, Callable[[], object]]:
    """What record asks for its pages."""
    middle = now() - timedelta(days=180)
    return {
        "summary": warehouse.prediction_summary,
        "newest 100": lambda: warehouse.predictions(100),
        "100 before half a year ago": lambda: warehouse.predictions(100, middle),
        "newest 100 of a version": lambda: warehouse.predictions(100, chosen=Chosen(version=2)),
        "newest 100 of a state": lambda: warehouse.predictions(100, chosen=Chosen(state="Utah")),
        "one prediction": lambda: warehouse.prediction(f"p-{predictions // 2}"),
        "models": lambda: warehouse.model_history(limit=100),
    }


@contextmanager
def stores() -> Iterator[Settings]:
    """Postgres and the object store in a temporary folder."""
    from tasador.local.platform import Platform

    with tempfile.TemporaryDirectory(prefix="tasador-bench-") as home:
        os.environ["TASADOR_HOME"] = home
        Path(home).chmod(0o755)
        platform = Platform(Path(home))
        try:
            yield platform.up_stores()
        finally:
            platform.down()


def fill(settings: Settings, predictions: int) -> float:
    """Store the predictions, the newest first; returns the seconds."""
    engine = connect(settings.database_url)
    began = time.perf_counter()
    for low in range(0, predictions, _STATEMENT):
        high = min(low + _STATEMENT, predictions) - 1
        with transaction(engine) as connection:
            connection.execute(_FILL, {"rows": predictions, "low": low, "high": high})
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("vacuum analyze raw.inference_logs"))
    engine.dispose()
    return time.perf_counter() - began


def milliseconds(action: Callable[[], object], runs: int) -> float:
    """The best time of some calls."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times) * 1000


if __name__ == "__main__":
    main()
