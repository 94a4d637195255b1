"""The logins of the parts on a real Postgres: what each part does works, and nothing else."""

import uuid
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import optuna
import psycopg2
import pytest
from sqlalchemy import text

from tasador.accounts import passwords as hashing
from tasador.accounts import verbs
from tasador.clock import now
from tasador.errors import ConfigurationError, StoreRefused
from tasador.model.model_ref import CANDIDATE
from tasador.operations import provision
from tasador.operations.exporter import FAMILIES, Overview
from tasador.records.shadow import ShadowRecord
from tasador.training.verbs import study_storage
from tasador.warehouse import logins, schema
from tasador.warehouse.connection import connect, transaction
from tasador.warehouse.overview.figures import DEAD_LETTERS
from tasador.warehouse.rows import RowFiles
from tasador.warehouse.warehouse import Warehouse
from tests.kit import records
from tests.kit.logins import PASSWORDS, on

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def server(database):
    """The owner's settings, with all logins and a database of MLflow's."""
    mlflow = f"mlflow_{uuid.uuid4().hex[:8]}"
    run(database.database_url, f"create database {mlflow}")
    other = on(database.database_url, database=mlflow)
    # What a release before this one left, when MLflow logged in as the owner.
    run(
        other,
        "create table experiments (id serial primary key)",
        "create function touch() returns int language sql as 'select 1'",
        "create sequence loose",
    )
    logins.ensure_logins(database.database_url, PASSWORDS, {"mlflow": mlflow})
    yield database._replace(mlflow_url=other)
    run(database.database_url, f"drop database {mlflow} with (force)")


def run(url, *statements):
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def as_part(server, part):
    return Warehouse(on(server.database_url, part))


def test_every_table_is_in_the_list():
    for part, grants in logins.GRANTS.items():
        assert set(grants) <= {*logins.TABLES, *logins.VIEWS}, part
    assert set(logins.GRANTS["flows"]) == {*logins.TABLES, *logins.VIEWS}
    assert {t.fullname for t in schema.METADATA.tables.values()} == set(logins.TABLES)


def test_web_signs_people_in_and_decides_but_removes_and_records_nothing(server, monkeypatch):
    monkeypatch.setattr(hashing, "_COST", (4, 8, 1))
    with as_part(server, "flows") as flows, as_part(server, "web") as web:
        verbs.add_account(flows, "ana", "viewer", PASSWORD, "root")
        monkeypatch.setattr(hashing, "_COST", (5, 8, 1))
        token = verbs.sign_in(web, "ana", PASSWORD, "10.0.0.1", 12).token
        assert verbs.session_of(web, token).name == "ana"
        with pytest.raises(verbs.SignInRefused):
            verbs.sign_in(web, "ana", "wrong password", "10.0.0.1", 12)
        with verbs.recorded(web, "ana", "decline", "3", role="operator", channel="web"):
            web.record_decision(records.make_decision())
        by_provider = verbs.sign_in_from_provider(web, "eve", "viewer", "s1", "10.0.0.2", 12)
        assert by_provider.account.name == "eve"
        verbs.sign_in_from_provider(web, "eve", "operator", "s1", "10.0.0.2", 12)
        assert web.account("eve").role == "operator"
        verbs.sign_out(web, token)
        assert verbs.session_of(web, token) is None
        assert web.actions(10)
        for forbidden in (
            lambda: web.remove_account("ana"),
            lambda: verbs.set_password(web, "ana", "another good password", "ana"),
            lambda: web.log_predictions([records.make_prediction()]),
        ):
            with pytest.raises(StoreRefused, match="permission denied"):
                forbidden()
        verbs.set_role(flows, "ana", "operator", "root")


def test_flows_store_rows_and_search_parameters_but_change_no_table(server, tmp_path):
    flows = server._replace(database_url=on(server.database_url, "flows"))
    with as_part(server, "flows") as warehouse, RowFiles(tmp_path) as files:
        warehouse.save_batch(records.make_batch(batch_id="own"))
        files.add(b"0" + b"\t\\N" * 13 + b"\n", b"", b"")
        files.__exit__()
        for _ in range(2):  # the second time by a temporary table
            warehouse.store_rows("own", files)
        with pytest.raises(StoreRefused, match="permission denied"):
            warehouse.migrate()
    study = optuna.create_study(storage=study_storage(flows), study_name="own")
    study.tell(study.ask(), 1.0)
    assert len(study.trials) == 1
    for statement in ("drop table ops.batches", "alter table clean.clean_data add x int"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(flows.database_url, statement)


@pytest.mark.parametrize("part", ["record", "reload", "exporter"])
def test_functions_and_exporter_read_no_password_and_promote_nothing(server, part):
    with as_part(server, part) as warehouse:
        warehouse.predictions(1)
        warehouse.latest_promotion("tasador-price")
        for forbidden in (
            warehouse.accounts,
            lambda: warehouse.actions(1),
            lambda: warehouse.record_decision(records.make_decision()),
            warehouse.migrate,
        ):
            with pytest.raises(StoreRefused, match="permission denied"):
                forbidden()


def test_record_and_reload_write_their_own_tables_alone(server):
    with as_part(server, "record") as record, as_part(server, "reload") as reload:
        assert record.log_predictions([records.make_prediction(prediction_id="mine")]) == 1
        with pytest.raises(StoreRefused, match="permission denied"):
            reload.log_predictions([records.make_prediction(prediction_id="forged")])
        stored = reload.record_rollout(records.make_rollout())
        assert stored.rollout_id
        with pytest.raises(StoreRefused, match="permission denied"):
            record.record_rollout(records.make_rollout())
        with reload.lock("rollout"):
            pass


def test_a_shadow_is_started_by_flows_ended_by_reload_and_reported_by_record(server):
    model = records.make_decision(digest="8" * 64).model
    wanted = ShadowRecord(**model.write(CANDIDATE), started_by="ana")
    with (
        as_part(server, "flows") as flows,
        as_part(server, "reload") as reload,
        as_part(server, "record") as record,
    ):
        for forbidden in (reload, record):
            with pytest.raises(StoreRefused, match="permission denied"):
                forbidden.start_shadow(wanted)
        shadow = flows.start_shadow(wanted)
        assert flows.start_shadow(replace(wanted, digest="other")) == shadow
        reload.mirror_to_shadow(shadow.shadow_id)
        assert reload.open_shadow().mirroring_at is not None
        made = records.make_prediction(predicted_at=now())
        record.log_predictions([made])
        compared = records.make_comparison(prediction_id=made.prediction_id)
        assert record.log_comparisons([compared]) == 1
        assert record.log_comparisons([compared]) == 0
        window = (shadow.started_at, now() + timedelta(minutes=1))
        assert flows.unanswered(shadow.digest, *window) == (1, 0)
        assert flows.unanswered("another", *window) == (1, 1)
        assert flows.comparisons(shadow.digest, *window, 9) == [compared]
        with pytest.raises(StoreRefused, match="permission denied"):
            reload.log_comparisons([compared])
        with pytest.raises(StoreRefused, match="permission denied"):
            record.end_shadow("record", "no")
        assert reload.end_shadow("reload", "rolled out").ended_at is not None
        assert flows.open_shadow() is None
        assert flows.newest_shadow().reason == "rolled out"


def test_analyst_reads_views_with_comments_and_no_table_but_the_catalog_of_the_lake(
    server, tmp_path
):
    analyst = on(server.database_url, "analyst")
    batch = records.make_batch(batch_id="seen", status="ready", rows_raw=2, rows_clean=1)
    with as_part(server, "flows") as flows:
        flows.save_batch(batch)
        flows.record_drift(records.make_drift_record(batch_id="seen", verdict="no_drift"))
        flows.log_predictions([records.make_prediction(prediction_id="seen", missing=["bath"])])
    run(
        server.database_url,
        "insert into clean.clean_data (batch_id, row_number, price, property_key, holdout, bed)"
        " values ('seen', 0, 1e5, 'a|b|c', true, 3)",
        "insert into ops.quarantine values ('seen', 1,"
        """ '[{"field": "price", "reason": "is no number", "value": "x"}]')""",
    )
    assert run(analyst, "select verdict, feed_broken from reports.batches where batch_id = 'seen'"
               ) == [("no_drift", False)]  # fmt: skip
    assert run(analyst, "select price, bed, in_holdout from reports.listings") == [(1e5, 3, True)]
    assert run(analyst, "select row_number, field, value from reports.refused_rows") == [
        (1, "price", "x")
    ]
    columns = "price, low_90, high_90, bed, bath, city, fields_missing, confidence"
    (row,) = run(analyst, f"select {columns} from reports.predictions where prediction_id = 'seen'")
    assert row == (250_000.5, 1.8e5, 3.2e5, 3, None, "Peñuelas", 1, row[-1])
    run(analyst, "select * from reports.versions")
    # A feed that broke shows no listing.
    run(server.database_url, "update ops.batches set refused_at = now() where batch_id = 'seen'")
    assert run(analyst, "select * from reports.listings") == []
    for table in set(logins.TABLES) - logins.CATALOG:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(analyst, f"select 1 from {table}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(analyst, "create temp table t as select 1")
    bare = run(
        server.database_url,
        "select a.attrelid::regclass, attname from pg_attribute a join pg_class c on c.oid ="
        " attrelid where relnamespace = 'reports'::regnamespace and attnum > 0"
        " and (col_description(c.oid, attnum) is null or obj_description(c.oid) is null)",
    )
    assert bare == []
    views = "select 'reports.' || viewname from pg_views where schemaname = 'reports' order by 1"
    assert [name for (name,) in run(server.database_url, views)] == list(logins.VIEWS)


def test_exporter_reads_every_family_and_sees_how_long_others_work(server):
    overview = Overview(lambda: on(server.database_url, "exporter"))
    assert overview.measure((*FAMILIES, *DEAD_LETTERS), "tasador-price")
    engine = connect(on(server.database_url, "flows"))
    with transaction(engine) as connection:
        connection.execute(text("select 1"))
        seen = run(
            on(server.database_url, "exporter"),
            "select count(xact_start) from pg_stat_activity where usename = 'tasador_flows'",
        )
    engine.dispose()
    assert seen == [(1,)]


def test_mlflow_owns_its_database_and_enters_no_other(server):
    mlflow = on(server.mlflow_url, "mlflow")
    run(
        mlflow,
        "alter table experiments add column name text",
        "insert into experiments (name) values ('a')",
        "create or replace function touch() returns int language sql as 'select 2'",
        "drop sequence loose",
        "create table runs (id int)",
    )
    for part, database in (("mlflow", server.database_url), ("web", server.mlflow_url)):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            run(on(database, part), "select 1")


def test_a_second_call_rotates_passwords_and_takes_back_what_was_granted_by_hand(server):
    run(server.database_url, "grant delete on ops.model_history to tasador_record")
    rotated = PASSWORDS | {"record": "rotated-0123456789abcdef"}
    logins.ensure_logins(server.database_url, rotated, {})
    try:
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            run(on(server.database_url, "record"), "select 1")
        new = on(server.database_url, "record", rotated["record"])
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(new, "delete from ops.model_history")
    finally:
        logins.ensure_logins(server.database_url, PASSWORDS, {})


def test_an_owner_who_is_no_superuser_can_prepare_everything(platform, monkeypatch):
    # As at a managed Postgres.
    name = f"managed_{uuid.uuid4().hex[:8]}"
    own = {"record": PASSWORDS["record"], "mlflow": PASSWORDS["mlflow"]}
    run(platform.database_url, f"create role {name} login createrole createdb password 'managed'")
    parts = {part: f"{name}_{part}" for part in own}
    monkeypatch.setattr(logins, "login", parts.__getitem__)
    monkeypatch.setattr(provision, "MLFLOW_DATABASE", f"{name}_mlflow")
    monkeypatch.setattr(provision, "prepare_buckets", lambda settings: None)
    host = urlsplit(platform.database_url).netloc.rpartition("@")[2]
    settings = platform._replace(
        database_url=f"postgresql://{name}:managed@{host}/{name}",
        database_roles=",".join(f"{part}:{password}" for part, password in own.items()),
        metaflow_service_url="",
    )
    try:
        for _ in range(2):
            lines = provision.prepare(settings)
        assert any("logins of record, mlflow" in line for line in lines)
        with Warehouse(on(settings.database_url, "record")) as warehouse:
            assert warehouse.predictions(1) == []
        run(on(settings.database_url, "mlflow", database=f"{name}_mlflow"), "create table a ()")
    finally:
        run(
            platform.database_url,
            *(f"drop database if exists {each} with (force)" for each in (name, f"{name}_mlflow")),
            *(f"drop role if exists {role}" for role in (*parts.values(), name)),
        )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("webb:0123456789abcdef", "names a part 'webb': the parts are flows, record"),
        ("web:short", "the password of web must have 16 or more"),
        ("web:0123456789abcdef@x", "the password of web"),
        ("web", "the password of web"),
    ],
)
def test_a_wrong_list_of_logins_is_refused(setting, message):
    with pytest.raises(ConfigurationError, match=message):
        logins.read_passwords(setting)


def test_the_list_of_logins_is_read():
    assert logins.read_passwords("") == {}
    assert logins.read_passwords("web:0123456789abcdef, mlflow:0123456789abcdeg,") == {
        "web": "0123456789abcdef",
        "mlflow": "0123456789abcdeg",
    }
