"""The verbs of the ingest flow: take a batch from the source, validate its rows, store the clean.

Each verb may be killed at any point and called again. A batch is identified by the digest of its
content. A request to the source is logged before it is sent (see replay.py). The row of a batch in
ops.batches says which steps it still needs.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasador import tracing
from tasador.clock import backoff, now
from tasador.errors import ServiceUnavailable, SourceExhausted, TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.ingestion.batch_file import write_parquet
from tasador.ingestion.replay import catching_up, why_replay
from tasador.listings.listing import canonical_line
from tasador.records import Batch
from tasador.settings import Settings
from tasador.source.payload import read_payload_row, rows
from tasador.stores.lake import Lake
from tasador.warehouse.rows import ReadRow
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from tasador.source.client import SourceClient

Say = Callable[[str], None]

_ATTEMPTS = 5
_PAUSE = 0.5  # seconds before the first retry
_ROWS_PER_MESSAGE = 100_000
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeResult:
    """What ``take`` got: a batch to ingest, one that is ingested already, or nothing more."""

    status: Literal["ingested", "repeated", "exhausted"]
    batch: Batch | None
    message: str


def take(settings: Settings, source_url: str, group: int, day: str, say: Say) -> TakeResult:
    """Take the next batch: store its payload in the object store and its row in ops.batches.

    A batch whose ingestion was interrupted is resumed before another one is requested. Concurrent
    runs on one source take turns. Raises SourceError, ServiceUnavailable or ConfigurationError.
    """
    settings.require("database_url")
    lake = Lake(settings)
    from tasador.source.client import SourceClient  # only this step talks to the source

    source = (source_url.rstrip("/"), group, day)
    # Retries happen here and are logged, because a broken answer may have used up a batch.
    client = SourceClient(*source, retries=0)
    with (
        Warehouse(settings.database_url) as warehouse,
        warehouse.lock("ingest from {} for group {} on {}".format(*source)),
    ):
        if unfinished := warehouse.unannounced_batches():
            return _resumed(unfinished[0])
        pauses = islice(backoff(_PAUSE), _ATTEMPTS - 1)
        while True:
            if why := why_replay(warehouse.fetches(*source)):
                say(f"restarting the source: {why}")
                SourceClient(*source).restart()
                warehouse.log_restart(*source)
            fetch_id = warehouse.begin_fetch(*source)
            batch = None
            try:
                number, batch = _fetch(client, source, lake, warehouse, settings.bucket_raw)
            except SourceExhausted as exhausted:
                warehouse.finish_fetch(fetch_id, "exhausted")
                message = str(exhausted)
            except ServiceUnavailable as error:
                # The source may have advanced anyway: the number of the next batch shows it.
                pause = next(pauses, None)
                if pause is None:
                    raise
                say(f"retrying: {error}")
                time.sleep(pause)
                continue
            else:
                warehouse.finish_fetch(fetch_id, "received", batch, number)
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
                return TakeResult(
                    status="repeated", batch=batch, message=f"{_describe(batch)} already ingested"
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
    lake: Lake,
    warehouse: Warehouse,
    bucket: str,
) -> tuple[int, Batch]:
    """Fetch once: the batch number in the answer, and the batch.

    The batch is the known one with the same content, or a new one whose payload is stored.
    """
    with tempfile.TemporaryDirectory(prefix="tasador-take-") as scratch:
        payload = Path(scratch) / "payload.json"
        number = client.fetch(payload).batch_number
        digest = hashlib.blake2b(digest_size=16)
        for row in rows(payload):
            digest.update(canonical_line(*read_payload_row(row)))
        batch_id = digest.hexdigest()
        if known := warehouse.batch(batch_id):
            return number, known
        zipped = Path(scratch) / "payload.json.gz"
        with payload.open("rb") as plain, gzip.open(zipped, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed, _COPY_BYTES)
        raw_uri = lake.put_file(bucket, f"{batch_id}.json.gz", zipped)
    source_url, group, day = source
    correlation_id = f"corr-{uuid.uuid4().hex}"
    tracing.join(correlation_id, begins=True)
    return number, Batch(
        batch_id=batch_id,
        source=source_url,
        group_number=group,
        day=day,
        batch_number=number,
        correlation_id=correlation_id,
        raw_uri=raw_uri,
    )


def validate(settings: Settings, batch_id: str, say: Say) -> Batch:
    """Read every row of the payload into raw.raw_data, and clean.clean_data or ops.quarantine.

    One transaction, in bounded memory. Returns the batch with its counts. Does nothing if the
    batch is validated already.
    """
    settings.require("database_url")
    lake = Lake(settings)
    with (
        Warehouse(settings.database_url) as warehouse,
        warehouse.lock(f"batch {batch_id}"),
        tempfile.TemporaryDirectory(prefix="tasador-validate-") as scratch,
    ):
        batch = _batch(warehouse, batch_id)
        if batch.status != "fetched":
            say(f"{_describe(batch)} is validated already")
            return batch
        payload = Path(scratch) / "payload.json"
        zipped = lake.get_file(batch.raw_uri, Path(scratch) / "payload.json.gz")
        with gzip.open(zipped) as packed, payload.open("wb") as plain:
            shutil.copyfileobj(packed, plain, _COPY_BYTES)
        batch = warehouse.store_rows(batch, _read(payload, say))
    say(
        f"{batch.rows_raw:,} rows: {batch.rows_clean:,} clean, "
        f"{batch.rows_quarantined:,} in quarantine"
    )
    return batch


def _read(payload: Path, say: Say) -> Iterator[ReadRow]:
    for number, row in enumerate(rows(payload)):
        yield ReadRow(number, row.raw, *read_payload_row(row))
        if (number + 1) % _ROWS_PER_MESSAGE == 0:
            say(f"{number + 1:,} rows read")


def store(settings: Settings, batch_id: str, say: Say) -> tuple[Batch, Event]:
    """Write the clean rows to the object store as Parquet and publish the event of the batch.

    Returns the event even if an earlier call published it; its id is the same.
    """
    settings.require("database_url", "broker_url")
    lake = Lake(settings)
    with Warehouse(settings.database_url) as warehouse, warehouse.lock(f"batch {batch_id}"):
        batch = _batch(warehouse, batch_id)
        if batch.status == "fetched":
            raise TasadorError(f"{_describe(batch)} is not validated yet")
        if batch.status == "validated":
            batch = _stored(batch, lake, warehouse, settings.bucket_clean)
            say(f"{batch.rows_clean:,} clean rows in {batch.clean_uri}")
        event = build.batch_ingested(batch)
        if batch_id in [other.batch_id for other in warehouse.unannounced_batches()]:
            announce(event, settings)
            warehouse.mark_announced(batch_id)
            say(f"published {event.type}")
    return batch, event


def _stored(batch: Batch, lake: Lake, warehouse: Warehouse, bucket: str) -> Batch:
    with tempfile.TemporaryDirectory(prefix="tasador-store-") as scratch:
        csv, file = Path(scratch) / "clean.csv", Path(scratch) / "clean.parquet"
        with csv.open("w", encoding="utf-8", newline="") as out:
            warehouse.copy_clean(batch.batch_id, out)
        write_parquet(csv, file)
        clean_uri = lake.put_file(bucket, f"{batch.batch_id}.parquet", file)
    ready = replace(batch, status="ready", clean_uri=clean_uri, ready_at=now())
    warehouse.save_batch(ready)
    return ready


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
