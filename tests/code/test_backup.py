"""The folder of backups: contents by checksum, manifests, what is kept and what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tasador.local.restore import trust
from tasador.operations.backup import create, restore
from tasador.operations.backup import manifest as manifests
from tasador.operations.backup.content import Contents
from tasador.operations.backup.create import delete_older
from tasador.operations.backup.manifest import BackupError, Manifest, StoredFile
from tasador.operations.backup.restore import choose, verify, write_dumps
from tasador.settings import Settings, read_env_file


def stored(folder, name, content):
    sha256, size, _ = Contents(folder).add([content])
    return StoredFile(name, sha256, size)


def backup(folder, name, *, dump=b"dump", objects=()):
    """A backup with a dump of the warehouse, and objects of one bucket."""
    made = Manifest(
        name=name,
        begun_at="2026-11-29T08:00:00+00:00",
        finished_at="2026-11-29T08:01:00+00:00",
        tasador="abc",
        warehouse="tasador",
        public_keys="key",
        databases=[stored(folder, "tasador", dump)],
        buckets={"data-raw": [stored(folder, key, content) for key, content in objects]},
        files=[],
    )
    manifests.write(folder, made)
    return made


ONE, TWO, THREE = (f"20261129T08000{n}000000Z" for n in range(3))


def test_a_backup_needs_a_folder(tmp_path):
    (tmp_path / "f").write_text("mine")
    settings = Settings(tmp_path, database_url="postgresql://x/y", s3_endpoint="http://x")
    for folder in (tmp_path / "f", tmp_path / "f" / "below"):
        with pytest.raises(BackupError, match=rf"{folder} cannot be written: .*; name a new or"):
            create.create(settings, folder)
    assert (tmp_path / "f").read_text() == "mine"


def test_content_is_stored_once(tmp_path):
    contents = Contents(tmp_path)
    first = contents.add([b"a" * 10, b"b"])
    assert first[1:] == (11, True)
    assert contents.add([b"a" * 5, b"a" * 5 + b"b"]) == (first[0], 11, False)
    assert len(list((tmp_path / "content").rglob("*"))) == 2  # a folder and a file


def test_content_that_was_cut_off_is_stored_again(tmp_path):
    contents = Contents(tmp_path)
    sha256, size, _ = contents.add([b"whole"])
    contents.path(sha256).write_bytes(b"wh")
    assert not contents.holds(StoredFile("x", sha256, size))
    assert contents.add([b"whole"]) == (sha256, size, True)
    contents.verify(StoredFile("x", sha256, size))


def test_content_of_a_reader_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        Contents(tmp_path).add(broken())
    assert list((tmp_path / "content").iterdir()) == []


def test_damaged_and_missing_contents_are_named(tmp_path):
    made = backup(tmp_path, ONE, objects=[("payload", b"rows")])
    (entry,) = made.buckets["data-raw"]
    path = Contents(tmp_path).path(entry.sha256)
    assert verify(tmp_path).name == ONE
    path.write_bytes(b"rowz")
    with pytest.raises(BackupError, match="content of payload is damaged"):
        verify(tmp_path)
    path.unlink()
    with pytest.raises(BackupError, match="content of payload is missing"):
        verify(tmp_path)


def test_manifest_is_read_as_it_was_written(tmp_path):
    made = replace(
        backup(tmp_path, ONE, objects=[("k", b"v")]), rows={"ops.batches": 2}, missing=["s3://a/b"]
    )
    manifests.write(tmp_path, made)
    assert manifests.read(tmp_path, ONE) == made
    assert made.size == len(b"dump") + len(b"v")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body.update(public_keys="another"), "was changed after it was written"),
        (lambda body: body.update(format=2), "has format 2; this version of Tasador reads 1"),
        (lambda body: body.pop("sha256"), "is not the manifest of a backup"),
    ],
)
def test_changed_manifest_is_refused(tmp_path, change, message):
    backup(tmp_path, ONE)
    path = tmp_path / f"{ONE}.json"
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))
    with pytest.raises(BackupError, match=message):
        choose(tmp_path)


def test_newest_backup_unless_one_is_named(tmp_path):
    with pytest.raises(BackupError, match="holds no backup"):
        choose(tmp_path)
    for name in (TWO, ONE):
        backup(tmp_path, name)
    (tmp_path / "notes.json").write_text("{}")
    assert choose(tmp_path).name == TWO
    assert choose(tmp_path, ONE).name == ONE
    with pytest.raises(BackupError, match=f"has no backup {THREE}; it has {ONE}, {TWO}"):
        choose(tmp_path, THREE)


def test_older_backups_are_deleted_with_what_only_they_need(tmp_path):
    same = ("model", b"same in all")
    for number, name in enumerate((ONE, TWO, THREE)):
        only = (f"batch-{number}", f"only {number}".encode())
        backup(tmp_path, name, dump=f"dump {number}".encode(), objects=[same, only])
    assert delete_older(tmp_path, 2) == ([ONE], len(b"dump 0") + len(b"only 0"))
    assert manifests.names(tmp_path) == [TWO, THREE]
    for name in (TWO, THREE):
        verify(tmp_path, name)
    assert delete_older(tmp_path, 2) == ([], 0)


def test_dumps_are_written_by_the_names_of_their_databases(tmp_path):
    (tmp_path / "backups").mkdir()
    made = backup(tmp_path / "backups", ONE)
    write_dumps(tmp_path / "backups", made, tmp_path / "dumps")
    assert (tmp_path / "dumps" / "tasador.dump").read_bytes() == b"dump"


def test_keys_that_signed_the_bundles_are_trusted_once(tmp_path):
    path = tmp_path / "endpoints.env"
    path.write_text("# header\nTASADOR_PLATFORM=embedded\nTASADOR_SIGNING_PUBLIC_KEYS=mine\n")
    for _ in range(2):
        trust(tmp_path, "lost,mine")
    assert read_env_file(path) == {
        "TASADOR_PLATFORM": "embedded",
        "TASADOR_SIGNING_PUBLIC_KEYS": "mine,lost",
    }
    assert path.stat().st_mode & 0o777 == 0o600


CODE = "DriftFlow/data/65/65e0d63a1b65211d95c0fcb377c3522c5894b134"


@pytest.mark.parametrize(
    ("bucket", "key", "refused"),
    [
        # The job deploy-flows stores it before a restore can begin.
        ("metaflow", CODE, False),
        ("metaflow", "DriftFlow/argo-driftflow-x7k2p/start/t-1/0.DONE.lock", True),
        ("metaflow", f"mf.cards/{CODE}", True),
        ("data-raw", CODE, True),
        # An earlier restore broke off.
        ("data-raw", "a", False),
    ],
)
def test_a_platform_with_the_code_of_flows_alone_is_empty(
    tmp_path, monkeypatch, bucket, key, refused
):
    made = backup(tmp_path, ONE, objects=[("a", b"1")])
    made = replace(made, buckets={**made.buckets, "metaflow": []})
    there = {"data-raw": [], "metaflow": [], bucket: [SimpleNamespace(key=key, size=1)]}
    store = SimpleNamespace(names=list(there), list=there.get)
    monkeypatch.setattr(restore, "Buckets", lambda _: store)
    monkeypatch.setattr(restore, "Databases", lambda _: SimpleNamespace(exist=lambda _: False))
    settings = Settings(home=tmp_path, database_url="postgresql://127.0.0.1:9/tasador")
    if refused:
        with pytest.raises(BackupError, match=f"{bucket}/{key} is not in the backup"):
            restore.require_restorable(settings, tmp_path, made)
    else:
        restore.require_restorable(settings, tmp_path, made)
