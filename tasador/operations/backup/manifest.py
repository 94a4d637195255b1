"""The manifest of a backup: what it holds, each content by its SHA-256."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tasador.errors import TasadorError
from tasador.machine.files import replace_file

FORMAT = 1
_NAME = re.compile(r"\d{8}T\d{12}Z")


class BackupError(TasadorError):
    """A backup is missing, damaged or of another platform, or the platform is not empty."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object, a file or a dump: its name, its content, and how to see that it is unchanged.

    ``mark`` is what the store said about the content when it was copied: ETag and time of an
    object, time of a file.
    """

    name: str
    sha256: str
    size: int
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One backup. Times are ISO 8601 in UTC; names of databases as on the server.

    ``rows`` are the counts of the warehouse's tables in the dump's snapshot; empty if the dumps
    were taken elsewhere. ``missing`` are objects that the warehouse names and the store has lost.
    """

    name: str
    begun_at: str
    finished_at: str
    tasador: str
    warehouse: str
    public_keys: str
    databases: list[StoredFile]
    buckets: dict[str, list[StoredFile]]
    files: list[StoredFile]
    rows: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def contents(self) -> Iterator[StoredFile]:
        """Everything that the backup consists of."""
        yield from self.databases
        for objects in self.buckets.values():
            yield from objects
        yield from self.files

    @property
    def size(self) -> int:
        """Bytes of everything, as it is on the platform."""
        return sum(stored.size for stored in self.contents())


def write(folder: Path, manifest: Manifest) -> Path:
    """Write the manifest, whole or not at all; the backup exists from then on."""
    body = {"format": FORMAT, **asdict(manifest)}
    body["sha256"] = _digest(body)
    path = folder / f"{manifest.name}.json"
    replace_file(path, json.dumps(body, indent=1).encode(), mode=0o600)
    return path


def read(folder: Path, name: str) -> Manifest:
    """Read and verify one manifest; raises BackupError."""
    path = folder / f"{name}.json"
    try:
        body: dict[str, Any] = json.loads(path.read_bytes())
        digest = body.pop("sha256")
        kind = body.pop("format")
    except FileNotFoundError:
        known = ", ".join(names(folder)) or "none"
        raise BackupError(f"{folder} has no backup {name}; it has {known}") from None
    except (ValueError, KeyError, AttributeError) as error:
        raise BackupError(f"{path} is not the manifest of a backup: {error!r}") from error
    if kind != FORMAT:
        raise BackupError(f"{path} has format {kind}; this version of Tasador reads {FORMAT}")
    if digest != _digest({"format": kind, **body}):
        raise BackupError(f"{path} was changed after it was written: its checksum is wrong")
    body["databases"] = [StoredFile(**entry) for entry in body["databases"]]
    body["files"] = [StoredFile(**entry) for entry in body["files"]]
    body["buckets"] = {
        bucket: [StoredFile(**entry) for entry in entries]
        for bucket, entries in body["buckets"].items()
    }
    return Manifest(**body)


def names(folder: Path) -> list[str]:
    """The names of the backups in the folder, oldest first."""
    return sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))


def newest(folder: Path) -> Manifest | None:
    """The newest backup in the folder, or None."""
    known = names(folder)
    return read(folder, known[-1]) if known else None


def _digest(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
