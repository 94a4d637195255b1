"""Files that readers see whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a file atomically: readers see either the old or the new content."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read: the whole text, or nothing."""
    replace_file(path, text.encode(), mode=0o600)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write; at the end of the block it replaces ``path``.

    After an error ``path`` is unchanged. A symbolic link stays one. A device or a pipe, such as
    /dev/stdout, gets the content and is not replaced. Raises OSError; for a folder before the
    block.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if is_special(path):
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / "content"
            yield part
            number = _descriptor(path)
            into = path if number is None else os.dup(number)
            with part.open("rb") as content, open(into, "wb") as target:
                shutil.copyfileobj(content, target)
        return
    file = path.resolve()
    _delete_left_over(file)
    part = file.with_name(f".{file.name[:40]}.{os.getpid()}.part")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _delete_left_over(file: Path) -> None:
    """Delete what a process that was killed has left of the file."""
    for part in file.parent.glob(f".{glob.escape(file.name[:40])}.*.part"):
        number = part.name.split(".")[-2]
        if part.is_file() and number.isdigit() and not _is_running(int(number)):
            part.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def whole_folder(path: Path, last: str) -> Iterator[Path]:
    """Yield a folder to fill: its files are then in ``path``, which must be new or empty.

    An existing folder stays the same one, since it may be a mount point or somebody's current
    folder; it gets the file ``last`` after all others. After an error nothing is added. Raises
    OSError, before the block if nothing can be written.
    """
    target = path.resolve()
    # A mount point and its parent are two file systems.
    beside = target if target.is_mount() else target.parent
    part = beside / f".{target.name[:40]}.{os.getpid()}.part"
    part.mkdir(parents=True)
    try:
        yield part
        if target.exists():
            for file in sorted(part.iterdir(), key=lambda file: file.name == last):
                file.replace(target / file.name)
        else:
            part.replace(target)
    finally:
        if part.exists():
            import shutil

            shutil.rmtree(part)


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths are one existing file, also by links; a device or a pipe is none."""
    return one.is_file() and other.is_file() and one.samefile(other)


def is_special(path: Path) -> bool:
    """Whether the path is an open file of this process, a device or a pipe: nothing to replace."""
    if _descriptor(path) is not None:
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _descriptor(path: Path) -> int | None:
    """The open file that a path such as /dev/stdout means. Opened again, it would begin again."""
    match = re.fullmatch(r"/dev/std(out|err)|/(?:dev|proc/self)/fd/([0-9]+)", str(path))
    if match is None:
        return None
    return int(match[2]) if match[2] else {"out": 1, "err": 2}[match[1]]
