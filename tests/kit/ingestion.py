"""A separate database and source for a test, and what must hold after every ingestion."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import numpy as np
import psycopg2

from tasador.ingestion import verbs
from tasador.listings.listing import COLUMNS, read_row
from tasador.listings.table import columns_of, frame_of
from tasador.settings import Settings
from tasador.source.server import SourceServer, build_app
from tasador.source.stored import StoredBatch
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse


@contextmanager
def own_database(platform: Settings) -> Iterator[Settings]:
    """The platform's settings with an empty, migrated database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = psycopg2.connect(platform.database_url)
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(f"create database {name} template {_migrated(platform, cursor)}")
            yield platform._replace(database_url=_url(platform, name))
            cursor.execute(f"drop database {name} with (force)")
    finally:
        admin.close()


def _migrated(platform: Settings, admin: Any) -> str:
    """The name of a migrated database to copy, made once: a migration takes seconds."""
    name = "migrated"
    admin.execute("select 1 from pg_database where datname = %s", (name,))
    if admin.fetchone() is None:
        admin.execute(f"drop database if exists new_{name}")
        admin.execute(f"create database new_{name}")
        with Warehouse(_url(platform, f"new_{name}")) as warehouse:
            warehouse.migrate()
        admin.execute(f"alter database new_{name} rename to {name}")
    return name


def _url(platform: Settings, name: str) -> str:
    return urlsplit(platform.database_url)._replace(path=f"/{name}").geturl()


@dataclass
class Source:
    """A source server that advances with each request or, with ``every_seconds``, with ``time``.

    It breaks off the answers to the requests numbered in ``breaks`` (from 0), and holds back every
    answer until ``go`` is set. ``requests`` counts the requests for a batch.
    """

    batches: list[list[dict[str, object]]]
    form: str = "object"
    every_seconds: float = 0.0
    breaks: set[int] = field(default_factory=set)
    requests: int = 0
    restarts: int = 0
    time: float = 0.0
    url: str = ""
    go: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def serving(self) -> Iterator["Source"]:
        stored = [StoredBatch.of(rows, self.form) for rows in self.batches]
        app = build_app(stored, every_seconds=self.every_seconds, clock=lambda: self.time)
        self.go.set()
        server = SourceServer(self._breaking(app), "127.0.0.1", 0)
        self.url = server.url
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield self
        finally:
            self.go.set()
            server.should_exit = True
            thread.join()
            for batch in stored:
                batch.close()

    def _breaking(self, app):
        async def asgi(scope, receive, send):
            if scope["path"] == "/restart_data_generation":
                self.restarts += 1
            if scope["path"] != "/data":
                return await app(scope, receive, send)
            number, self.requests = self.requests, self.requests + 1

            async def half(message):
                body = message.get("body", b"")
                if len(body) > 1000:
                    await send({**message, "body": body[: len(body) // 2], "more_body": True})
                    raise ConnectionError("broken on purpose")
                await send(message)

            await anyio.to_thread.run_sync(self.go.wait)
            return await app(scope, receive, half if number in self.breaks else send)

        return asgi


def ingest_one(settings, url, say=lambda text: None):
    """One ingestion by its verbs, as the flow's steps call them; returns what was fetched."""
    taken = verbs.take(settings, url, 5, "Tuesday", say)
    if taken.status == "ingested":
        verbs.complete(settings, taken.batch.batch_id, say)
    return taken


def ingest_all(settings, url, most=30):
    """Ingest until the source is exhausted; returns the statuses."""
    statuses = []
    while not statuses or statuses[-1] != "exhausted":
        statuses.append(ingest_one(settings, url).status)
        assert len(statuses) < most, statuses
    return statuses


def assert_ingested_once(settings, batches):
    """Every row of the batches is in the warehouse and the lake exactly once, unchanged."""
    with Warehouse(settings.database_url) as warehouse:
        ready = warehouse.batches(status="ready")
        assert sorted(b.batch_number for b in ready) == list(range(len(batches)))
        assert warehouse.unannounced_batches() == []
    connection = psycopg2.connect(settings.database_url)
    try:
        for batch in ready:
            read = [read_row(raw) for raw in batches[batch.batch_number]]
            clean = [listing for listing, problems in read if not problems]
            with connection.cursor() as cursor:
                counts = []
                for table in ("raw.raw_data", "clean.clean_data", "ops.quarantine"):
                    cursor.execute(
                        f"select count(*) from {table} where batch_id = %s", (batch.batch_id,)
                    )
                    counts.append(cursor.fetchone()[0])
            assert counts == [len(read), len(clean), len(read) - len(clean)]
            assert counts == [batch.rows_raw, batch.rows_clean, batch.rows_quarantined]
            assert_same_listings(Lake(settings).read_parquet(batch.clean_uri), frame_of(clean))
    finally:
        connection.close()


def assert_same_listings(stored, sent):
    """The frames hold the same listings in the same order."""
    assert len(stored) == len(sent)
    left, right = columns_of(stored), columns_of(sent)
    for name in COLUMNS:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    assert list(stored["property_key"]) == list(sent["property_key"])
    assert list(stored["holdout"]) == list(sent["holdout"])
