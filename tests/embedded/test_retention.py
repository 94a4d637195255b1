"""What is deleted because of its age, and whether warehouse and object store agree."""

import random
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg2
import pytest

from tasador.clock import now
from tasador.errors import ConfigurationError
from tasador.ingestion.replay import catching_up, why_replay
from tasador.operations.consistency import check
from tasador.operations.retention import prune
from tasador.records.loop import DeadLetter
from tasador.stores.lake import Lake
from tasador.training.inputs import training_frame
from tasador.training.sampling import sampled
from tasador.training.verbs import plan
from tasador.warehouse.warehouse import Warehouse
from tests.kit.ingestion import Source, assert_same_listings, ingest_all, own_database
from tests.kit.listings import raw_batches
from tests.kit.records import make_comparison, make_decision, make_prediction

BATCHES = raw_batches()[:2]
OLD = timedelta(days=100)


@pytest.fixture(scope="module")
def ingested(platform):
    """Two ingested batches, the first of which was fetched 100 days ago."""
    with own_database(platform) as own:
        Lake(own).ensure_buckets()
        with Source(BATCHES).serving() as source:
            ingest_all(own, source.url)
        execute(
            own, "update ops.batches set fetched_at = fetched_at - %s where batch_number = 0", OLD
        )
        yield own


def execute(settings, statement, *values):
    with psycopg2.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def pruned(settings, **options):
    return {each.what: each.count for each in prune(settings, **options)}


def problems(settings):
    return {each.part: each.problems for each in check(settings) if each.problems}


def parts(settings):
    return [each.part for each in check(settings)]


def test_old_payloads_are_deleted_and_trainings_lose_nothing(ingested):
    settings = ingested._replace(keep_payloads_days=30)
    lake, planned = Lake(settings), plan(settings)
    with Warehouse(settings.database_url) as warehouse:
        old, new = warehouse.batches()
        refused = warehouse.quarantine_reasons(old.batch_id)
        before = training_frame(settings, planned)
        assert pruned(settings, dry_run=True) == {"payloads": 1}
        assert lake.exists(old.raw_uri)
        # A call that is killed between the rows and the object is completed by the next one.
        warehouse.delete_original_rows(old.batch_id)
        assert "unnamed" in parts(settings)
        assert pruned(settings) == {"payloads": 1}
        assert pruned(settings) == {"payloads": 0}
        assert [lake.exists(b.raw_uri) for b in (old, new)] == [False, True]
        counted = {(c.batch_id, c.table): c.counted for c in warehouse.row_counts()}
        assert counted[old.batch_id, "raw.raw_data"] == 0
        assert counted[new.batch_id, "raw.raw_data"] == new.rows_raw > 0
        assert warehouse.batch(old.batch_id).payload_deleted_at is not None
        assert warehouse.quarantine_reasons(old.batch_id) == refused
    assert problems(settings) == {}
    assert_same_listings(training_frame(settings, planned), before)


def test_training_reads_a_sample_of_the_properties(ingested):
    planned = plan(ingested._replace(training_rows=1_000))
    assert planned.share == min(1.0, 1_000 / planned.rows)
    whole = training_frame(ingested, replace(planned, share=1.0))
    part = training_frame(ingested, replace(planned, share=0.5))
    assert 0 < len(part) < len(whole) == planned.rows
    assert not set(part["property_key"]) & set(whole["property_key"][~sampled(whole, 0.5)])


def test_batch_whose_ingestion_is_unfinished_keeps_its_payload(ingested):
    execute(ingested, "update ops.batches set announced_at = null where batch_number = 1")
    try:
        with Warehouse(ingested.database_url) as warehouse:
            assert [b.batch_number for b in warehouse.old_payloads(now())] == []
    finally:
        execute(ingested, "update ops.batches set announced_at = now() where batch_number = 1")


def test_old_predictions_comparisons_and_dead_letters_are_deleted(database):
    settings = database._replace(keep_predictions_days=60, keep_dead_letters_days=60)
    then = now() - OLD
    with Warehouse(settings.database_url) as warehouse:
        for name, at in (("old", then), ("new", now())):
            prediction = make_prediction(prediction_id=name, predicted_at=at)
            warehouse.log_predictions([prediction])
            warehouse.log_comparisons([make_comparison(prediction_id=name, compared_at=at)])
        letters = (("old", then, None), ("replayed", then, now()), ("new", now(), None))
        for name, at, replayed in letters:
            warehouse.save_dead_letter(
                DeadLetter(
                    subscriber="record", source="/predict", event_id=name, attributes={},
                    content_type="", body=b"{}", status=500, reason="it failed",
                    given_up_at=at, replayed_at=replayed,
                )
            )  # fmt: skip
        expected = {"predictions": 1, "comparisons of shadows": 1, "dead letters": 1}
        assert pruned(settings, dry_run=True) == expected
        assert pruned(settings) == expected
        assert [each.prediction_id for each in warehouse.predictions()] == ["new"]
        assert warehouse.prediction_summary()["count"] == 2
        left = execute(settings, "select event_id from ops.dead_letters order by 1")
        assert left == [("new",), ("replayed",)]
        assert execute(settings, "select prediction_id from ops.shadow_predictions") == [("new",)]
        warehouse.log_predictions([make_prediction(prediction_id="newer", predicted_at=now())])
        later = now() + OLD
        assert [warehouse.delete_old("predictions", later, most=1) for _ in range(3)] == [1, 1, 0]


def test_pruned_log_of_requests_leads_to_the_same_decisions(database):
    """Random histories, each a source; then every decision, now and after further answers."""
    draws, then = random.Random(7), now() - OLD
    kinds = ("received", "received", "exhausted", "exhausted", "restarted", None)
    rows, sources = [], [f"http://source-{number}" for number in range(150)]
    for source in sources:
        for _ in range(draws.randrange(1, 8)):
            outcome, number = draws.choice(kinds), draws.randrange(3)
            batch = (number, f"b{number}") if outcome == "received" else (None, None)
            at = then if draws.random() < 0.9 else now()
            rows += [(source, 5, "Tuesday", at, outcome, *batch)] * draws.randrange(1, 4)
    values = ", ".join(["%s"] * len(rows))
    columns = "source, group_number, day, begun_at, outcome, batch_number, batch_id"
    execute(database, f"insert into ops.fetches ({columns}) values {values}", *rows)
    settings = database._replace(keep_fetches_days=30)
    with Warehouse(settings.database_url) as warehouse:

        def histories():
            return [warehouse.fetches(source, 5, "Tuesday") for source in sources]

        before = histories()
        (deleted,) = pruned(settings).values()
        after = histories()
    assert deleted == sum(map(len, before)) - sum(map(len, after)) > 20
    assert pruned(settings) == {"repeated answers of the source": 0}
    further = [f for history in before for f in history][:200]
    for whole, short in zip(before, after, strict=True):
        for number in range(4):
            added = draws.choices(further, k=number)
            assert why_replay([*whole, *added]) == why_replay([*short, *added])
            assert catching_up([*whole, *added]) == catching_up([*short, *added])


def test_predictions_that_monitoring_or_reviews_read_are_not_deleted(database):
    settings = database._replace(keep_predictions_days=7)
    with pytest.raises(ConfigurationError, match=r"_DAYS is 7, but monitoring .* raise it to 30"):
        pruned(settings)
    settings = settings._replace(monitor_days=1, review_sample=20)
    with pytest.raises(ConfigurationError, match=r"is 7, but reviews .* raise it to 14"):
        pruned(settings)
    assert pruned(settings._replace(review_sample=0))["predictions"] >= 0


def test_check_names_what_is_missing(platform):
    with own_database(platform) as own:
        with Source(BATCHES[:1]).serving() as source:
            ingest_all(own, source.url)
        assert problems(own) == {}
        with Warehouse(own.database_url) as warehouse:
            (batch,) = warehouse.batches()
            decision = make_decision(batch_ids=[batch.batch_id, "lost"], decision="rejected")
            warehouse.record_decision(decision)
            promoted = make_decision(
                training_id="t2", version=2, digest="2" * 64, batch_ids=[batch.batch_id],
                model_uri="s3://mlflow-artifacts/none", decision="promoted",
            )  # fmt: skip
            warehouse.record_decision(promoted)
            warehouse.log_predictions([make_prediction(model_version=9, model_digest="9" * 64)])
        execute(own, "delete from clean.clean_data where row_number = 1")
        Lake(own).put_bytes(own.bucket_clean, f"{batch.batch_id}.parquet", b"")
        found = problems(own)
        assert set(found) == {"rows", "lineage", "objects"}
        assert f"{batch.rows_clean - 1:,} rows in clean.clean_data" in found["rows"][0]
        assert "predictions are of tasador-price@9" in found["lineage"][0]
        assert "trained on batch lost" in found["lineage"][1]
        missing, empty = found["objects"]
        assert missing.startswith("version 2 names s3://mlflow-artifacts/none/manifest.json")
        assert f"{batch.batch_id}.parquet of batch" in empty
        execute(own, "update ops.schema_version set version_num = '0016'")
        assert "run `tasador db upgrade`" in problems(own)["schema"][0]


def test_psql_gets_the_address_without_a_password_among_its_arguments(database, monkeypatch):
    monkeypatch.setenv("TASADOR_DATABASE_URL", database.database_url)
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    command = [sys.executable, "-m", "tasador", "db", "psql", "-Atc"]
    name = database.database_url.rpartition("/")[2]

    def printed(query):
        done = subprocess.run([*command, query], capture_output=True, text=True, check=True)
        return done.stdout

    assert printed("select current_database()").strip() == name
    arguments = printed(r"\! cat /proc/$PPID/cmdline")
    assert name in arguments
    assert urlsplit(database.database_url).password not in arguments
