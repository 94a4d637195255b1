"""Ingestion on the real platform: no batch is lost or duplicated, whatever fails."""

import gzip
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psycopg2
import pytest

from tasador.errors import (
    ConfigurationError,
    DiskFull,
    InvalidValue,
    ServiceUnavailable,
    SourceError,
    StoreUnavailable,
    TasadorError,
)
from tasador.ingestion import loading, stores, verbs
from tasador.source.refusals import USED_UP
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse
from tests.kit.flows import Flow, artifacts, card_text
from tests.kit.ingestion import Source, assert_ingested_once, ingest_all, ingest_one, own_database
from tests.kit.listings import raw_batches
from tests.kit.source import http, scripted

BATCHES = raw_batches()


@pytest.fixture
def settings(platform):
    with own_database(platform) as own:
        Lake(own).ensure_buckets()
        yield own


def fetches(settings, url):
    with Warehouse(settings.database_url) as warehouse:
        return [f.outcome for f in warehouse.fetches(url, 5, "Tuesday")]


def test_ingest_all_batches_until_exhausted(settings):
    with Source(BATCHES).serving() as source:
        assert ingest_all(settings, source.url) == ["ingested"] * 3 + ["exhausted"]
        assert ingest_one(settings, source.url).status == "exhausted"
        assert source.restarts == 0
    assert_ingested_once(settings, BATCHES)


def test_same_content_from_another_source_is_repeated(settings):
    with Source(BATCHES).serving() as source:
        ingest_all(settings, source.url)
        assert_ingested_once(settings, BATCHES)
    with Source(BATCHES, form="list").serving() as source:
        statuses = ingest_all(settings, source.url)
    assert statuses == ["repeated"] * 3 + ["exhausted"]
    assert_ingested_once(settings, BATCHES)


def test_source_on_a_clock_returns_batches_twice(settings):
    with Source(BATCHES, every_seconds=300).serving() as source:
        statuses = []
        for _ in range(8):
            statuses.append(ingest_one(settings, source.url).status)
            source.time += 160
        assert statuses == ["ingested", "repeated"] * 3 + ["exhausted"] * 2
        assert source.restarts == 0
    assert_ingested_once(settings, BATCHES)


@pytest.mark.parametrize(
    "breaks", [{0}, {1}, {2}, {0, 1, 2, 4}], ids=["first", "middle", "last", "many"]
)
def test_broken_answer_is_replayed(settings, breaks, monkeypatch):
    monkeypatch.setattr(verbs, "_PAUSE", 0.01)
    with Source(BATCHES, breaks=breaks).serving() as source:
        assert "exhausted" in ingest_all(settings, source.url)
        assert source.restarts >= 1
    assert_ingested_once(settings, BATCHES)


def test_batch_fetched_by_another_client_is_replayed(settings):
    with Source(BATCHES).serving() as source:
        ingest_one(settings, source.url)
        httpx.get(f"{source.url}/data?group_number=5&day=Tuesday").raise_for_status()
        messages = []
        first = ingest_one(settings, source.url, messages.append)
        assert first.batch.batch_number == 1
        assert any("batch 1 before it never did" in message for message in messages)
        ingest_all(settings, source.url)
        assert source.restarts == 1
    assert_ingested_once(settings, BATCHES)


def test_exhausted_source_is_restarted_once(settings):
    with Source(BATCHES).serving() as source:
        for _ in range(3):
            httpx.get(f"{source.url}/data?group_number=5&day=Tuesday").raise_for_status()
        assert ingest_all(settings, source.url) == ["ingested"] * 3 + ["exhausted"]
        assert source.restarts == 1


def test_broken_answer_of_a_source_on_a_clock(settings, monkeypatch):
    monkeypatch.setattr(verbs, "_PAUSE", 0.01)
    with Source(BATCHES, every_seconds=300, breaks={1}).serving() as source:
        ingest_one(settings, source.url)
        source.time += 301
        # A second request gets the same batch, so no restart is needed.
        assert ingest_one(settings, source.url).batch.batch_number == 1
        assert source.restarts == 0


@pytest.mark.parametrize("last", [False, True])
def test_crash_between_object_store_and_database(settings, monkeypatch, last):
    def crash(*_, **__):
        raise KeyboardInterrupt

    with Source(BATCHES).serving() as source:
        for _ in range(2 if last else 0):
            ingest_one(settings, source.url)
        with monkeypatch.context() as patch:
            patch.setattr(Warehouse, "finish_fetch", crash)
            with pytest.raises(KeyboardInterrupt):
                ingest_one(settings, source.url)
        assert fetches(settings, source.url)[-1] is None
        ingest_all(settings, source.url)
        assert source.restarts == 1
    assert_ingested_once(settings, BATCHES)


KILLS = {
    "before the payload": (Lake, "put_file"),
    "before the row of the batch": (Warehouse, "finish_fetch"),
    "before the rows": (Warehouse, "store_rows"),
    "before the Parquet file": (verbs, "write_parquet"),
    "before ready": (Warehouse, "save_batch"),
    "before the event": (verbs, "announce"),
    "before announced": (Warehouse, "mark_announced"),
}


@pytest.mark.parametrize("kill", KILLS)
def test_crash_between_any_two_writes_is_completed_by_a_new_run(settings, monkeypatch, kill):
    def crash(*_, **__):
        raise KeyboardInterrupt

    with Source(BATCHES).serving() as source:
        with monkeypatch.context() as patch:
            patch.setattr(*KILLS[kill], crash)
            with pytest.raises(KeyboardInterrupt):
                ingest_one(settings, source.url)
        with Warehouse(settings.database_url) as warehouse:
            known = warehouse.batches()
        again = ingest_one(settings, source.url)
        assert again.status == "ingested"
        for batch in known:
            assert again.batch.batch_id == batch.batch_id
            assert again.batch.correlation_id == batch.correlation_id
        ingest_all(settings, source.url)
        # Without its row, the batch was lost on the way, and the source was restarted.
        assert source.restarts == (0 if known else 1)
    assert_ingested_once(settings, BATCHES)


def test_an_object_store_that_is_away_for_a_moment_costs_no_request(settings, monkeypatch):
    put, away, messages = Lake.put_file, [1, 1, 1], []

    def put_file(*args):
        if away:
            away.pop()
            raise StoreUnavailable("no answer")
        return put(*args)

    monkeypatch.setattr(stores, "_STORE_PAUSE", 0.01)
    monkeypatch.setattr(Lake, "put_file", put_file)
    with Source(BATCHES[:1]).serving() as source:
        assert ingest_one(settings, source.url, messages.append).status == "ingested"
        assert source.requests == 1
    assert messages[:3] == ["waiting for the object store: no answer"] * 3
    assert_ingested_once(settings, BATCHES[:1])


@pytest.mark.parametrize("write", ["batch", "finish_fetch", "store_rows", "save_batch"])
def test_a_database_that_is_away_for_a_moment_costs_no_request(settings, monkeypatch, write):
    real, away, messages = getattr(Warehouse, write), [1, 1, 1], []

    def broken(*args):
        if away:
            away.pop()
            raise StoreUnavailable("no answer")
        return real(*args)

    monkeypatch.setattr(stores, "_STORE_PAUSE", 0.01)
    monkeypatch.setattr(Warehouse, write, broken)
    with Source(BATCHES[:1]).serving() as source:
        assert ingest_one(settings, source.url, messages.append).status == "ingested"
        assert source.requests == 1
    assert messages.count("waiting for the database: no answer") == 3
    assert_ingested_once(settings, BATCHES[:1])


def test_an_object_store_that_stays_away_is_reported_and_the_source_is_not_asked_again(
    settings, monkeypatch
):
    def put_file(*_):
        raise StoreUnavailable("no answer")

    with Source(BATCHES[:1]).serving() as source:
        with monkeypatch.context() as patch:
            patch.setattr(stores, "_STORE_AWAY", 0.0)
            patch.setattr(Lake, "put_file", put_file)
            with pytest.raises(StoreUnavailable, match="no answer"):
                ingest_one(settings, source.url)
        assert source.requests == 1
        ingest_all(settings, source.url)
    assert_ingested_once(settings, BATCHES[:1])


@pytest.mark.parametrize("write", ["pack", "read_payload", "write_parquet"])
def test_a_full_disk_leaves_the_batch_to_be_taken_when_there_is_room(
    settings, monkeypatch, tmp_path, write
):
    def full(*_):
        with Path("/dev/full").open("wb") as file:
            file.write(b"x" * 100_000)

    with Source(BATCHES).serving() as source:
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(tmp_path))
            patch.setattr(verbs if write == "write_parquet" else loading, write, full)
            with pytest.raises(DiskFull, match=r"the disk of \S+ is full .*: delete files there"):
                ingest_one(settings, source.url)
        assert list(tmp_path.iterdir()) == []
        ingest_all(settings, source.url)
    assert_ingested_once(settings, BATCHES)


def test_payload_of_an_older_version_is_read(settings, monkeypatch):
    def crash(*_, **__):
        raise KeyboardInterrupt

    with Source(BATCHES[:1]).serving() as source:
        with monkeypatch.context() as patch:
            patch.setattr(Warehouse, "store_rows", crash)
            with pytest.raises(KeyboardInterrupt):
                ingest_one(settings, source.url)
        lake = Lake(settings)
        with Warehouse(settings.database_url) as warehouse:
            (batch,) = warehouse.batches()
            with TemporaryDirectory() as folder:
                path = lake.get_file(batch.raw_uri, Path(folder) / "payload.json.zst")
                with loading.unpack(path) as file:
                    content = gzip.compress(file.read())
            uri = lake.put_bytes(settings.bucket_raw, f"{batch.batch_id}.json.gz", content)
            warehouse.save_batch(replace(batch, raw_uri=uri))
        ingest_all(settings, source.url)
    assert_ingested_once(settings, BATCHES[:1])


def test_storing_a_batch_twice_publishes_the_same_event(settings):
    with Source(BATCHES).serving() as source:
        batch = ingest_one(settings, source.url).batch
    ready, event = verbs.complete(settings, batch.batch_id, print)
    assert verbs.complete(settings, batch.batch_id, print) == (ready, event)
    assert event.id == f"batch-{batch.batch_id}"
    assert event.correlation_id == batch.correlation_id


def test_unreachable_broker_leaves_the_batch_to_the_next_run(settings):
    deaf = settings._replace(broker_url="http://127.0.0.1:9/broker")
    with Source(BATCHES[:1]).serving() as source:
        with pytest.raises(ServiceUnavailable, match=r"tasador\.batch\.ingested"):
            ingest_one(deaf, source.url)
        assert ingest_all(settings, source.url) == ["ingested", "exhausted"]
    assert_ingested_once(settings, BATCHES[:1])


def test_two_concurrent_ingestions(settings):
    with Source(BATCHES).serving() as source, ThreadPoolExecutor(2) as pool:
        running = [pool.submit(ingest_all, settings, source.url) for _ in range(2)]
        for future in running:
            assert future.result()[-1] == "exhausted"
        assert source.restarts == 0
    assert_ingested_once(settings, BATCHES)


def test_batches_without_rows_and_with_refused_rows_only(settings):
    batches = [[], [{"price": None, "city": "Ponce"}, {"price": -1}]]
    with Source(batches).serving() as source:
        assert ingest_all(settings, source.url) == ["ingested"] * 2 + ["exhausted"]
    assert_ingested_once(settings, batches)


def test_one_bad_row_of_each_kind_goes_to_quarantine_and_the_others_are_ingested(settings):
    good = '{"price": 1000, "city": "Ponce"}'
    deep = "[" * 100_000 + "]" * 100_000
    bad = {
        "bed": '{"price": 1, "bed": 1e999}',
        "bath": '{"price": 1, "bath": 1, "bath": 2}',
        "acre_lot": '{"price": 1, "acre_lot": 12345678901234567890}',
        "street": '{"price": 1, "street": "\\ud800"}',
        "city": '{"price": 1, "city": "\\u0000"}',
        "state": f'{{"price": 1, "state": {deep}}}',
        "\\udc00": '{"price": 1, "\\udc00": NaN}',
        "row": "{price: 1}",
    }
    texts = [good, '{"price": 1, "bed": NaN}', *bad.values(), good]
    body = '{"group_number": 5, "batch_number": 0, "data": [' + ",".join(texts) + "]}"
    with scripted(http(200, b"\xef\xbb\xbf" + body.encode())) as (url, _):
        batch = ingest_one(settings, url).batch
    with Warehouse(settings.database_url) as warehouse:
        stored = warehouse.batch(batch.batch_id)
        reasons = warehouse.quarantine_reasons(batch.batch_id)
    assert (stored.rows_raw, stored.rows_clean, stored.rows_quarantined) == (11, 3, 8)
    assert sorted(field for field, *_ in reasons) == sorted(bad)
    with psycopg2.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from raw.raw_data where batch_id = %s", (batch.batch_id,))
        assert cursor.fetchone() == (11,)


def answer(number, rows):
    head = f'{{"group_number": 5, "day": "Tuesday", "batch_number": {number}, "data": '
    return http(200, f"{head}[{rows}]}}".encode())


def test_a_batch_that_cannot_be_read_is_set_aside_and_the_next_one_is_ingested(settings):
    messages = []
    broken = answer(0, '{"price": 1}, {"price": 2} {"price": 3}')
    good = answer(1, '{"price": 1, "city": "Ponce"}')
    used_up = http(400, {"detail": USED_UP})
    with scripted(broken, good, broken, used_up) as (url, requests):
        for failures in (1, 2, 3):
            with pytest.raises(SourceError, match=r"at byte \d+, row 1: ',' is expected"):
                ingest_one(settings, url, messages.append)
            with Warehouse(settings.database_url) as warehouse:
                (batch,) = warehouse.batches()
            assert batch.failures == failures
            assert (batch.set_aside_at is None) == (failures < 3)
        assert len(requests) == 1  # the payload was kept
        assert f"tasador batch retry {batch.batch_id}" in messages[-1]
        assert "row 1: ',' is expected" in batch.failure

        taken = ingest_one(settings, url)
        assert (taken.status, taken.batch.batch_number) == ("ingested", 1)
        # The source sends it again, byte by byte the same.
        again = ingest_one(settings, url)
        assert (again.status, again.batch.batch_id) == ("repeated", batch.batch_id)
        assert "set aside" in again.message
        assert ingest_one(settings, url).status == "exhausted"

        assert verbs.retry(settings, batch.batch_id).failures == 0
        with pytest.raises(SourceError):
            ingest_one(settings, url)
        assert verbs.skip(settings, batch.batch_id) == verbs.skip(settings, batch.batch_id)
        assert ingest_one(settings, url).status == "exhausted"
        with pytest.raises(TasadorError, match="is ingested"):
            verbs.skip(settings, taken.batch.batch_id)
        with pytest.raises(TasadorError, match="there is no batch b9"):
            verbs.retry(settings, "b9")


def test_a_batch_whose_rows_the_database_refuses_is_set_aside_and_can_be_tried_again(
    settings, monkeypatch
):
    def refuse(*_):
        raise InvalidValue("the database refuses a value")

    with Source(BATCHES).serving() as source:
        with monkeypatch.context() as patch:
            patch.setattr(Warehouse, "store_rows", refuse)
            for _ in range(4):
                with pytest.raises(InvalidValue):
                    ingest_one(settings, source.url)
        with Warehouse(settings.database_url) as warehouse:
            (batch,) = warehouse.batches()
        assert batch.set_aside_at is not None
        assert [ingest_one(settings, source.url).batch.batch_number for _ in range(2)] == [1, 2]
        verbs.retry(settings, batch.batch_id)
        assert ingest_one(settings, source.url).batch.batch_number == 0
        ingest_all(settings, source.url)
    assert_ingested_once(settings, BATCHES)


# -- the flow itself ------------------------------------------------------------------------------


# Metaflow's own yaml looks for libyaml under its old name.
@pytest.mark.filterwarnings("ignore:The _yaml extension module:DeprecationWarning")
def test_ingest_flow_artifacts_and_card(settings, tmp_path, checkout, monkeypatch):
    with Source(BATCHES).serving() as source:
        flow_settings = settings._replace(source_url=source.url)
        code, output = Flow("ingest", flow_settings, tmp_path, checkout, "run").end()
        assert code == 0, output
        data = artifacts("IngestFlow", tmp_path, monkeypatch)
        with Warehouse(settings.database_url) as warehouse:
            (batch,) = warehouse.batches(status="ready")
        assert data.status == "ingested"
        assert data.batch_id == batch.batch_id
        assert data.correlation_id == batch.correlation_id
        assert data.batch == verbs.as_json(batch)
        (event,) = data.events
        assert event["type"] == "tasador.batch.ingested"
        assert event["correlationid"] == batch.correlation_id
        assert event["data"]["rows_clean"] == batch.rows_clean

        card = card_text("ingest", "end", tmp_path, checkout)
        assert batch.correlation_id in card
        assert "Quarantine reasons" in card
        assert "data:image/png" in card

        ingest_all(settings, source.url)
        code, output = Flow(
            "ingest", settings, tmp_path, checkout, "run", "--source-url", source.url
        ).end()
        assert code == 0, output
        data = artifacts("IngestFlow", tmp_path, monkeypatch)
        assert (data.status, data.batch, data.events) == ("exhausted", None, [])


@contextmanager
def inserts_blocked(settings):
    """Block inserts into raw.raw_data; yields a function: is an insert waiting?"""
    with psycopg2.connect(settings.database_url) as holder, holder.cursor() as cursor:
        cursor.execute("lock table raw.raw_data in share mode")

        def is_waiting():
            cursor.execute(
                "select 1 from pg_locks join pg_database on pg_database.oid = database"
                " where datname = current_database() and not granted"
                " and relation = 'raw.raw_data'::regclass"
            )
            return cursor.fetchone() is not None

        yield is_waiting
        holder.rollback()
    holder.close()


@pytest.mark.parametrize(
    ("step", "how"),
    [
        ("start", "new run"),
        ("start", "resume"),
        ("rows", "new run"),
        ("rows", "resume"),
        ("end", "resume"),
    ],
)
def test_ingest_flow_killed_at_a_step(settings, tmp_path, checkout, step, how):
    batches = raw_batches(2)
    blocked = inserts_blocked(settings) if step == "rows" else nullcontext()
    with Source(batches).serving() as source:
        flow_settings = settings._replace(source_url=source.url)
        if step == "start":
            source.go.clear()  # no answer until the flow is killed
        run_id = tmp_path / "run-id"
        with blocked as is_waiting:
            flow = Flow(
                "ingest", flow_settings, tmp_path, checkout, "run", "--run-id-file", str(run_id)
            )
            reached = {
                "start": lambda: source.requests == 1 and None in fetches(settings, source.url),
                "rows": is_waiting,
                "end": lambda: any("/end/" in line for line in flow.lines),
            }
            flow.wait_until(reached[step])
            flow.kill()
        source.go.set()
        if how == "resume":
            second = Flow(
                "ingest",
                flow_settings,
                tmp_path,
                checkout,
                "resume",
                "--origin-run-id",
                run_id.read_text(),
            )
        else:
            second = Flow("ingest", flow_settings, tmp_path, checkout, "run")
        code, output = second.end()
        assert code == 0, output
        ingest_all(settings, source.url)
    assert_ingested_once(settings, batches)


def test_ingest_flow_without_source_url(tmp_path, checkout, platform):
    code, output = Flow("ingest", platform._replace(source_url=""), tmp_path, checkout, "run").end()
    assert code != 0
    assert ConfigurationError.__name__ in output
    assert "TASADOR_SOURCE_URL" in output
