"""Restore a backup onto an empty platform.

The other way round than a backup: the objects first, then the databases, which are loaded under
other names and take their places last, all at once. Until then the platform is an empty one, and a
restore that broke off is started again.
"""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasador.operations.backup import manifest as manifests
from tasador.operations.backup.content import Contents
from tasador.operations.backup.databases import Databases, warehouse_of
from tasador.operations.backup.manifest import BackupError, Manifest, StoredFile
from tasador.operations.backup.rows import counts
from tasador.operations.provision import prepare_database
from tasador.progress import Progress
from tasador.settings import Settings
from tasador.stores.buckets import Buckets

# Objects are small and many; each waits for its answer.
_THREADS = 8
# FLOW/data/DIGEST: an installation stores the code of its flows before anything runs. It is named
# by its content, so it never takes the place of an object of the backup.
_CODE = re.compile(r"[^/]+/data/[0-9a-f]{2}/[0-9a-f]{40}")


def verify(folder: Path, name: str = "", progress: Progress = lambda *_: None) -> Manifest:
    """Read every content of a backup, the newest without a name; raises BackupError."""
    backup, contents = choose(folder, name), Contents(folder)
    stored = list(backup.contents())
    for number, entry in enumerate(stored):
        contents.verify(entry)
        progress("verify", (number + 1) / len(stored), entry.name)
    return backup


def choose(folder: Path, name: str = "") -> Manifest:
    """The backup of that name, or the newest; raises BackupError."""
    backup = manifests.read(folder, name) if name else manifests.newest(folder)
    if backup is None:
        raise BackupError(f"{folder} holds no backup: `tasador backup {folder}` creates one")
    return backup


def require_restorable(settings: Settings, folder: Path, backup: Manifest) -> None:
    """Raise BackupError unless the backup is complete and the platform is empty and like it.

    Objects of the backup itself may exist: an earlier restore may have broken off. So may the code
    of compiled flows.
    """
    contents = Contents(folder)
    lost = [stored.name for stored in backup.contents() if not contents.holds(stored)]
    if lost:
        raise BackupError(
            f"backup {backup.name} is incomplete: {folder} lacks the content of {len(lost)} files, "
            f"such as {lost[0]}"
        )
    lake = Buckets(settings)
    if set(lake.names) != set(backup.buckets):
        raise BackupError(
            f"backup {backup.name} has the buckets {', '.join(sorted(backup.buckets))}, which its "
            f"rows name; set TASADOR_BUCKET_RAW, _CLEAN, _MLFLOW and _METAFLOW to them"
        )
    if warehouse_of(settings) != backup.warehouse:
        raise BackupError(
            f"backup {backup.name} has the database {backup.warehouse}; let TASADOR_DATABASE_URL "
            "end with that name"
        )
    databases = Databases(settings.database_url)
    if databases.exist([backup.warehouse]):
        with databases.snapshot(backup.warehouse) as (cursor, _):
            existing = {table: count for table, count in counts(cursor).items() if count}
        if existing:
            found = ", ".join(f"{count:,} rows in {table}" for table, count in existing.items())
            raise BackupError(f"the platform is not empty, so nothing is restored: {found}")
    for bucket, stored in backup.buckets.items():
        known = {entry.name for entry in stored}
        for found_object in lake.list(bucket):
            is_code = bucket == settings.bucket_metaflow and _CODE.fullmatch(found_object.key)
            if found_object.key not in known and not is_code:
                raise BackupError(
                    "the platform is not empty, so nothing is restored: "
                    f"s3://{bucket}/{found_object.key} is not in the backup"
                )


def restore_objects(
    settings: Settings,
    folder: Path,
    backup: Manifest,
    progress: Progress = lambda *_: None,
) -> None:
    """Write the objects and, on one machine, the files; those that are there already are kept."""
    contents, lake = Contents(folder), Buckets(settings)
    lake.ensure_buckets()
    for number, (bucket, stored) in enumerate(backup.buckets.items()):
        progress("objects", number / len(backup.buckets), bucket)
        existing = {found.key: found.size for found in lake.list(bucket)}
        missing = [entry for entry in stored if existing.get(entry.name) != entry.size]

        def put(entry: StoredFile, bucket: str = bucket) -> None:
            # First: a damaged content must not reach the store.
            contents.verify(entry)
            lake.put_file(bucket, entry.name, contents.path(entry.sha256))

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(put, missing))
    if settings.platform == "embedded":
        for entry in backup.files:
            _write_file(settings.home, entry, contents)
    progress("objects", 1.0, "restored")


def restore_databases(
    settings: Settings,
    folder: Path,
    backup: Manifest,
    *,
    tools: Path | None = None,
    progress: Progress = lambda *_: None,
) -> None:
    """Load each dump into a new database, then let all of them take their places at once."""
    contents, databases = Contents(folder), Databases(settings.database_url, tools)
    for number, entry in enumerate(backup.databases):
        progress("databases", number / len(backup.databases), entry.name)
        contents.verify(entry)
        databases.load(entry.name, contents.path(entry.sha256))
    finish_databases(settings, backup)
    progress("databases", 1.0, "restored")


def finish_databases(settings: Settings, backup: Manifest) -> None:
    """Let the loaded databases take their places, and migrate the warehouse; counts its rows."""
    databases = Databases(settings.database_url)
    databases.replace([entry.name for entry in backup.databases])
    with databases.snapshot(backup.warehouse) as (cursor, _):
        found = counts(cursor)
    wrong = {
        table: (count, found.get(table))
        for table, count in backup.rows.items()
        if found.get(table) != count
    }
    if wrong:
        raise BackupError(f"the restored tables have other numbers of rows: {wrong}")
    # An older backup's schema becomes today's.
    prepare_database(settings)


def write_dumps(folder: Path, backup: Manifest, into: Path) -> None:
    """Copy the dumps to NAME.dump in a folder, for a pg_restore that runs elsewhere."""
    contents = Contents(folder)
    into.mkdir(parents=True, exist_ok=True)
    for entry in backup.databases:
        contents.verify(entry)
        shutil.copyfile(contents.path(entry.sha256), into / f"{entry.name}.dump")


def _write_file(home: Path, entry: StoredFile, contents: Contents) -> None:
    path = home / entry.name
    if not path.resolve().is_relative_to(home.resolve()):
        raise BackupError(f"{entry.name} would be written outside of {home}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    contents.verify(entry)
    part = path.with_name(f".{path.name}.part")
    shutil.copyfile(contents.path(entry.sha256), part)
    part.replace(path)
