"""The contents of backups: each once, in a file named by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tasador.machine.disk import writing_below
from tasador.operations.backup.manifest import BackupError, StoredFile

CHUNK = 1 << 20


class Contents:
    """The folder ``content`` of a folder of backups. Methods may be called by several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "content"

    def add(self, chunks: Iterable[bytes]) -> tuple[str, int, bool]:
        """Store a content unless it is there; returns its SHA-256, its size, and if it is new.

        Raises DiskFull. A content appears whole or not at all.
        """
        digest, size = hashlib.sha256(), 0
        with writing_below(self._folder):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
            part = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    for chunk in chunks:
                        digest.update(chunk)
                        size += len(chunk)
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                sha256 = digest.hexdigest()
                path = self.path(sha256)
                # One of another size was cut off by a power failure or a full disk.
                if path.exists() and path.stat().st_size == size:
                    return sha256, size, False
                path.parent.mkdir(mode=0o700, exist_ok=True)
                part.replace(path)
                return sha256, size, True
            finally:
                part.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the content is, or would be."""
        return self._folder / sha256[:2] / sha256

    def holds(self, stored: StoredFile) -> bool:
        """Whether the content is there in its whole length; it is not read."""
        with suppress(FileNotFoundError):
            return self.path(stored.sha256).stat().st_size == stored.size
        return False

    def chunks(self, stored: StoredFile) -> Iterator[bytes]:
        """The content; raises BackupError at its end if it is damaged."""
        digest = hashlib.sha256()
        try:
            with self.path(stored.sha256).open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
                    yield chunk
        except FileNotFoundError:
            raise BackupError(f"the content of {stored.name} is missing: {stored.sha256}") from None
        if digest.hexdigest() != stored.sha256:
            raise BackupError(
                f"the content of {stored.name} is damaged: {self.path(stored.sha256)} has another "
                "checksum than its name. Delete that file and run `tasador backup` again, which "
                "copies what is missing, or take another copy of the folder"
            )

    def verify(self, stored: StoredFile) -> None:
        """Read the content; raises BackupError if it is missing or damaged."""
        for _ in self.chunks(stored):
            pass

    def keep(self, needed: set[str]) -> int:
        """Delete the contents that no backup needs; returns how many bytes that frees."""
        freed = 0
        for path in self._folder.glob("*/*"):
            if path.name not in needed:
                freed += path.stat().st_size
                path.unlink()
        for part in self._folder.glob("*.part"):
            part.unlink(missing_ok=True)
        return freed
