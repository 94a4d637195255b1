"""The warehouse on a real Postgres."""

import io
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args
from urllib.parse import quote, unquote
from uuid import uuid4

import psycopg2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg2.extras import Json
from sqlalchemy import text

from tasador.clock import now
from tasador.errors import (
    ConfigurationError,
    DiskFull,
    InvalidValue,
    StoreUnavailable,
    TasadorError,
)
from tasador.ingestion.loading import read_payload
from tasador.listings.listing import COLUMNS
from tasador.listings.rules import MISSING_TEXTS
from tasador.records.loop import DecisionKind, PauseRecord, RolloutOutcome, Verdict
from tasador.records.prediction import PredictionRecord
from tasador.warehouse import rows
from tasador.warehouse.rows import RowFiles
from tasador.warehouse.warehouse import Warehouse
from tests.kit.ingestion import own_database
from tests.kit.records import (
    make_batch,
    make_decision,
    make_drift_record,
    make_prediction,
    make_rollout,
)
from tests.kit.waiting import wait_for

GOOD = {
    "brokered_by": "1.0",
    "status": "for_sale",
    "price": 105000.0,
    "bed": 3,
    "street": "1962661.0",
    "city": "Adjuntas",
    "zip_code": "601.0",
    "prev_sold_date": "2022-02-23",
}


@pytest.fixture(scope="module")
def settings(platform):
    with own_database(platform) as own:
        yield own


@pytest.fixture
def warehouse(settings):
    with Warehouse(settings.database_url) as opened:
        yield opened


def query(settings, statement, *values):
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()
    finally:
        connection.close()


def store(warehouse, batch_id, raws):
    """Store the rows as ingestion does."""
    if warehouse.batch(batch_id) is None:
        warehouse.save_batch(make_batch(batch_id=batch_id))
    body = json.dumps({"data": raws}).encode()
    with TemporaryDirectory() as folder:
        with RowFiles(Path(folder)) as files:
            read_payload(io.BytesIO(body), Path(folder) / "columns.arrow", files.add, print)
        return warehouse.store_rows(batch_id, files)


def test_migrations_match_the_tables_of_the_schema(settings):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from tasador.warehouse.schema import METADATA

    engine = create_engine(settings.database_url.replace("postgresql", "postgresql+psycopg2", 1))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "include_schemas": True,
                    "include_name": lambda name, kind, _: (
                        kind != "schema" or name in ("raw", "clean", "ops", "lake")
                    ),
                    "version_table": "schema_version",
                    "version_table_schema": "ops",
                },
            )
            assert compare_metadata(context, METADATA) == []
    finally:
        engine.dispose()


def test_rules_of_predictions_are_those_of_the_schema(settings):
    from tasador.warehouse.prediction_checks import PREDICTION_CHECKS

    rows = query(
        settings,
        "select conname, convalidated from pg_constraint"
        " where conrelid = 'raw.inference_logs'::regclass and contype = 'c'",
    )
    assert dict(rows) == dict.fromkeys(PREDICTION_CHECKS, True)


@pytest.mark.parametrize(
    "change",
    [
        {"prediction_id": "a/b"},
        {"predicted_at": datetime(1, 1, 2, tzinfo=UTC)},
        {"model_version": -1},
        {"price": 1e200},
        {"price": float("nan")},
        {"latency_ms": float("inf")},
        {"listing": []},
        {"intervals": {"80": "abc"}},
        {"intervals": {"80": [1.0]}},
        {"intervals": {"80": [2.0, 1.0]}},
        {"intervals": {"80": [1.0, "2"]}},
        {"missing": {}},
        {"missing": [1]},
        {"warnings": "x"},
        {"confidence": {"fsd": "0.1", "class": "high"}},
        {"confidence": {"fsd": 0.1, "class": "good"}},
        {"confidence": {"class": "high"}},
        {"confidence": []},
        {"prices": []},
        {"prices": {"headline": 1}},
    ],
)
def test_database_refuses_a_prediction_that_would_break_readers(warehouse, change):
    with pytest.raises(InvalidValue, match="refuses a value"):
        warehouse.log_predictions([make_prediction(**change)])


def test_upgrade_moves_predictions_that_break_a_rule_to_the_dead_letters(platform):
    kept = make_prediction(confidence=None, prices=None)
    broken = [
        make_prediction(price=1e200),
        make_prediction(intervals={"80": "abc"}),
        make_prediction(missing=7),
        make_prediction(prediction_id="a b/ñ"),
    ]
    with own_database(platform) as own, Warehouse(own.database_url) as warehouse:
        _migrate(own, "0005")
        _log_as_an_older_release(own, [kept, *broken])
        warehouse.migrate()
        assert warehouse.predictions() == [kept]
        assert warehouse.prediction_summary()["count"] == 1
        letters = {letter.event_id: json.loads(letter.body) for letter in warehouse.dead_letters()}
        assert {unquote(event_id) for event_id in letters} == {p.prediction_id for p in broken}
        for prediction in broken:
            row = letters[quote(prediction.prediction_id, safe="")]
            assert float(row["price"]) == prediction.price
            assert row["intervals"] == prediction.intervals


def test_rows_of_an_older_release_get_the_digest_of_their_champion(platform):
    """Version 1 exists twice: the model was deleted from MLflow and begun again."""
    with own_database(platform) as own, Warehouse(own.database_url) as warehouse:
        _migrate(own, "0003")
        _execute(
            own,
            """
            insert into ops.model_history (model_name, version, digest, model_uri, run_id, decision,
                reasons, checks, metrics, correlation_id, training_id, batch_ids, champion_version,
                decided_at)
            values ('m', 1, 'old', '', '', 'promoted', '[]', '[]', '{}', '', 't1', '[]', 0,
                '2026-01-01'),
                ('m', 2, 'second', '', '', 'promoted', '[]', '[]', '{}', '', 't2', '[]', 1,
                '2026-01-03'),
                ('m', 1, 'new', '', '', 'promoted', '[]', '[]', '{}', '', 't3', '[]', 2,
                '2026-01-05'),
                ('m', 2, 'newer', '', '', 'rejected', '[]', '[]', '{}', '', 't4', '[]', 1,
                '2026-01-07');
            insert into ops.drift_history (batch_id, champion_version, correlation_id, verdict,
                reasons, scores, decided_at)
            values ('b0', 0, '', 'train', '[]', '{}', '2025-12-31'),
                ('b1', 1, '', 'drift', '[]', '{}', '2026-01-02'),
                ('b2', 1, '', 'drift', '[]', '{}', '2026-01-06');
            """,
        )
        warehouse.migrate()
        assert [(v.model_name, v.champion_digest) for v in warehouse.drift_history()] == [
            ("m", "new"),
            ("m", "old"),
            ("", ""),
        ]
        digests = [d.champion_digest for d in warehouse.model_history()]
        assert digests == ["new", "second", "old", ""]


def _log_as_an_older_release(settings, records):
    """Store predictions in a table that lacks the columns of later releases."""
    names = [field.name for field in fields(PredictionRecord) if field.default is MISSING]
    statement = (
        f"insert into raw.inference_logs ({', '.join(names)})"
        f" values ({', '.join(['%s'] * len(names))})"
    )
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection, connection.cursor() as cursor:
            for record in records:
                values = {name: getattr(record, name) for name in names}
                for name in ("listing", "intervals", "missing", "warnings"):
                    values[name] = Json(values[name])
                cursor.execute(statement, list(values.values()))
    finally:
        connection.close()


def _migrate(settings, to):
    """Bring an empty database to an older version of the schema."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine

    from tasador.warehouse import migrations

    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    engine = create_engine(
        settings.database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    )

    def down(revision, _):
        return script._downgrade_revs(to, revision)

    with (
        engine.begin() as connection,
        EnvironmentContext(Config(), script, fn=down, destination_rev=to) as environment,
    ):
        environment.configure(
            connection=connection, version_table="schema_version", version_table_schema="ops"
        )
        environment.run_migrations()
    engine.dispose()


def _execute(settings, statements):
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statements)
    finally:
        connection.close()


def test_one_pause_is_open_at_a_time(warehouse):
    assert warehouse.rollout_pause() is None
    assert warehouse.resume_rollouts("ben") is None
    first = warehouse.pause_rollouts(PauseRecord(paused_by="ana", reason="a split"))
    assert warehouse.pause_rollouts(PauseRecord(paused_by="ben", reason="another")) == first
    warehouse.force_promotion(9)
    assert warehouse.rollout_pause() == replace(first, forced_promotion=9)
    ended = warehouse.resume_rollouts("ben")
    assert (ended.pause_id, ended.resumed_by) == (first.pause_id, "ben")
    assert warehouse.rollout_pause() is None
    second = warehouse.pause_rollouts(PauseRecord(paused_by="ben", reason="another"))
    assert second.pause_id > first.pause_id
    warehouse.resume_rollouts("ben")


def test_keys_hold_name_version_and_digest(platform):
    """Another model of the same number finds no decision, verdict or prediction of this one."""
    with own_database(platform) as own, Warehouse(own.database_url) as warehouse:
        one = warehouse.record_decision(
            make_decision(version=71, digest="d71", training_id="key1", promotion=None)
        )
        other = warehouse.record_decision(
            make_decision(version=71, digest="e71", training_id="key2", promotion=None)
        )
        named = warehouse.record_decision(
            make_decision(model_name="other", version=71, training_id="key3", promotion=None)
        )
        assert warehouse.gate_decision(one.model) == one
        assert warehouse.gate_decision(other.model) == other
        assert warehouse.gate_decision(replace(one.model, digest="x")) is None
        assert warehouse.gate_decisions("tasador-price", 71) == [other, one]
        assert warehouse.latest_promotion("other") == named
        assert warehouse.latest_promotion("tasador-price") == other
        verdict = make_drift_record(batch_id="key", champion_version=71, champion_digest="d71")
        first = warehouse.record_drift(verdict)
        assert warehouse.record_drift(replace(verdict, champion_digest="e71")) != first
        assert warehouse.record_drift(replace(verdict, model_name="other")) != first
        at = now()
        for digest in ("d71", "e71"):
            record = prediction(f"key-{digest}", at, model_version=71, model_digest=digest)
            warehouse.log_predictions([record])
        window = (at - timedelta(minutes=1), at + timedelta(minutes=1))
        assert warehouse.prediction_statistics(one.model, *window)[0] == 1
        assert len(warehouse.request_samples(other.model, *window, 10)) == 1


def test_concurrent_migrations(platform):
    code = (
        "import sys; from tasador.warehouse.warehouse import Warehouse;"
        "Warehouse(sys.argv[1]).migrate()"
    )
    with own_database(platform) as own:
        connection = psycopg2.connect(own.database_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("drop schema raw cascade; drop schema clean cascade")
            cursor.execute("drop schema ops cascade; drop schema lake cascade")
        connection.close()
        with Warehouse(own.database_url) as warehouse:
            with pytest.raises(TasadorError, match="tasador up"):
                warehouse.batches()
            racing = [
                subprocess.Popen([sys.executable, "-c", code, own.database_url]) for _ in range(3)
            ]
            assert [process.wait() for process in racing] == [0, 0, 0]
            assert warehouse.batches() == []


def test_warehouse_imports_nothing_heavy():
    code = "import sys, tasador.warehouse.warehouse; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert {"sqlalchemy", "psycopg2"} <= set(loaded.split())
    assert not {"alembic", "pandas", "numpy", "pyarrow", "boto3"} & set(loaded.split())


def test_unreachable_database_raises_store_unavailable(platform):
    with (
        Warehouse("postgresql://nobody:hidden-word@127.0.0.1:9/none") as warehouse,
        pytest.raises(StoreUnavailable, match=r"none at 127\.0\.0\.1") as caught,
    ):
        warehouse.batches()
    assert "hidden-word" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="TASADOR_DATABASE_URL"):
        Warehouse("not an address")


UGLY = [
    "tab\there",
    "line\nbreak",
    "carriage\rreturn",
    "back\\slash",
    "\\N",
    "\\.",
    'quo"te',
    "a,b;'c'",
    "",
    " ",
    "ñandú 🏡",
    "\\t\\n",
    "\x01\x7f",
]


@pytest.mark.parametrize("form", ["object", "list"])
def test_raw_text_is_stored_unchanged(warehouse, settings, form):
    raws = [GOOD | {"city": text, "state": text[::-1]} for text in UGLY]
    if form == "list":
        raws = [[raw.get(name) for name in COLUMNS] for raw in raws]
    saved = store(warehouse, f"ugly-{form}", raws)
    rows = query(
        settings,
        "select city, state, bed, house_size, payload from raw.raw_data where batch_id = %s"
        " order by row_number",
        f"ugly-{form}",
    )
    assert rows == [(text, text[::-1], "3", None, None) for text in UGLY]
    assert saved.rows_raw == len(UGLY) == saved.rows_clean + saved.rows_quarantined


def test_clean_text_is_stored_unchanged(warehouse, settings):
    texts = [t for t in UGLY if t.strip().lower() not in MISSING_TEXTS and t.isprintable()]
    store(warehouse, "clean-text", [GOOD | {"city": text, "state": None} for text in texts])
    rows = query(
        settings,
        "select city from clean.clean_data where batch_id = 'clean-text' order by row_number",
    )
    assert [city for (city,) in rows] == texts


def test_rows_that_are_not_twelve_plain_values_are_stored_as_json(warehouse, settings):
    raws = [
        GOOD | {"pool": True},
        GOOD | {"city": "nul\x00"},
        GOOD | {"city": "half a pair \ud800"},
        [1, 2],
        "text",
        None,
        12.5,
        [],
    ]
    saved = store(warehouse, "odd", raws)
    assert (saved.rows_raw, saved.rows_clean, saved.rows_quarantined) == (8, 0, 8)
    rows = query(
        settings,
        "select payload::text, coalesce(city, price) from raw.raw_data where batch_id = 'odd'"
        " order by row_number",
    )
    assert [json.loads(payload) for payload, _ in rows] == raws
    assert {column for _, column in rows} == {None}
    reasons = warehouse.quarantine_reasons("odd")
    assert ("row", "has 2 values where a listing has 12", 1, "[1, 2]") in reasons
    assert ("pool", "is not a column of a listing", 1, "True") in reasons
    assert sum(rows for _, _, rows, _ in reasons) >= 8


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.lists(
        st.one_of(st.none(), st.text(max_size=8), st.integers(), st.floats(), st.booleans()),
        min_size=10,
        max_size=13,
    )
)
def test_store_rows_accepts_any_row(warehouse, values):
    batch_id = f"any-{uuid4().hex}"
    saved = store(warehouse, batch_id, [values, GOOD])
    assert saved.rows_raw == 2
    assert saved.rows_clean >= 1


def test_store_rows_twice(warehouse, settings):
    raws = [GOOD, GOOD | {"price": "free"}, GOOD | {"bed": -1}]
    once = store(warehouse, "twice", raws)
    assert once == store(warehouse, "twice", raws) == warehouse.batch("twice")
    # The row of the batch was lost, its rows were not.
    warehouse.save_batch(make_batch(batch_id="twice", fetched_at=once.fetched_at))
    assert store(warehouse, "twice", raws) == once
    assert (once.status, once.rows_raw, once.rows_clean, once.rows_quarantined) == (
        "validated",
        3,
        1,
        2,
    )
    for table, count in (("raw.raw_data", 3), ("clean.clean_data", 1), ("ops.quarantine", 2)):
        counted = query(settings, f"select count(*) from {table} where batch_id = 'twice'")
        assert counted == [(count,)]
    assert query(
        settings,
        "select price, bed, zip_code, prev_sold_date::text, property_key from clean.clean_data"
        " where batch_id = 'twice'",
    ) == [(105000.0, 3.0, "00601", "2022-02-23", "1962661|adjuntas|00601")]


ROW = b"0" + b"\t\\N" * 13 + b"\n"


def row_files(folder, *lines):
    with RowFiles(folder) as files:
        for raw in lines:
            files.add(raw, b"", b"")
    return files


def test_nothing_is_stored_if_a_row_is_refused(warehouse, settings, tmp_path):
    warehouse.save_batch(make_batch(batch_id="half"))
    with pytest.raises(InvalidValue):
        warehouse.store_rows("half", row_files(tmp_path, ROW, b"1\ttoo few\n"))
    assert query(settings, "select 1 from raw.raw_data where batch_id = 'half'") == []
    assert warehouse.batch("half").status == "fetched"


def test_rows_as_received_are_not_stored_if_a_clean_one_is_refused(warehouse, settings, tmp_path):
    warehouse.save_batch(make_batch(batch_id="refused"))
    with RowFiles(tmp_path) as files:
        files.add(ROW, b"0\ttoo few\n", b"")
    with pytest.raises(InvalidValue):
        warehouse.store_rows("refused", files)
    assert query(settings, "select 1 from raw.raw_data where batch_id = 'refused'") == []


def test_rows_as_received_are_found_if_nothing_counted_them(
    warehouse, settings, tmp_path, monkeypatch
):
    """Two connections copy the rows, and a kill may come between their commits."""

    def killed(*_):
        raise KeyboardInterrupt

    warehouse.save_batch(make_batch(batch_id="between"))
    files = row_files(tmp_path, ROW, ROW.replace(b"0", b"1", 1))
    with monkeypatch.context() as patch:
        patch.setattr("tasador.warehouse.batches._save_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            warehouse.store_rows("between", files)
    count = "select count(*) from raw.raw_data where batch_id = 'between'"
    assert query(settings, count) == [(2,)]
    assert warehouse.batch("between").status == "fetched"
    saved = warehouse.store_rows("between", files)
    assert (saved.status, saved.rows_raw) == ("validated", 2)
    assert query(settings, count) == [(2,)]


def test_storing_waits_for_a_commit_that_a_killed_process_has_sent(warehouse, settings, tmp_path):
    warehouse.save_batch(make_batch(batch_id="sent"))
    with ThreadPoolExecutor(1) as pool:
        with psycopg2.connect(settings.database_url) as other, other.cursor() as cursor:
            lock = "select pg_advisory_xact_lock(hashtextextended('raw.raw_data of batch sent', 0))"
            cursor.execute(lock)
            cursor.execute("insert into raw.raw_data (batch_id, row_number) values ('sent', 0)")
            storing = pool.submit(warehouse.store_rows, "sent", row_files(tmp_path, ROW))
            with pytest.raises(TimeoutError):
                storing.result(0.3)
        other.close()
        assert storing.result(30).rows_raw == 1


def test_a_full_disk_is_its_own_error(warehouse):
    statement = text("do $$ begin raise 'could not extend file' using errcode = '53100'; end $$")
    full = pytest.raises(DiskFull, match=r"the disk of the database .* is full: could not extend")
    with full, warehouse._begin() as connection:
        connection.execute(statement)


def test_rows_that_are_stored_already_stay_unchanged(warehouse, settings, tmp_path):
    warehouse.save_batch(make_batch(batch_id="again"))
    warehouse.store_rows("again", row_files(tmp_path, ROW))
    warehouse.save_batch(make_batch(batch_id="again"))
    changed = ROW.replace(b"\\N", b"other", 1)
    saved = warehouse.store_rows("again", row_files(tmp_path, changed, ROW.replace(b"0", b"1", 1)))
    assert (saved.status, saved.rows_raw) == ("validated", 2)
    assert query(
        settings,
        "select row_number, brokered_by from raw.raw_data where batch_id = 'again' order by 1",
    ) == [(0, None), (1, None)]


def test_two_processes_store_one_batch_once(warehouse, settings, tmp_path):
    warehouse.save_batch(make_batch(batch_id="both"))
    files = row_files(tmp_path, ROW)

    def store_once():
        with Warehouse(settings.database_url) as other:
            return other.store_rows("both", files)

    with ThreadPoolExecutor(2) as pool:
        with psycopg2.connect(settings.database_url) as holding, holding.cursor() as cursor:
            cursor.execute("select 1 from ops.batches where batch_id = 'both' for update")
            waiting = [pool.submit(store_once) for _ in range(2)]
            with pytest.raises(TimeoutError):
                waiting[0].result(0.3)
        holding.close()
        first, second = (stored.result(30) for stored in waiting)
    assert first == second
    assert first.status == "validated"
    assert query(settings, "select count(*) from raw.raw_data where batch_id = 'both'") == [(1,)]


def test_lines_longer_than_a_read_get_the_id_once(tmp_path):
    lines = b"".join(b"%d\t%s\n" % (row, b"x" * size) for row, size in enumerate((5, 0, 40, 1)))
    for size in range(1, len(lines) + 2):
        read, prefixed = b"", rows._Prefixed(io.BytesIO(lines), b"id\t")
        while part := prefixed.read(size):
            read += part
        assert read == b"".join(b"id\t" + line for line in lines.splitlines(keepends=True))


def test_batches_are_ordered_by_fetch_time(warehouse):
    late, early = now() + timedelta(days=2), now() + timedelta(days=1)
    warehouse.save_batch(make_batch(batch_id="z-late", fetched_at=late))
    warehouse.save_batch(make_batch(batch_id="z-early", fetched_at=early, status="ready"))
    assert [b.batch_id for b in warehouse.batches()][-2:] == ["z-early", "z-late"]
    assert [b.batch_id for b in warehouse.batches(status="ready")] == ["z-early"]
    assert warehouse.unannounced_batches()[-2:] == warehouse.batches()[-2:]
    warehouse.mark_announced("z-early")
    assert "z-early" not in [b.batch_id for b in warehouse.unannounced_batches()]
    changed = make_batch(batch_id="z-late", fetched_at=late, status="validated", rows_raw=7)
    warehouse.save_batch(changed)
    assert warehouse.batch("z-late") == changed


def test_fetch_log_and_restart(warehouse):
    source = ("http://fetched", 5, "Monday")
    first, second = warehouse.begin_fetch(*source), warehouse.begin_fetch(*source)
    warehouse.begin_fetch("http://fetched", 6, "Monday")
    unanswered = [f.fetch_id for f in warehouse.fetches(*source) if f.outcome is None]
    assert unanswered == [first, second]
    batch = make_batch(batch_id="fetched", correlation_id="corr-first")
    warehouse.finish_fetch(first, "received", batch, 4)
    warehouse.finish_fetch(second, "received", replace(batch, correlation_id="corr-other"), 5)
    warehouse.log_restart(*source)
    assert [(f.outcome, f.batch_number, f.batch_id) for f in warehouse.fetches(*source)] == [
        ("received", 4, "fetched"),
        ("received", 5, "fetched"),
        ("restarted", None, None),
    ]
    assert warehouse.batch("fetched") == batch


DRIFT = make_drift_record(
    champion_version=2,
    scores={"univariate": {"price": {"ks": 0.2, "none": float("nan")}}},
)


def test_record_drift_twice(warehouse):
    first = warehouse.record_drift(DRIFT)
    again = warehouse.record_drift(replace(DRIFT, verdict="no_drift", reasons=[]))
    assert again == first
    assert first.scores["univariate"]["price"] == {"ks": 0.2, "none": None}
    other = warehouse.record_drift(replace(DRIFT, champion_version=3))
    assert other.drift_id > first.drift_id
    assert warehouse.drift_history(limit=1) == [other]
    assert warehouse.drift_history() == [other, first]
    assert warehouse.newest_verdicts() == {first.batch_id: other}
    assert warehouse.verdicts_of(first.correlation_id) == [first, other]


def test_a_refused_batch_is_not_usable_until_it_is_accepted(warehouse):
    batch = make_batch(batch_id="garbage", status="ready", ready_at=now())
    warehouse.save_batch(batch)
    assert batch in warehouse.usable_batches()
    for _ in range(2):
        warehouse.refuse_batch("garbage")
    refused = warehouse.batch("garbage")
    assert refused.refused
    assert refused not in warehouse.usable_batches()
    broken = replace(DRIFT, batch_id="garbage", verdict="broken_feed")
    first = warehouse.record_drift(broken)
    assert warehouse.record_drift(broken) == first
    warehouse.accept_batch("garbage")
    accepted = warehouse.batch("garbage")
    assert not accepted.refused
    assert accepted in warehouse.usable_batches()
    # It is judged again, and both verdicts stay in the history.
    again = warehouse.record_drift(replace(broken, verdict="no_drift"))
    assert again.verdict == "no_drift"
    assert warehouse.record_drift(replace(broken, verdict="drift")) == again
    assert [one for one in warehouse.drift_history() if one.batch_id == "garbage"] == [again, first]
    assert warehouse.newest_verdicts()["garbage"] == again
    assert warehouse.verdicts_by_batch()["garbage"] == {"broken_feed", "no_drift"}
    assert warehouse.newest_verdict(DRIFT.model_name) == again
    # A broken feed says nothing of the market, and another model's verdicts are not this one's.
    last = warehouse.record_drift(replace(broken, batch_id="worse"))
    other = warehouse.record_drift(replace(DRIFT, batch_id="worse", model_name="other"))
    assert warehouse.newest_verdict(DRIFT.model_name) == again
    assert warehouse.newest_verdict("other") == other
    assert warehouse.newest_verdicts()["worse"] == other
    assert warehouse.verdicts_by_batch(DRIFT.model_name)["worse"] == {last.verdict}


def test_refused_rows_by_field(warehouse):
    rows = [{"price": 1}, {"price": -1, "bed": -1}, {"price": -1}, {"price": 1, "bed": "x"}]
    store(warehouse, "fields", rows)
    assert warehouse.refused_rows(["fields", "unknown"]) == {
        "fields": {"bed": (2, "is negative"), "price": (2, "is negative")}
    }


DECISION = make_decision(
    version=1,
    checks=[{"name": "r2", "passed": True, "value": 0.7, "limit": 0.35, "says": "good"}],
    metrics={"r2": 0.7},
    training_id="t1",
)


def test_record_decision_numbers_and_repeats(warehouse):
    name = DECISION.model_name
    assert warehouse.latest_promotion(name) is None
    assert warehouse.gate_decision(DECISION.model) is None
    first = warehouse.record_decision(DECISION)
    assert warehouse.record_decision(replace(DECISION, decision="rejected")) == first
    second = warehouse.record_decision(replace(DECISION, version=2, training_id="t2"))
    rejected = warehouse.record_decision(
        replace(DECISION, version=3, training_id="t3", decision="rejected")
    )
    assert warehouse.latest_promotion(name) == second
    back = warehouse.record_decision(replace(DECISION, decision="rolled_back"))
    again = warehouse.record_decision(replace(DECISION, decision="rolled_back"))
    assert first.promotion < second.promotion < rejected.promotion < back.promotion
    assert back.promotion < again.promotion
    assert warehouse.latest_promotion(name) == again
    assert warehouse.gate_decision(DECISION.model) == first
    assert warehouse.decision_of_training("t2") == second
    assert warehouse.promotion(rejected.promotion) == rejected
    assert warehouse.promotions(name) == [again, back, second, first]
    assert warehouse.record_decision(DECISION) == first
    assert warehouse.model_history(limit=2) == [again, back]


def test_review_is_recorded_once_beside_the_decision_of_the_gate(warehouse):
    waiting = warehouse.record_decision(
        replace(DECISION, model_name="reviewed", training_id="w1", decision="waiting")
    )
    assert warehouse.latest_promotion("reviewed") is None
    approval = replace(DECISION, model_name="reviewed", training_id="w1", decided_by="ben")
    approved = warehouse.record_decision(replace(approval, decision="approved"))
    assert approved.promotion > waiting.promotion
    assert warehouse.record_decision(replace(approval, decision="declined")) == approved
    assert warehouse.decision_of_training("w1") == waiting
    assert warehouse.gate_decision(waiting.model) == approved
    assert warehouse.latest_promotion("reviewed") == approved


def test_record_rollout_twice(warehouse):
    record = make_rollout(steps=[{"name": "ready", "seconds": 0.4}])
    first = warehouse.record_rollout(record)
    assert first.rollout_id is not None
    assert warehouse.record_rollout(record) == first
    assert warehouse.record_rollout(replace(record, started_at=now())) != first
    assert warehouse.rollout_history()[-1] == first


@pytest.mark.parametrize("outcome", get_args(RolloutOutcome))
def test_every_outcome_of_a_rollout_can_be_recorded(warehouse, outcome):
    record = make_rollout(outcome=outcome, promotion=50, started_at=now())
    assert warehouse.record_rollout(record).outcome == outcome


@pytest.mark.parametrize("decision", get_args(DecisionKind))
def test_every_decision_can_be_recorded(warehouse, decision):
    record = make_decision(decision=decision, training_id=uuid4().hex, model_name="kinds")
    assert warehouse.record_decision(replace(record, promotion=None)).decision == decision


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_every_verdict_can_be_recorded(warehouse, verdict):
    record = make_drift_record(verdict=verdict, batch_id=uuid4().hex)
    assert warehouse.record_drift(record).verdict == verdict


def prediction(prediction_id, at, **changes):
    return make_prediction(
        **{
            "prediction_id": prediction_id,
            "predicted_at": at,
            "model_version": 1,
            "price": 100_000.0,
            "missing": [],
            "latency_ms": 2.0,
            **changes,
        }
    )


def test_log_predictions_twice_and_summary(warehouse):
    assert warehouse.prediction_summary()["count"] == 0
    assert warehouse.log_predictions([]) == 0
    hour = now().replace(minute=0, second=0, microsecond=0)
    first = prediction("p1", hour - timedelta(days=3))
    second = prediction("p2", hour, model_version=2, price=300_000.0, latency_ms=4.0)
    third = prediction("p3", hour + timedelta(seconds=1), missing=["bed"], model_version=2)
    assert warehouse.log_predictions([first, second, first]) == 2
    assert warehouse.log_predictions([second, third]) == 1
    assert warehouse.prediction("p2") == second
    assert warehouse.prediction("nothing") is None
    assert warehouse.predictions() == [third, second, first]
    assert warehouse.predictions(limit=1, before=third.predicted_at) == [second]
    summary = warehouse.prediction_summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["count"] == 3
    assert summary["with_missing"] == 1
    assert summary["latency_ms"]["p50"] == 2.0
    assert [(v["version"], v["count"], v["mean_price"]) for v in summary["by_version"]] == [
        (2, 2, 200_000.0),
        (1, 1, 100_000.0),
    ]
    assert [(datetime.fromisoformat(h["hour"]), h["count"]) for h in summary["by_hour"]] == [
        (hour.astimezone(UTC), 2)
    ]


def test_old_predictions_are_deleted_in_short_transactions_and_stay_counted(platform):
    with own_database(platform) as own, Warehouse(own.database_url) as warehouse:
        limit = now() - timedelta(days=30)
        old = [prediction(f"old-{n}", limit - timedelta(seconds=n + 1)) for n in range(5)]
        kept = prediction("kept", limit)
        warehouse.log_predictions([*old, kept])
        assert warehouse.count_old("predictions", limit) == 5
        kind = "predictions"
        assert [warehouse.delete_old(kind, limit, most=2) for _ in range(4)] == [2, 2, 1, 0]
        assert warehouse.predictions() == [kept]
        assert warehouse.prediction_summary()["count"] == 6


def test_totals_stay_exact_when_they_are_merged(platform):
    """Many statements of many hours, merged by writers at the same time and again at the end."""

    def merge(own):
        with Warehouse(own.database_url) as other, other._begin() as connection:
            connection.execute(text("select ops.merge_prediction_totals()"))

    with own_database(platform) as own, Warehouse(own.database_url) as warehouse:
        start = now().replace(minute=0, second=0, microsecond=0)

        def write(writer):
            for n in range(40):
                # Ids that another writer stores too, and hours of this and of earlier months.
                at = start - timedelta(hours=n % 3, days=90 * (n % 2))
                latency = (0.0, 0.123, 4.56, 789.0)[n % 4]
                warehouse.log_predictions(
                    [
                        prediction(f"own-{writer}-{n}", at, latency_ms=latency, missing=["bed"]),
                        prediction(f"both-{n}", at, latency_ms=latency, model_version=2),
                    ]
                )
                if n % 10 == 0:
                    merge(own)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, range(3)))
        before = warehouse.prediction_summary()
        assert (before["count"], before["with_missing"]) == (160, 120)
        assert [(v["version"], v["count"]) for v in before["by_version"]] == [(2, 40), (1, 120)]
        assert sum(hour["count"] for hour in before["by_hour"]) == 80
        assert before["latency_ms"] == {"p50": 0.12, "p95": 790.0}
        merge(own)
        assert warehouse.prediction_summary() == before
        totals = query(own, "select count(*), sum(predictions) from ops.prediction_totals")
        # Two versions in each of three hours, and in the month of three that are old.
        assert totals in ([(8, 160)], [(10, 160)]), totals


def test_log_predictions_in_several_inserts(warehouse):
    many = [prediction(f"many-{n}", now()) for n in range(2_500)]
    assert warehouse.log_predictions(many) == 2_500


def test_lock_blocks_until_its_process_is_killed(settings, warehouse):
    code = (
        "import sys; from tasador.warehouse.warehouse import Warehouse\n"
        "with Warehouse(sys.argv[1]).lock('one'):\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, settings.database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    entered = threading.Event()

    def enter():
        with warehouse.lock("one"):
            entered.set()

    def blocked():
        return query(
            settings,
            "select 1 from pg_locks join pg_database on pg_database.oid = database"
            " where datname = current_database() and locktype = 'advisory' and not granted",
        )

    waiter = threading.Thread(target=enter)
    try:
        assert holder.stdout.readline() == "locked\n"
        waiter.start()
        wait_for(blocked, what="the second lock is waited for")
        with warehouse.lock("another"):
            assert not entered.is_set()
        holder.kill()
        waiter.join()
        assert entered.is_set()
    finally:
        holder.kill()
        holder.communicate()


def test_reconnects_after_connections_are_terminated(settings, warehouse):
    assert warehouse.batches() is not None
    query(
        settings,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    )
    assert warehouse.batches() is not None


def test_draw_reviews_is_random_repeatable_and_final(warehouse):
    monday = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=900)
    made = [prediction(f"r{n}", monday + timedelta(hours=n)) for n in range(48)]
    warehouse.log_predictions(made)
    window = (monday, monday + timedelta(hours=24))
    sample = warehouse.draw_reviews("2024-W01", *window, 5, now())
    ids = [review.prediction_id for review in sample]
    in_window = [f"r{n}" for n in range(24)]
    assert ids == sorted(in_window, key=lambda i: sha256(f"2024-W01{i}".encode()).digest())[:5]
    assert warehouse.draw_reviews("2024-W01", *window, 9, now()) == sample
    first = sample[0]
    assert (first.verdict, first.price, first.listing) == (None, made[0].price, made[0].listing)
    reviewed = warehouse.record_review(ids[0], "too_high", "a ruin", "ana", now())
    assert (reviewed.verdict, reviewed.note, reviewed.reviewed_by) == ("too_high", "a ruin", "ana")
    assert warehouse.record_review(ids[0], "accept", "", "ben", now()) == reviewed
    assert warehouse.record_review("unknown", "accept", "", "ben", now()) is None
    assert [r.prediction_id for r in warehouse.reviews(week="2024-W01", is_open=True)] == ids[1:]
