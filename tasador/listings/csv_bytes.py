"""The bytes of a CSV: plain, as .gz, or alone in a .zip. Other files are named as what they are."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

from tasador.errors import TasadorError

_HEAD = 1_024
_PARQUET = b"PAR1"
_BUFFER = 1 << 16
SAVE = "save it as CSV (UTF-8)"
_UNPACK = "unpack it first; .csv, .csv.gz and a .zip with one CSV are read"

# How a file that is not a CSV begins, what it is, and what to do.
_KINDS = (
    (_PARQUET, "a Parquet file", "convert it to CSV"),
    (b"ARROW1", "an Arrow file", "convert it to CSV"),
    (b"FEA1", "a Feather file", "convert it to CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", SAVE),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"%PDF", "a PDF document", "the table is needed as CSV"),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\xff\xfe\x00\x00", "UTF-32 text", SAVE),
    (b"\x00\x00\xfe\xff", "UTF-32 text", SAVE),
    (b"\xff\xfe", "UTF-16 text", SAVE),
    (b"\xfe\xff", "UTF-16 text", SAVE),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "run `git lfs pull`"),
)
_GZIP, _ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:(<!doctype html|<html)|(<\?xml)|([{\[]))", re.I)


class TableError(TasadorError):
    """A file is not a table of listings; the message names the file, the place and the columns."""


def is_parquet(path: Path) -> bool:
    """Whether the file begins like a Parquet file; raises TableError if it cannot be read."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise TableError(
            f"{path} is a pipe or a device, and listings are read more than once: save them as a "
            "file first"
        )
    try:
        with path.open("rb") as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error


def open_bytes(path: Path, stack: ExitStack) -> IO[bytes]:
    """The bytes of the CSV, unpacked."""
    file = stack.enter_context(path.open("rb"))
    head = file.peek(_HEAD)
    if head.startswith(_ZIP):
        return _only_csv(path, stack.enter_context(zipfile.ZipFile(file)), stack)
    if head.startswith(_GZIP):
        unpacked = stack.enter_context(_buffered(gzip.GzipFile(fileobj=file)))
        head = unpacked.peek(_HEAD)
        if head[257:262] == b"ustar":
            raise TableError(f"{path} is a .tar.gz archive: {_UNPACK}")
        _refuse(path, head)
        return unpacked
    _refuse(path, head)
    return file


def _refuse(path: Path, head: bytes) -> None:
    """Raise TableError if bytes that begin like this are not a CSV."""
    for begin, kind, remedy in _KINDS:
        if head.startswith(begin):
            raise TableError(f"{path} is {kind}: {remedy}")
    if head.startswith((*_ZIP, _GZIP)):
        raise TableError(f"{path} is packed twice: {_UNPACK}")
    if found := _MARKUP.match(head):
        page, xml, _ = found.groups()
        kind = "an HTML page" if page else "XML" if xml else "JSON"
        hint = ", perhaps a download that needs a login" if page else ""
        raise TableError(f"{path} is {kind}, not a CSV{hint}")


def _only_csv(path: Path, archive: zipfile.ZipFile, stack: ExitStack) -> IO[bytes]:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise TableError(f"{path} is a workbook (.xlsx or .ods) or document: {SAVE}")
    # What macOS adds to an archive is not a file of the user's: __MACOSX/, .DS_Store and ._x.csv.
    names = [
        name for name in names if not name.startswith("__MACOSX/") and Path(name).name[0] != "."
    ]
    tables = [name for name in names if name.lower().endswith(".csv")]
    if len(tables) != 1:
        contents = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise TableError(
            f"{path} is a .zip with {len(tables)} CSV files where one is expected; it contains "
            f"{contents or 'nothing'}"
        )
    try:
        file = stack.enter_context(_buffered(archive.open(tables[0])))
    except (RuntimeError, NotImplementedError) as error:  # a password, or another compression
        raise TableError(f"{path}: {error}; {_UNPACK}") from error
    _refuse(path / tables[0], file.peek(_HEAD))
    return file


def _buffered(file: IO[bytes] | gzip.GzipFile) -> io.BufferedReader:
    # Its readline is several times faster.
    return io.BufferedReader(cast("io.RawIOBase", file), _BUFFER)
