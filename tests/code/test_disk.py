"""A full disk is an error that names the path and what to do, wherever it is noticed."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import psycopg2.errors
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from tasador.cli import main as cli
from tasador.errors import DiskFull, StoreUnavailable
from tasador.machine.disk import disk_full, writing_below
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.warehouse import connection


def fill():
    """Write to a disk that is always full."""
    with open("/dev/full", "wb") as file:
        file.write(b"x" * 1_000_000)


def fill_by_arrow():
    with pa.OSFile("/dev/full", "wb") as file:
        file.write(b"x" * 1_000_000)


@pytest.mark.parametrize("write", [fill, fill_by_arrow])
def test_a_full_disk_is_named_with_its_room(tmp_path, write):
    with pytest.raises(DiskFull) as caught, writing_below(tmp_path):
        write()
    assert str(caught.value).startswith(f"the disk of {tmp_path} is full (")
    assert str(caught.value).endswith(" MB free): delete files there")
    assert isinstance(caught.value.__cause__, OSError)


def test_the_file_of_the_error_is_named_even_if_it_is_gone():
    path = Path("/nowhere/at/all")
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    assert str(disk_full(error, "/other")).startswith(f"the disk of {path} is full (")
    error = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(path))
    assert str(disk_full(error)) == (
        f"the quota for {path} is used up: delete files, or ask for a larger one"
    )


def test_other_errors_stay_what_they_are(tmp_path):
    assert disk_full(PermissionError(errno.EACCES, "denied")) is None
    with pytest.raises(IsADirectoryError), writing_below(tmp_path):
        tmp_path.write_bytes(b"")


def test_a_full_disk_of_postgres():
    engine = connection.connect("postgresql://user@127.0.0.1:1/tasador")
    full = psycopg2.errors.DiskFull('could not extend file "base/5/1": No space left on device')
    with pytest.raises(DiskFull) as caught, connection.translated_errors(engine):
        raise full
    assert str(caught.value) == (
        "the disk of the database tasador at 127.0.0.1 is full: could not extend file "
        '"base/5/1": No space left on device; delete files there, or enlarge its volume'
    )


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "says"),
    [
        ("InsufficientStorage", "", 507, DiskFull, "the disk of the object store"),
        ("InternalError", "write /d/1: no space left on device", 500, DiskFull, "is full"),
        ("InternalError", "no free volumes left", 500, DiskFull, "is full"),
        ("NoSuchUpload", "", 404, StoreUnavailable, "is its disk full?"),
        ("InternalError", "unexpected", 500, StoreUnavailable, "does not answer"),
    ],
)
def test_a_full_disk_of_the_object_store(code, message, status, kind, says, tmp_path):
    keys = {"s3_access_key": "a", "s3_secret_key": "b"}
    lake = Lake(Settings(home=tmp_path, s3_endpoint="http://127.0.0.1:1", **keys))
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    with pytest.raises(StoreUnavailable, match=says) as caught, lake._translated_errors("s3://b/k"):
        raise ClientError(answer, "PutObject")
    assert type(caught.value) is kind
    assert str(caught.value).startswith("s3://b/k: ")


def test_an_object_store_that_only_fails_has_a_full_disk_if_there_is_little_room(
    monkeypatch, tmp_path
):
    keys = {"s3_access_key": "a", "s3_secret_key": "b"}
    lake = Lake(Settings(home=tmp_path, s3_endpoint="http://127.0.0.1:1", **keys))
    (tmp_path / "objects").mkdir()
    answer = {
        "Error": {"Code": "InternalError", "Message": "Internal Error"},
        "ResponseMetadata": {"HTTPStatusCode": 500},
    }
    for free, kind in ((99_000_000, DiskFull), (10_000_000_000, StoreUnavailable)):
        usage = SimpleNamespace(free=free, total=20_000_000_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        with pytest.raises(StoreUnavailable) as caught, lake._translated_errors("s3://b/k"):
            raise ClientError(answer, "PutObject")
        assert type(caught.value) is kind
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5, total=2_000_000))
    with pytest.raises(DiskFull) as caught, lake._translated_errors("s3://b/k"):
        raise ClientError(answer, "PutObject")
    assert str(caught.value) == (
        f"s3://b/k: the object store http://127.0.0.1:1 failed; the disk of {tmp_path}/objects is "
        "full (0 of 2 MB free): delete files there"
    )


def test_a_command_says_which_disk_is_full_on_one_line(monkeypatch, capsys, tmp_path):
    def fill_file():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "out"))

    monkeypatch.setattr(cli.environment, "enter", lambda _: None)
    monkeypatch.setattr(cli, "_end_in_order", lambda: None)
    monkeypatch.setattr(cli, "_run", fill_file)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: the disk of {tmp_path / 'out'} is full (")
