"""A disk without room as an error that names the path and what to do."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasador.errors import DiskFull

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Some payloads of a batch (bytes): where less is free, one may not fit.
_LITTLE_ROOM = 100_000_000


def disk_full(error: OSError, path: str | Path = "") -> DiskFull | None:
    """The error for a disk without room, or None if the cause is another.

    ``path`` is what was being written, if the error does not name it.
    """
    if error.errno not in _FULL:
        return None
    name = str(error.filename or path or Path.cwd())
    if error.errno == errno.EDQUOT:
        return DiskFull(f"the quota for {name} is used up: delete files, or ask for a larger one")
    return DiskFull(f"the disk of {name} is full{_room(Path(name))}: delete files there")


@contextmanager
def writing_below(folder: str | Path) -> Iterator[None]:
    """Raise DiskFull if what is written below the folder finds no room."""
    try:
        yield
    except OSError as error:
        if (full := disk_full(error, folder)) is not None:
            raise full from error
        raise


def nearly_full(folder: Path) -> DiskFull | None:
    """The error for a disk with little room, for a server that does not say why it fails."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    if free >= _LITTLE_ROOM:
        return None
    return DiskFull(f"the disk of {folder} is full{_room(folder)}: delete files there")


def _room(path: Path) -> str:
    """How much is free, as text; nothing if that is unknown."""
    for folder in (path, *path.parents):
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        return f" ({usage.free / 1e6:,.0f} of {usage.total / 1e6:,.0f} MB free)"
    return ""
