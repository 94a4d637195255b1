"""Read a payload once: its digest, its rows as lines for COPY, its clean rows into a file."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa

from tasador.ingestion.read_rows import CLEAN_SCHEMA, read_rows
from tasador.machine.memory import return_freed

_ROWS_PER_MESSAGE = 100_000
_FRAME_BYTES = 1 << 20


class ReadPayload(NamedTuple):
    """The digest of a payload, which is the id of its batch, and how many rows are clean."""

    digest: str
    rows: int
    rows_clean: int


def read_payload(
    payload: BinaryIO,
    columns: Path,
    stage: Callable[[Any, Any, Any], None],
    say: Callable[[str], None],
) -> ReadPayload:
    """Read every row of the payload, in bounded memory.

    Writes the clean ones to ``columns`` (Arrow IPC, for ``batch_file.write_parquet``) and gives the
    lines of each table to ``stage`` (``RowFiles.add``). Raises SourceError where the payload is no
    JSON.
    """
    # Arrow's own allocator keeps what a block needed, some 15 MB; malloc returns it.
    pa.set_memory_pool(pa.system_memory_pool())
    digest = hashlib.blake2b(digest_size=16)
    rows = clean = reported = 0
    with pa.OSFile(str(columns), "wb") as file, pa.ipc.new_stream(file, CLEAN_SCHEMA) as writer:
        for read in read_rows(payload):
            digest.update(read.canonical)
            stage(read.raw, read.clean, read.quarantined)
            writer.write_batch(read.listings)
            rows += read.rows
            clean += read.rows_clean
            if rows // _ROWS_PER_MESSAGE > reported:
                reported = rows // _ROWS_PER_MESSAGE
                say(f"{rows:,} rows read")
    return_freed()  # Parquet's memory comes from elsewhere
    return ReadPayload(digest.hexdigest(), rows, clean)


def digest_of(payload: Path) -> str:
    """The digest of the bytes of a payload, for one whose rows cannot be read."""
    with payload.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def pack(payload: Path, packed: Path) -> Path:
    """Compress a payload, with zstd; returns the new file.

    Each part is a frame. A stream would copy what it reads, and take an eighth longer.
    """
    codec = pa.Codec("zstd")
    with payload.open("rb") as plain, packed.open("wb") as file:
        while part := plain.read(_FRAME_BYTES):
            file.write(codec.compress(part))
    return packed


def unpack(packed: Path) -> BinaryIO:
    """The payload in a file of ``pack``, or of an older version, which used gzip."""
    if packed.suffix == ".gz":
        return cast(BinaryIO, gzip.open(packed))
    return cast(BinaryIO, pa.input_stream(str(packed), compression="zstd"))
