"""The Iceberg table of clean listings: every file once, whatever fails, read in place by DuckDB."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from uuid import uuid4

import duckdb
import psycopg2
import pytest

from tasador.errors import ObjectLost, StoreRefused, StoreUnavailable, TasadorError
from tasador.operations.consistency import check
from tasador.operations.lake_table import METADATA_FOLDER, Synced, sync
from tasador.stores.buckets import Buckets
from tasador.stores.lake import Lake
from tasador.warehouse import logins
from tasador.warehouse.warehouse import Warehouse
from tests.kit.checkout import ROOT
from tests.kit.ingestion import Source, ingest_all, own_database
from tests.kit.listings import raw_batches
from tests.kit.logins import PASSWORDS, on
from tests.kit.records import make_batch

BATCHES = raw_batches(4)
COLUMNS = "batch_id, row_number, price, state, zip_code, holdout"


@pytest.fixture
def settings(platform):
    """A database and buckets of the test alone, with three ingested batches."""
    with own_database(platform) as own:
        name = uuid4().hex[:12]
        own = own._replace(bucket_raw=f"raw-{name}", bucket_clean=f"clean-{name}")
        Lake(own).ensure_buckets()
        ingest(own, 3)
        yield own


def ingest(settings, batches):
    with Source(BATCHES[:batches]).serving() as source:
        ingest_all(settings, source.url)


def run(settings, statement):
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def warehouse_rows(settings):
    return run(settings, f"select {COLUMNS} from clean.clean_data order by 1, 2")


def table_rows(settings):
    (metadata,) = run(settings, "select metadata_location from lake.iceberg_tables")[0]
    found = duck(settings).sql(f"select {COLUMNS} from iceberg_scan('{metadata}') order by 1, 2")
    return found.fetchall()


def duck(settings):
    """DuckDB with the extensions that a reader installs, whose signatures it verifies."""
    connection = duckdb.connect()
    for name in ("httpfs", "avro", "iceberg"):
        package = files(f"duckdb_extension_{name}")
        file = f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"
        connection.load_extension(str(package / file))
    connection.execute(documented_sql(settings, "")[0])
    return connection


def documented(language):
    """The block of docs/scale.md in a language."""
    text = (ROOT / "docs" / "scale.md").read_text()
    _, _, section = text.partition("## Reading the lake")
    (block,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return block


def documented_sql(settings, metadata):
    """The statements for DuckDB, with the values of this platform: the secret, the query."""
    block = documented("sql")
    values = {
        "HOST:PORT": settings.s3_endpoint.removeprefix("http://"),
        "ACCESS_KEY": settings.s3_access_key,
        "SECRET_KEY": settings.s3_secret_key,
        "METADATA": metadata,
    }
    for name, value in values.items():
        assert name in block
        block = block.replace(name, value)
    return block.rstrip().removesuffix(";").split(";")


def stored(settings):
    """Everything in the clean bucket outside of Iceberg's folder, with its mark."""
    bucket = settings.bucket_clean
    return {
        each for each in Buckets(settings).list(bucket) if not each.key.startswith(METADATA_FOLDER)
    }


def start(settings, *arguments):
    command = [sys.executable, *(arguments or ("-m", "tasador", "lake", "sync"))]
    environ = {**os.environ, **settings.as_environ()}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)


def test_the_table_lists_the_file_of_each_batch_once_and_copies_none(settings):
    before = stored(settings)
    first = sync(settings)
    clean = warehouse_rows(settings)
    assert (first.added, first.files, first.rows) == (3, 3, len(clean))
    assert table_rows(settings) == clean
    again = sync(settings)
    assert again == replace(first, added=0)
    assert stored(settings) == before
    ingest(settings, 4)
    fourth = sync(settings)
    assert (fourth.added, fourth.files) == (1, 4)
    assert table_rows(settings) == warehouse_rows(settings)
    assert fourth.rows > first.rows


# What the process has done when it is killed -> the method, and whether it runs before.
KILLS = {
    "manifests written": ("commit_table", False),
    "metadata written": ("_write_metadata", True),
    "files added": ("commit_table", True),
}
KILLED = """
import os, signal, sys
from pyiceberg.catalog.sql import SqlCatalog
from tasador.operations.lake_table import sync
from tasador.settings import Settings

name, runs = sys.argv[1], sys.argv[2] == "True"
method = getattr(SqlCatalog, name)
left = [None] * int(sys.argv[3])

def killed(*arguments, **options):
    if left:
        left.pop()
        return method(*arguments, **options)
    if runs:
        method(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(SqlCatalog, name, staticmethod(killed) if name == "_write_metadata" else killed)
sync(Settings.load())
"""


@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_call_is_completed_by_the_next(settings, kill):
    name, runs = KILLS[kill]
    # The first metadata is that of the empty table.
    earlier = "1" if name == "_write_metadata" else "0"
    process = start(settings, "-c", KILLED, name, str(runs), earlier)
    assert (process.communicate(), process.returncode) == (("", None), -9)
    done = kill == "files added"
    assert len(table_rows(settings)) == (len(warehouse_rows(settings)) if done else 0)
    after = sync(settings)
    assert (after.added, after.files) == (0 if done else 3, 3)
    assert table_rows(settings) == warehouse_rows(settings)


def test_two_at_once_add_each_file_once(settings):
    running = [start(settings) for _ in range(2)]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(text.split()[0] for text in said) == ["0", "3"]
    assert all(f"{len(warehouse_rows(settings)):,} rows in 3 files" in text for text in said)
    assert table_rows(settings) == warehouse_rows(settings)


def test_flows_write_the_catalog_which_an_analyst_reads(settings):
    logins.ensure_logins(settings.database_url, PASSWORDS, {})

    def of(part):
        return settings._replace(database_url=on(settings.database_url, part))

    metadata = sync(of("flows")).metadata
    assert sync(of("flows")).added == 0
    assert run(of("analyst"), "select metadata_location from lake.iceberg_tables") == [(metadata,)]
    for part, statement in (
        *((each, "select 1 from lake.iceberg_tables") for each in ("record", "web", "exporter")),
        ("analyst", "update lake.iceberg_tables set metadata_location = ''"),
        ("flows", "delete from lake.iceberg_tables"),
        ("flows", "create table lake.another ()"),
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            run(of(part), statement)


def test_a_platform_without_a_batch_stays_empty(platform):
    # Else a backup could not be restored to it.
    with own_database(platform) as own:
        own = own._replace(bucket_clean=f"clean-{uuid4().hex[:12]}")
        Lake(own).ensure_buckets()
        assert sync(own) == Synced(added=0, files=0, rows=0, metadata="")
        assert run(own, "select * from lake.iceberg_namespace_properties") == []
        assert list(Buckets(own).list(own.bucket_clean)) == []


def test_only_ready_batches_with_rows_are_listed(settings):
    with Warehouse(settings.database_url) as warehouse:
        lost = f"s3://{settings.bucket_clean}/lost.parquet"
        warehouse.save_batch(make_batch(batch_id="none", status="ready", clean_uri=lost))
        warehouse.save_batch(make_batch(batch_id="begun", status="validated", rows_clean=5))
        assert sync(settings).files == 3
        # A batch whose file is lost adds nothing, and the others wait for it.
        warehouse.save_batch(
            make_batch(batch_id="lost", status="ready", clean_uri=lost, rows_clean=5)
        )
    with pytest.raises(ObjectLost, match=r"lost\.parquet"):
        sync(settings)


def test_the_documented_query_gives_what_the_warehouse_gives(settings):
    metadata = sync(settings).metadata
    _, query = documented_sql(settings, metadata)
    expected = run(
        settings,
        "select state, count(*), percentile_cont(0.5) within group (order by price)"
        " from clean.clean_data group by 1 order by 2 desc, 1",
    )
    assert duck(settings).sql(query).fetchall() == expected


def test_the_documented_python_gives_what_the_warehouse_gives(settings, monkeypatch):
    sync(settings)
    url = settings.database_url.replace("postgresql", "postgresql+psycopg2", 1)
    monkeypatch.setenv("LAKE_CATALOG", f"{url}?options=-csearch_path%3Dlake")
    for name, value in settings.as_environ().items():
        monkeypatch.setenv(name, value)
    namespace = {}
    exec(documented("python"), namespace)
    namespace["catalog"].close()
    found = namespace["texas"].sort_by([("zip_code", "ascending"), ("price", "ascending")])
    expected = run(
        settings,
        "select zip_code, price from clean.clean_data"
        " where state = 'Texas' and price > 100000 order by 1, 2",
    )
    assert expected
    assert [(row["zip_code"], row["price"]) for row in found.to_pylist()] == expected


def test_the_check_of_the_warehouse_knows_the_table(settings):
    metadata = sync(settings).metadata
    parts = {each.part: each.problems for each in check(settings)}
    assert "unnamed" not in parts
    assert parts["objects"] == ()
    Buckets(settings).delete(settings.bucket_clean, [metadata.split("/", 3)[3]])
    (problem,) = next(each.problems for each in check(settings) if each.part == "objects")
    assert problem.startswith(f"the Iceberg table clean.listings names {metadata}")


def test_errors_say_what_is_wrong(settings):
    with pytest.raises(StoreRefused, match="TASADOR_S3_SECRET_KEY"):
        sync(settings._replace(s3_secret_key="another"))
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
        sync(settings._replace(s3_endpoint="http://127.0.0.1:9"))
    run(settings, "drop schema lake cascade")
    with pytest.raises(TasadorError, match="tasador db upgrade"):
        sync(settings)
