"""The warehouse on a real Postgres."""

import io
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tasador.clock import now
from tasador.errors import ConfigurationError, StoreUnavailable, TasadorError
from tasador.listings.listing import COLUMNS, read_row
from tasador.warehouse.rows import ReadRow
from tasador.warehouse.warehouse import Warehouse
from tests.kit.ingestion import own_database
from tests.kit.records import (
    make_batch,
    make_decision,
    make_drift_record,
    make_prediction,
    make_rollout,
)

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
    read = [ReadRow(number, raw, *read_row(raw)) for number, raw in enumerate(raws)]
    return warehouse.store_rows(make_batch(batch_id=batch_id), read)


def test_migrations_and_the_tables_in_code_agree(settings):
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
                        kind != "schema" or name in ("raw", "clean", "ops")
                    ),
                    "version_table": "schema_version",
                    "version_table_schema": "ops",
                },
            )
            assert compare_metadata(context, METADATA) == []
    finally:
        engine.dispose()


def test_migrating_from_several_processes_at_once(platform):
    code = (
        "import sys; from tasador.warehouse.warehouse import Warehouse;"
        "Warehouse(sys.argv[1]).migrate()"
    )
    with own_database(platform) as own:
        connection = psycopg2.connect(own.database_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("drop schema raw cascade; drop schema clean cascade")
            cursor.execute("drop schema ops cascade")
        connection.close()
        with Warehouse(own.database_url) as warehouse:
            with pytest.raises(TasadorError, match="tasador up"):
                warehouse.batches()
            racing = [
                subprocess.Popen([sys.executable, "-c", code, own.database_url]) for _ in range(3)
            ]
            assert [process.wait() for process in racing] == [0, 0, 0]
            assert warehouse.batches() == []


def test_importing_the_warehouse_imports_nothing_heavy():
    code = "import sys, tasador.warehouse.warehouse; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert {"sqlalchemy", "psycopg2"} <= set(loaded.split())
    assert not {"alembic", "pandas", "numpy", "pyarrow", "boto3"} & set(loaded.split())


def test_a_database_that_does_not_answer_is_unavailable(platform):
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
def test_ugly_text_is_kept_raw_to_the_letter(warehouse, settings, form):
    raws = [GOOD | {"city": text, "state": text[::-1]} for text in UGLY]
    if form == "list":
        raws = [[raw.get(name) for name in COLUMNS] for raw in raws]
    saved = store(warehouse, f"ugly-{form}", raws)
    kept = query(
        settings,
        "select city, state, bed, house_size, payload from raw.raw_data where batch_id = %s"
        " order by row_number",
        f"ugly-{form}",
    )
    assert kept == [(text, text[::-1], "3", None, None) for text in UGLY]
    assert saved.rows_raw == len(UGLY) == saved.rows_clean + saved.rows_quarantined


def test_clean_text_survives_the_way_to_csv(warehouse):
    texts = [text for text in UGLY if text.strip() and text.isprintable()]
    store(warehouse, "clean-text", [GOOD | {"city": text, "state": None} for text in texts])
    out = io.StringIO()
    warehouse.copy_clean("clean-text", out)
    out.seek(0)
    import csv

    assert [row["city"] for row in csv.DictReader(out)] == texts


def test_rows_that_are_not_twelve_plain_values_are_kept_whole(warehouse, settings):
    raws = [
        GOOD | {"pool": True},
        GOOD | {"city": ["Ponce"]},
        GOOD | {"city": "nul\x00"},
        GOOD | {"city": "half a pair \ud800"},
        [1, 2],
        "text",
        None,
        12.5,
        [],
    ]
    saved = store(warehouse, "odd", raws)
    assert (saved.rows_raw, saved.rows_clean, saved.rows_quarantined) == (9, 0, 9)
    kept = query(
        settings,
        "select payload::text, coalesce(city, price) from raw.raw_data where batch_id = 'odd'"
        " order by row_number",
    )
    assert [json.loads(payload) for payload, _ in kept] == raws
    assert {column for _, column in kept} == {None}
    reasons = warehouse.quarantine_reasons("odd")
    assert ("row", "has 2 values where a listing has 12", 1, "[1, 2]") in reasons
    assert ("pool", "is not a column of a listing", 1, "True") in reasons
    assert sum(rows for _, _, rows, _ in reasons) >= 9


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
def test_no_row_whatsoever_stops_a_batch(warehouse, values):
    batch_id = f"any-{time.monotonic_ns()}"
    saved = store(warehouse, batch_id, [values, GOOD])
    assert saved.rows_raw == 2
    assert saved.rows_clean >= 1


def test_storing_rows_twice_changes_nothing(warehouse, settings):
    raws = [GOOD, GOOD | {"price": "free"}, GOOD | {"bed": -1}]
    once = store(warehouse, "twice", raws)
    assert once == store(warehouse, "twice", raws) == warehouse.batch("twice")
    assert (once.status, once.rows_raw, once.rows_clean, once.rows_quarantined) == (
        "validated",
        3,
        1,
        2,
    )
    for table, rows in (("raw.raw_data", 3), ("clean.clean_data", 1), ("ops.quarantine", 2)):
        found = query(settings, f"select count(*) from {table} where batch_id = 'twice'")
        assert found == [(rows,)]
    assert query(
        settings,
        "select price, bed, zip_code, prev_sold_date::text, property_key from clean.clean_data"
        " where batch_id = 'twice'",
    ) == [(105000.0, 3.0, "00601", "2022-02-23", "1962661|adjuntas|00601")]


def test_rows_that_break_off_leave_nothing_behind(warehouse, settings):
    def broken():
        yield ReadRow(0, GOOD, *read_row(GOOD))
        raise RuntimeError("the payload ends here")

    with pytest.raises(RuntimeError):
        warehouse.store_rows(make_batch(batch_id="half"), broken())
    assert query(settings, "select 1 from raw.raw_data where batch_id = 'half'") == []
    assert warehouse.batch("half") is None


def test_many_chunks_make_one_batch(warehouse):
    rows = (ReadRow(number, GOOD, *read_row(GOOD)) for number in range(25_000))
    assert warehouse.store_rows(make_batch(batch_id="large"), rows).rows_clean == 25_000


def test_batches_come_in_the_order_of_their_fetching(warehouse):
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


def test_fetches_tell_what_was_asked(warehouse):
    of = ("http://asked", 5, "Monday")
    first, second = warehouse.begin_fetch(*of), warehouse.begin_fetch(*of)
    warehouse.begin_fetch("http://asked", 6, "Monday")
    unanswered = [f.fetch_id for f in warehouse.fetches(*of) if f.outcome is None]
    assert unanswered == [first, second]
    batch = make_batch(batch_id="fetched", correlation_id="corr-first")
    warehouse.finish_fetch(first, "received", batch, 4)
    warehouse.finish_fetch(second, "received", replace(batch, correlation_id="corr-other"), 5)
    warehouse.log_restart(*of)
    assert [(f.outcome, f.batch_number, f.batch_id) for f in warehouse.fetches(*of)] == [
        ("received", 4, "fetched"),
        ("received", 5, "fetched"),
        ("restarted", None, None),
    ]
    assert warehouse.batch("fetched") == batch


DRIFT = make_drift_record(
    champion_version=2,
    scores={"univariate": {"price": {"ks": 0.2, "none": float("nan")}}},
)


def test_a_verdict_is_kept_once(warehouse):
    first = warehouse.record_drift(DRIFT)
    again = warehouse.record_drift(replace(DRIFT, verdict="no_drift", reasons=[]))
    assert again == first
    assert first.scores["univariate"]["price"] == {"ks": 0.2, "none": None}
    other = warehouse.record_drift(replace(DRIFT, champion_version=3))
    assert other.drift_id > first.drift_id
    assert warehouse.drift_history(limit=1) == [other]
    assert warehouse.drift_history() == [other, first]


DECISION = make_decision(
    version=1,
    checks=[{"name": "r2", "passed": True, "value": 0.7, "limit": 0.35, "says": "good"}],
    metrics={"r2": 0.7},
    training_id="t1",
)


def test_decisions_are_numbered_and_made_once(warehouse):
    assert warehouse.latest_promotion() is None
    assert warehouse.decision(1) is None
    first = warehouse.record_decision(DECISION)
    assert warehouse.record_decision(replace(DECISION, decision="rejected")) == first
    second = warehouse.record_decision(replace(DECISION, version=2, training_id="t2"))
    rejected = warehouse.record_decision(
        replace(DECISION, version=3, training_id="t3", decision="rejected")
    )
    assert warehouse.latest_promotion() == second
    back = warehouse.record_decision(replace(DECISION, decision="rolled_back"))
    again = warehouse.record_decision(replace(DECISION, decision="rolled_back"))
    assert first.promotion < second.promotion < rejected.promotion < back.promotion
    assert back.promotion < again.promotion
    assert warehouse.latest_promotion() == again
    assert warehouse.decision(1) == first
    assert warehouse.record_decision(DECISION) == first
    assert warehouse.model_history(limit=2) == [again, back]


def test_an_attempt_to_roll_out_is_kept_once(warehouse):
    record = make_rollout(steps=[{"name": "ready", "seconds": 0.4}])
    kept = warehouse.record_rollout(record)
    assert kept.rollout_id is not None
    assert warehouse.record_rollout(record) == kept
    assert warehouse.record_rollout(replace(record, started_at=now())) != kept
    assert warehouse.rollout_history()[-1] == kept


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


def test_predictions_are_kept_once_and_summed_up(warehouse):
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


def test_many_predictions_at_once(warehouse):
    many = [prediction(f"many-{n}", now()) for n in range(2_500)]
    assert warehouse.log_predictions(many) == 2_500


def test_a_lock_is_held_by_one_and_ends_with_its_process(settings, warehouse):
    code = (
        "import sys, time; from tasador.warehouse.warehouse import Warehouse\n"
        "with Warehouse(sys.argv[1]).lock('one'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, settings.database_url], stdout=subprocess.PIPE, text=True
    )
    entered = threading.Event()

    def enter():
        with warehouse.lock("one"):
            entered.set()

    try:
        assert holder.stdout.readline() == "held\n"
        waiting = threading.Thread(target=enter)
        waiting.start()
        with warehouse.lock("another"):
            assert not entered.wait(0.5)
        holder.kill()
        assert entered.wait(10)
        waiting.join()
    finally:
        holder.kill()
        holder.communicate()


def test_the_database_restarting_between_two_calls_is_no_trouble(settings, warehouse):
    assert warehouse.batches() is not None
    query(
        settings,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    )
    assert warehouse.batches() is not None
