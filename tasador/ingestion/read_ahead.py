"""Read a payload while it is received, since both mostly wait for something other than Python."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from tasador.ingestion.stores import Say

if TYPE_CHECKING:
    from tasador.ingestion.loading import ReadPayload
    from tasador.warehouse.rows import RowFiles

_PAUSE = 0.005  # seconds between two looks at a file that has not grown


class ReadAhead:
    """Reads one payload as ``loading.read_payload`` does, in another thread.

    It writes the clean rows to ``columns``, and all to ``rows``, which it closes.
    """

    def __init__(self, columns: Path, rows: RowFiles, pool: ThreadPoolExecutor, say: Say) -> None:
        self.columns, self._rows = columns, rows
        self._pool, self._say = pool, say
        self._reading: Future[ReadPayload] | None = None
        self._complete = threading.Event()

    def begin(self, payload: Path) -> None:
        """Read a file that may grow until ``end``."""
        self._reading = self._pool.submit(self._read, GrowingFile(payload, self._complete))

    def end(self) -> None:
        """Say that the file is complete, or that nobody will complete it."""
        self._complete.set()

    def result(self) -> ReadPayload:
        """Wait until the complete file is read; raises as ``read_payload`` does."""
        assert self._reading is not None, "begin was not called"
        return self._reading.result()

    def _read(self, file: GrowingFile) -> ReadPayload:
        # This import takes as long as the transfer of a small payload.
        from tasador.ingestion.loading import read_payload

        with file, self._rows:
            return read_payload(cast(BinaryIO, file), self.columns, self._rows.add, self._say)


@contextmanager
def reading_ahead(
    columns: Path, rows: RowFiles, say: Say
) -> Iterator[tuple[ReadAhead, ThreadPoolExecutor]]:
    """A reader, and its threads, one of which is free; they end with the block."""
    with ThreadPoolExecutor(2, "ingestion") as pool:
        ahead = ReadAhead(columns, rows, pool, say)
        try:
            yield ahead, pool
        finally:
            ahead.end()


class GrowingFile(io.RawIOBase):
    """A file that another thread still writes; it ends where it ends when it is complete."""

    def __init__(self, path: Path, complete: threading.Event) -> None:
        self._file, self._complete = path.open("rb"), complete

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, and at least one before the end."""
        while not (content := self._file.read(size)):
            if self._complete.is_set():
                return self._file.read(size)
            self._complete.wait(_PAUSE)
        return content

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
