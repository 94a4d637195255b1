"""The verbs of the ingest flow: take a batch from the source, and complete its ingestion.

Each verb may be killed at any point and called again. A batch is identified by the digest of its
content. A request to the source is logged before it is sent (see replay.py). The row of a batch in
ops.batches says which steps it still needs.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasador.clock import backoff, now
from tasador.errors import (
    InvalidValue,
    ObjectLost,
    ServiceUnavailable,
    SourceError,
    SourceExhausted,
    StoreUnavailable,
    TasadorError,
)
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.ingestion.batch_file import write_parquet
from tasador.ingestion.read_ahead import reading_ahead
from tasador.ingestion.replay import catching_up, why_replay
from tasador.ingestion.stores import Say, Stores, open_stores
from tasador.machine.disk import writing_below
from tasador.machine.http import import_httpx
from tasador.machine.memory import keep_freed
from tasador.records.loop import Batch
from tasador.settings import Settings
from tasador.tracing import spans
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from tasador.source.client import SourceClient
    from tasador.warehouse.rows import RowFiles

_ATTEMPTS = 5
# After as many failures for one reason a batch is set aside.
_MOST_FAILURES = 3
_PAUSE = 0.5  # seconds before the first retry


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeResult:
    """What ``take`` got: a batch to ingest, one that is ingested already, or nothing more."""

    status: Literal["ingested", "repeated", "exhausted"]
    batch: Batch | None
    message: str


def take(settings: Settings, source_url: str, group: int, day: str, say: Say) -> TakeResult:
    """Take the next batch, and store its payload, its record, its rows and its Parquet file.

    A batch whose ingestion was interrupted is resumed before another one is requested. Concurrent
    runs on one source take turns. Raises SourceError, ServiceUnavailable or ConfigurationError.
    """
    settings.require("database_url")
    import_httpx()
    from tasador.source.client import SourceClient  # only this step talks to the source

    source = (source_url.rstrip("/"), group, day)
    # Retries happen here and are logged, because a broken answer may have used up a batch.
    client = SourceClient(*source, retries=0, say=say)
    with (
        open_stores(settings) as stores,
        stores.warehouse.lock("ingest from {} for group {} on {}".format(*source)),
    ):
        warehouse = stores.warehouse
        if unfinished := warehouse.unannounced_batches():
            return _resumed(unfinished[0])
        pauses = islice(backoff(_PAUSE), _ATTEMPTS - 1)
        while True:
            if why := why_replay(warehouse.fetches(*source)):
                say(f"restarting the source: {why}")
                SourceClient(*source, say=say).restart()
                warehouse.log_restart(*source)
            fetch_id = warehouse.begin_fetch(*source)
            batch = None
            try:
                batch = _fetch(client, source, stores, fetch_id, say)
            except SourceExhausted as exhausted:
                warehouse.finish_fetch(fetch_id, "exhausted")
                message = str(exhausted)
            except StoreUnavailable:
                raise  # the source did not break
            except ServiceUnavailable as error:
                # The source may have advanced anyway: the number of the next batch shows it.
                pause = next(pauses, None)
                if pause is None:
                    raise
                say(f"retrying: {error}")
                time.sleep(pause)
                continue
            history = warehouse.fetches(*source)
            if why_replay(history):
                continue
            unfinished = warehouse.unannounced_batches()
            if batch is not None and batch.batch_id in [other.batch_id for other in unfinished]:
                return TakeResult(
                    status="ingested", batch=batch, message=f"received {_describe(batch)}"
                )
            if batch is not None and catching_up(history):
                say(f"skipping {_describe(batch)}: already ingested")
            elif unfinished:
                return _resumed(unfinished[0])
            elif batch is not None:
                known = "set aside" if batch.set_aside_at else "already ingested"
                return TakeResult(
                    status="repeated", batch=batch, message=f"{_describe(batch)} {known}"
                )
            else:
                return TakeResult(status="exhausted", batch=None, message=message)


def _resumed(batch: Batch) -> TakeResult:
    return TakeResult(status="ingested", batch=batch, message=f"resuming {_describe(batch)}")


def _describe(batch: Batch) -> str:
    return f"batch {batch.batch_number} of {batch.source} ({batch.batch_id})"


def _fetch(
    client: SourceClient,
    source: tuple[str, int, str],
    stores: Stores,
    fetch_id: int,
    say: Say,
) -> Batch:
    """Fetch once. The batch is the known one with the same content, or a new one, which is ready.

    The answer is decoded once, while it is received: its rows wait in files until the payload and
    the row of the batch are stored.
    """
    from tasador.warehouse.rows import RowFiles

    warehouse = stores.warehouse
    with (
        _scratch() as scratch,
        RowFiles(scratch) as rows,
        reading_ahead(scratch / "columns.arrow", rows, say) as (ahead, pool),
    ):
        payload = scratch / "payload.json"
        number = client.fetch(payload, begun=ahead.begin).batch_number
        ahead.end()
        from tasador.ingestion import loading  # the reader has imported it meanwhile

        packed = pool.submit(loading.pack, payload, payload.with_suffix(".json.zst"))

        def fetched(batch_id: str) -> Batch:
            source_url, group, day = source
            correlation_id = f"corr-{uuid.uuid4().hex}"
            spans.join(correlation_id, begins=True)
            key, file = f"{batch_id}.json.zst", packed.result()
            batch = Batch(
                batch_id=batch_id,
                source=source_url,
                group_number=group,
                day=day,
                batch_number=number,
                correlation_id=correlation_id,
                raw_uri=stores.put(stores.bucket_raw, key, file, say),
            )
            stores.write(lambda w: w.finish_fetch(fetch_id, "received", batch, number), say)
            return batch

        try:
            batch_id = ahead.result().digest
        except SourceError as error:
            # Identified by its bytes. The same bytes would fail again, so the next batch is next.
            batch_id = f"unreadable-{loading.digest_of(payload)}"
            batch = warehouse.batch(batch_id) or fetched(batch_id)
            if batch.set_aside_at is None:
                _failed(batch, error, warehouse, say)
                raise
            warehouse.finish_fetch(fetch_id, "received", batch, number)
            return batch
        known = stores.write(lambda warehouse: warehouse.batch(batch_id), say)
        if known is not None:
            warehouse.finish_fetch(fetch_id, "received", known, number)
            return known
        return _stored(fetched(batch_id), rows, ahead.columns, stores, say)


def complete(settings: Settings, batch_id: str, say: Say) -> tuple[Batch, Event]:
    """Do what the batch still needs: its rows, its Parquet file, its event.

    Returns the event even if an earlier call published it; its id is the same.
    """
    settings.require("database_url", "broker_url")
    with open_stores(settings) as stores, stores.warehouse.lock(f"batch {batch_id}"):
        warehouse = stores.warehouse
        batch = _batch(warehouse, batch_id)
        if batch.status != "ready":
            try:
                batch = _read_again(batch, stores, say)
            except (SourceError, InvalidValue, ObjectLost) as error:
                _failed(batch, error, warehouse, say)
                raise
        event = build.batch_ingested(batch)
        if batch_id in [other.batch_id for other in warehouse.unannounced_batches()]:
            announce(event, settings)
            warehouse.mark_announced(batch_id)
            say(f"published {event.type}")
    return batch, event


def _failed(batch: Batch, error: Exception, warehouse: Warehouse, say: Say) -> None:
    """Count a failure that trying again does not help."""
    failed = warehouse.fail_batch(batch.batch_id, str(error), _MOST_FAILURES)
    if failed.set_aside_at is not None:
        say(
            f"{_describe(batch)} failed {failed.failures} times in the same way and is set aside: "
            f"`tasador batch retry {batch.batch_id}` tries it again"
        )


def skip(settings: Settings, batch_id: str) -> Batch:
    """Set a batch aside whose ingestion is unfinished; the batches after it are ingested."""
    return _decide(settings, batch_id, Warehouse.set_aside_batch)


def retry(settings: Settings, batch_id: str) -> Batch:
    """Let the next run of ingestion try a batch again that was set aside, or failed."""
    return _decide(settings, batch_id, Warehouse.retry_batch)


def _decide(settings: Settings, batch_id: str, decide: Callable[[Warehouse, str], Batch]) -> Batch:
    settings.require("database_url")
    with Warehouse(settings.database_url) as warehouse, warehouse.lock(f"batch {batch_id}"):
        batch = warehouse.batch(batch_id)
        if batch is None:
            raise TasadorError(
                f"there is no batch {batch_id}: `tasador batch list` shows their ids"
            )
        if batch.status == "ready":
            raise TasadorError(f"batch {batch_id} is ingested; see `tasador batch accept`")
        return decide(warehouse, batch_id)


def _read_again(batch: Batch, stores: Stores, say: Say) -> Batch:
    """Read the stored payload of a batch whose ingestion was interrupted."""
    from tasador.ingestion import loading
    from tasador.warehouse.rows import RowFiles

    with _scratch() as scratch:
        packed = scratch / batch.raw_uri.rpartition("/")[2]
        stores.lake.get_file(batch.raw_uri, packed)
        columns = scratch / "columns.arrow"
        with RowFiles(scratch) as files, loading.unpack(packed) as payload:
            loading.read_payload(payload, columns, files.add, say)
        return _stored(batch, files, columns, stores, say)


def _stored(batch: Batch, files: RowFiles, columns: Path, stores: Stores, say: Say) -> Batch:
    """Store the rows, and the clean ones as Parquet; the batch is ready then."""
    batch_id, file = batch.batch_id, columns.with_suffix(".parquet")

    def put_clean() -> str:
        write_parquet(columns, file, batch_id)
        return stores.put(stores.bucket_clean, f"{batch_id}.parquet", file, say)

    with ThreadPoolExecutor(1, "ingestion") as pool:
        put = pool.submit(put_clean)
        batch = stores.write(lambda warehouse: warehouse.store_rows(batch_id, files), say)
        say(
            f"{batch.rows_raw:,} rows: {batch.rows_clean:,} clean, "
            f"{batch.rows_quarantined:,} in quarantine"
        )
        clean_uri = put.result()
    ready = replace(batch, status="ready", clean_uri=clean_uri, ready_at=now())
    stores.write(lambda warehouse: warehouse.save_batch(ready), say)
    say(f"{batch.rows_clean:,} clean rows in {clean_uri}")
    return ready


@contextmanager
def _scratch() -> Iterator[Path]:
    """A temporary folder; raises DiskFull if there is no room in it."""
    keep_freed()
    with tempfile.TemporaryDirectory(prefix="tasador-ingest-") as folder, writing_below(folder):
        yield Path(folder)


def _batch(warehouse: Warehouse, batch_id: str) -> Batch:
    batch = warehouse.batch(batch_id)
    if batch is None:
        raise TasadorError(
            f"batch {batch_id} is not in ops.batches: was the database reset? Start a new run"
        )
    return batch


def as_json(batch: Batch) -> dict[str, Any]:
    """The batch as JSON values, for the flow's artifacts."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(batch).items()
    }
