"""The verbs of the ingest flow: take a batch from the source, validate its rows, store the clean.

Each may be killed at any point and called again. A batch is known by the digest of its content, a
question to the source is written down before it is asked (see replay.py), and what a batch still
needs is read from its row in ops.batches.
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
from pathlib import Path
from typing import Any, Literal

from tasador.clock import now
from tasador.errors import ServiceUnavailable, SourceExhausted, TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.ingestion.batch_file import write_parquet
from tasador.ingestion.replay import catching_up, why_replay
from tasador.listings.listing import canonical_line, read_row
from tasador.records import Batch
from tasador.settings import Settings
from tasador.source import SourceClient, rows
from tasador.stores.lake import Lake
from tasador.warehouse.rows import ReadRow
from tasador.warehouse.warehouse import Warehouse

Say = Callable[[str], None]

_TRIES = 5
_PAUSE = 0.5  # seconds, before the first try again
_TOLD_EVERY = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the source gave: a batch to go on with, one met before, or nothing more."""

    status: Literal["ingested", "repeated", "exhausted"]
    batch: Batch | None
    says: str


def take(settings: Settings, source_url: str, group: int, day: str, say: Say) -> Taken:
    """Take the next batch: its payload into the object store, its row into ops.batches.

    A batch whose ingestion broke off is carried on before the source is asked for another. Runs
    on one source take turns. Raises SourceError, ServiceUnavailable or ConfigurationError.
    """
    settings.require("database_url")
    lake = Lake(settings)
    asked = (source_url.rstrip("/"), group, day)
    # Trying again is done here: a broken answer may have used up a batch, and goes into the log.
    client = SourceClient(*asked, retries=0)
    with (
        Warehouse(settings.database_url) as warehouse,
        warehouse.lock("ingest from {} for group {} on {}".format(*asked)),
    ):
        if waiting := warehouse.unannounced_batches():
            return _carried_on(waiting[0])
        tries = 0
        while True:
            if why := why_replay(warehouse.fetches(*asked)):
                say(f"asking the source to begin again: {why}")
                SourceClient(*asked).restart()
                warehouse.log_restart(*asked)
            fetch_id = warehouse.begin_fetch(*asked)
            batch = None
            try:
                number, batch = _ask(client, asked, lake, warehouse, settings.bucket_raw)
            except SourceExhausted as used_up:
                warehouse.finish_fetch(fetch_id, "exhausted")
                says = str(used_up)
            except ServiceUnavailable as broken:
                # The source may have moved on all the same: the number of the next batch tells.
                tries += 1
                if tries == _TRIES:
                    raise
                say(f"asking again: {broken}")
                time.sleep(_PAUSE * 2 ** (tries - 1))
                continue
            else:
                warehouse.finish_fetch(fetch_id, "received", batch, number)
            history = warehouse.fetches(*asked)
            if why_replay(history):
                continue
            waiting = warehouse.unannounced_batches()
            if batch is not None and batch.batch_id in [one.batch_id for one in waiting]:
                return Taken(status="ingested", batch=batch, says=f"took {_told(batch)}")
            if batch is not None and catching_up(history):
                say(f"skipping {_told(batch)}: it is known")
            elif waiting:
                return _carried_on(waiting[0])
            elif batch is not None:
                return Taken(status="repeated", batch=batch, says=f"{_told(batch)} is known")
            else:
                return Taken(status="exhausted", batch=None, says=says)


def _carried_on(batch: Batch) -> Taken:
    return Taken(status="ingested", batch=batch, says=f"carrying on {_told(batch)}")


def _told(batch: Batch) -> str:
    return f"batch {batch.batch_number} of {batch.source} ({batch.batch_id})"


def _ask(
    client: SourceClient, asked: tuple[str, int, str], lake: Lake, warehouse: Warehouse, bucket: str
) -> tuple[int, Batch]:
    """Ask once: the number it came under, and the batch as it is known or with its payload kept."""
    with tempfile.TemporaryDirectory(prefix="tasador-take-") as scratch:
        payload = Path(scratch) / "payload.json"
        number = client.fetch(payload).batch_number
        digest = hashlib.blake2b(digest_size=16)
        for raw in rows(payload):
            digest.update(canonical_line(*read_row(raw)))
        batch_id = digest.hexdigest()
        if known := warehouse.batch(batch_id):
            return number, known
        zipped = Path(scratch) / "payload.json.gz"
        with payload.open("rb") as plain, gzip.open(zipped, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        raw_uri = lake.put_file(bucket, f"{batch_id}.json.gz", zipped)
    source, group, day = asked
    return number, Batch(
        batch_id=batch_id,
        source=source,
        group_number=group,
        day=day,
        batch_number=number,
        correlation_id=f"corr-{uuid.uuid4().hex}",
        raw_uri=raw_uri,
    )


def validate(settings: Settings, batch_id: str, say: Say) -> Batch:
    """Read every row of the payload into raw.raw_data, and clean.clean_data or ops.quarantine.

    One transaction, memory bounded. Returns the batch with its counts. Nothing happens to a batch
    that is validated already.
    """
    settings.require("database_url")
    lake = Lake(settings)
    with (
        Warehouse(settings.database_url) as warehouse,
        warehouse.lock(f"batch {batch_id}"),
        tempfile.TemporaryDirectory(prefix="tasador-validate-") as scratch,
    ):
        batch = _known(warehouse, batch_id)
        if batch.status != "fetched":
            say(f"{_told(batch)} is validated already")
            return batch
        payload = Path(scratch) / "payload.json"
        zipped = lake.get_file(batch.raw_uri, Path(scratch) / "payload.json.gz")
        with gzip.open(zipped) as packed, payload.open("wb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
        batch = warehouse.store_rows(batch, _read(payload, say))
    say(
        f"{batch.rows_raw:,} rows: {batch.rows_clean:,} clean, "
        f"{batch.rows_quarantined:,} in quarantine"
    )
    return batch


def _read(payload: Path, say: Say) -> Iterator[ReadRow]:
    for number, raw in enumerate(rows(payload)):
        yield ReadRow(number, raw, *read_row(raw))
        if (number + 1) % _TOLD_EVERY == 0:
            say(f"{number + 1:,} rows read")


def store(settings: Settings, batch_id: str, say: Say) -> tuple[Batch, Event]:
    """Write the clean rows to the object store as Parquet and tell the broker of the batch.

    The event is returned also where an earlier call published it: its id is the same.
    """
    settings.require("database_url", "broker_url")
    lake = Lake(settings)
    with Warehouse(settings.database_url) as warehouse, warehouse.lock(f"batch {batch_id}"):
        batch = _known(warehouse, batch_id)
        if batch.status == "fetched":
            raise TasadorError(f"{_told(batch)} is not validated yet")
        if batch.status == "validated":
            batch = _stored(batch, lake, warehouse, settings.bucket_clean)
            say(f"{batch.rows_clean:,} clean rows in {batch.clean_uri}")
        event = build.batch_ingested(batch)
        if batch_id in [waiting.batch_id for waiting in warehouse.unannounced_batches()]:
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


def _known(warehouse: Warehouse, batch_id: str) -> Batch:
    batch = warehouse.batch(batch_id)
    if batch is None:
        raise TasadorError(
            f"batch {batch_id} is not in ops.batches: was the database emptied? Start a new run"
        )
    return batch


def as_json(batch: Batch) -> dict[str, Any]:
    """The batch as JSON values, for the flow's artifacts."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(batch).items()
    }
