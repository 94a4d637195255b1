"""A store that is away for 20 seconds in the middle of an ingest flow, and a disk that fills.

Each test stops or fills its own platform. They take minutes: set TASADOR_TEST_LONG.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager

import psutil
import pytest

from tasador.errors import DiskFull, StoreUnavailable
from tasador.ingestion import stores as ingestion_stores
from tasador.local.platform import Platform
from tasador.local.process import Daemons
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse
from tests.kit.broker import recording_broker
from tests.kit.flows import Flow
from tests.kit.ingestion import Source, assert_ingested_once, ingest_all, ingest_one
from tests.kit.listings import raw_batches

pytestmark = pytest.mark.skipif(
    not os.environ.get("TASADOR_TEST_LONG"), reason="long: set TASADOR_TEST_LONG (tests/README.md)"
)

BATCHES = raw_batches(1, rows=20_000)
AWAY_SECONDS = 20
DISK = 200 << 20


@contextmanager
def stores_in(home):
    """Postgres and the object store of a home, and a broker."""
    stores = Platform(home)
    try:
        with recording_broker() as (broker, _):
            yield stores.up_stores()._replace(broker_url=broker)
    finally:
        stores.down()


@pytest.fixture
def home(new_home, monkeypatch):
    # What finds a full disk waits no longer than for a store that is away for good.
    monkeypatch.setattr(ingestion_stores, "_STORE_AWAY", 1.0)
    home = new_home()
    monkeypatch.setenv("TASADOR_HOME", str(home))
    return home


def stopped(home, part):
    """Freeze all processes of a part; they do not end, and answer nothing."""
    root = psutil.Process(Daemons(home).running(part).pid)
    processes = [root, *root.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)

    def proceed():
        for process in processes:
            if process.is_running():
                process.send_signal(signal.SIGCONT)

    return proceed


def ended(home, part):
    """End a part as `tasador down` does, which breaks its connections."""
    Daemons(home).stop(part)
    return Platform(home).up_stores


@pytest.mark.parametrize("leave", [stopped, ended])
@pytest.mark.parametrize("part", ["objects", "postgres"])
def test_flow_waits_for_a_store_that_is_away_and_ends_well(home, tmp_path, checkout, part, leave):
    with stores_in(home) as settings, Source(BATCHES).serving() as source:
        source.go.clear()
        flow = Flow("ingest", settings, tmp_path, checkout, "run", "--source-url", source.url)
        # The request is in the warehouse, and the answer comes while the store is away.
        flow.wait_until(lambda: source.requests == 1)
        back = leave(home, part)
        try:
            source.go.set()
            time.sleep(AWAY_SECONDS)
        finally:
            back()
        code, output = flow.end()
        assert code == 0, output
        # The answer was kept: the source was not asked again.
        assert source.requests == 1
        assert_ingested_once(settings, BATCHES)


@contextmanager
def small_disk(folder):
    """A file system of 200 MB at the folder."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder, left):
    """The disk of the folder has ``left`` bytes of room."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - left)
    yield
    ballast.unlink()


def test_full_disk_of_temporary_files(home, tmp_path, monkeypatch):
    with stores_in(home) as settings, Source(BATCHES).serving() as source, small_disk(tmp_path):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with filled(tmp_path, 200_000):
            with pytest.raises(DiskFull, match=r"the disk of \S+ is full .*: delete files there"):
                ingest_one(settings, source.url)
            assert [path.name for path in tmp_path.iterdir()] == ["ballast"]
        assert ingest_all(settings, source.url) == ["ingested", "exhausted"]
        assert_ingested_once(settings, BATCHES)


def test_full_disk_of_the_object_store(home):
    objects = home / "objects"
    objects.mkdir()
    with small_disk(objects), stores_in(home) as settings, Source(BATCHES).serving() as source:
        with filled(objects, 200_000):
            with pytest.raises(DiskFull, match=r"s3://data-raw/\S+: the object store .* is full"):
                ingest_one(settings, source.url)
            assert Lake(settings).objects(f"s3://{settings.bucket_raw}/") == []
        assert ingest_all(settings, source.url) == ["ingested", "exhausted"]
        assert_ingested_once(settings, BATCHES)


def test_full_disk_of_the_database(home):
    with small_disk(home), stores_in(home) as settings, Source(BATCHES).serving() as source:
        # Postgres ends if its log finds no room, and refuses the statement otherwise.
        refused = pytest.raises((DiskFull, StoreUnavailable), match="the database")
        with filled(home, 2_000_000), refused:
            ingest_one(settings, source.url)
        Platform(home).up_stores()
        with Warehouse(settings.database_url) as warehouse:
            assert [batch.status for batch in warehouse.batches(status="ready")] == []
        assert ingest_all(settings, source.url) == ["ingested", "exhausted"]
        assert_ingested_once(settings, BATCHES)
