"""Create a backup of a platform that may be in use.

A backup copies in the reverse of the order of writing: first the warehouse, whose rows name
registered versions and objects; then MLflow's and Metaflow's databases; then the objects, which are
written before the rows that name them, and never changed. So everything that a copied row names is
copied after it (docs/decisions/0063-backup-order.md).
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasador.clock import now
from tasador.errors import ObjectLost
from tasador.machine.environment import metaflow_folder
from tasador.operations.backup import manifest as manifests
from tasador.operations.backup.content import CHUNK, Contents
from tasador.operations.backup.databases import Databases, warehouse_of
from tasador.operations.backup.manifest import BackupError, Manifest, StoredFile
from tasador.operations.backup.rows import counts, named_objects
from tasador.operations.provision import METAFLOW_DATABASE, MLFLOW_DATABASE
from tasador.progress import Progress
from tasador.settings import Settings, git_sha
from tasador.stores.buckets import Buckets, StoredObject

# Objects are small and many; each waits for its answer.
_THREADS = 8
# Files of the home that are part of a backup on one machine, apart from Metaflow's runs.
_HOME_FILES = ("dead-letters.jsonl",)


@dataclass(frozen=True, slots=True)
class Created:
    """A new backup, with the bytes and the number of contents that no earlier one had."""

    manifest: Manifest
    new_bytes: int
    new_contents: int


def create(
    settings: Settings,
    folder: Path,
    *,
    tools: Path | None = None,
    dumps: Path | None = None,
    progress: Progress = lambda *_: None,
) -> Created:
    """Back up databases, buckets and, on one machine, Metaflow's runs and cards.

    ``dumps`` is a folder with NAME.dump for each database, dumped before this call; without it
    pg_dump dumps them, from the folder ``tools`` or PATH. What an earlier backup in ``folder``
    holds unchanged is not read again. Raises BackupError, DiskFull, StoreUnavailable.
    """
    settings.require("database_url", "s3_endpoint")
    begun = now()
    with _locked(folder):
        contents = Contents(folder)
        writer = _Writer(contents, manifests.newest(folder))
        progress("databases", 0.0, "dumping")
        databases, rows, named = _dump(settings, writer, tools, dumps)
        lake = Buckets(settings)
        buckets = {}
        for number, bucket in enumerate(lake.names):
            progress("objects", number / len(lake.names), bucket)
            buckets[bucket] = writer.objects(lake, bucket)
        progress("objects", 1.0, "copied")
        files = writer.files(settings.home) if settings.platform == "embedded" else []
        copied = {f"s3://{b}/{stored.name}" for b, stores in buckets.items() for stored in stores}
        manifest = Manifest(
            name=begun.strftime("%Y%m%dT%H%M%S%fZ"),
            begun_at=begun.isoformat(),
            finished_at=now().isoformat(),
            tasador=git_sha(),
            warehouse=warehouse_of(settings),
            public_keys=settings.signing_public_keys,
            databases=databases,
            buckets=buckets,
            files=files,
            rows=rows,
            missing=sorted(named - copied),
        )
        manifests.write(folder, manifest)
    return Created(manifest, writer.new_bytes, writer.new_contents)


def delete_older(folder: Path, keep: int) -> tuple[list[str], int]:
    """Keep the newest ``keep`` backups; returns the names of the others and the bytes freed.

    What they share with a kept backup stays.
    """
    with _locked(folder):
        known = manifests.names(folder)
        kept = [manifests.read(folder, name) for name in known[-keep:]]
        deleted = known[:-keep]
        for name in deleted:
            (folder / f"{name}.json").unlink()
        needed = {stored.sha256 for backup in kept for stored in backup.contents()}
        return deleted, Contents(folder).keep(needed)


# -- inside -------------------------------------------------------------------------------------


class _Writer:
    """Copies what is new into the contents; counts it."""

    def __init__(self, contents: Contents, earlier: Manifest | None) -> None:
        self._contents = contents
        self._earlier = earlier
        self.new_bytes = 0
        self.new_contents = 0

    def add(self, name: str, chunks: Iterable[bytes], mark: str = "") -> StoredFile:
        sha256, size, is_new = self._contents.add(chunks)
        if is_new:
            self.new_bytes += size
            self.new_contents += 1
        return StoredFile(name, sha256, size, mark)

    def objects(self, lake: Buckets, bucket: str) -> list[StoredFile]:
        known = _by_name(self._earlier.buckets.get(bucket, []) if self._earlier else [])

        def copy(found: StoredObject) -> StoredFile | None:
            key, size, mark = found
            if (same := self._unchanged(known, key, size, mark)) is not None:
                return same
            try:
                return self.add(key, lake.chunks(bucket, key), mark)
            except ObjectLost:  # deleted since it was listed
                return None

        with ThreadPoolExecutor(_THREADS) as pool:
            return [copied for copied in pool.map(copy, lake.list(bucket)) if copied]

    def files(self, home: Path) -> list[StoredFile]:
        """Metaflow's runs and cards, and the files of the home that are data."""
        known = _by_name(self._earlier.files if self._earlier else [])
        stored = []
        for path in [*map(home.joinpath, _HOME_FILES), *sorted(metaflow_folder(home).rglob("*"))]:
            try:
                if not path.is_file() or path.is_symlink():
                    continue
                name, state = path.relative_to(home).as_posix(), path.stat()
                same = self._unchanged(known, name, state.st_size, str(state.st_mtime_ns))
                if same is None:
                    with path.open("rb") as file:
                        chunks = iter(lambda file=file: file.read(CHUNK), b"")  # type: ignore[misc]
                        same = self.add(name, chunks, str(state.st_mtime_ns))
                stored.append(same)
            except FileNotFoundError:  # a temporary file of a flow that runs
                continue
        return stored

    def _unchanged(
        self, known: Mapping[str, StoredFile], name: str, size: int, mark: str
    ) -> StoredFile | None:
        entry = known.get(name)
        if entry is None or (entry.size, entry.mark) != (size, mark):
            return None
        return entry if self._contents.holds(entry) else None


def _dump(
    settings: Settings, writer: _Writer, tools: Path | None, dumps: Path | None
) -> tuple[list[StoredFile], dict[str, int], set[str]]:
    """The dumps as contents, the rows of the warehouse's tables, and the objects they name."""
    databases = Databases(settings.database_url, tools)
    warehouse = warehouse_of(settings)
    names = databases.exist([warehouse, MLFLOW_DATABASE, METAFLOW_DATABASE])
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        where = dumps or Path(scratch)
        with databases.snapshot(warehouse) as (cursor, snapshot):
            rows, named = counts(cursor), named_objects(cursor)
            if dumps is None:
                databases.dump(warehouse, where / f"{warehouse}.dump", snapshot)
        if dumps is None:
            for name in names[1:]:
                databases.dump(name, where / f"{name}.dump")
        stored = []
        for name in names:
            path = where / f"{name}.dump"
            if not path.is_file():
                raise BackupError(f"{path} does not exist: dump the database {name} to it first")
            with path.open("rb") as file:
                stored.append(
                    writer.add(name, iter(lambda file=file: file.read(CHUNK), b""))  # type: ignore[misc]
                )
    # Dumps that were taken before have fewer rows than the warehouse has by now.
    return stored, {} if dumps else rows, named


def _by_name(stored: Iterable[StoredFile]) -> dict[str, StoredFile]:
    return {entry.name: entry for entry in stored}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One backup at a time writes to a folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise BackupError(
            f"{folder} cannot be written: {error.strerror or error}; name a new or existing folder"
        ) from error
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"another backup is being written to {folder}") from None
        yield
