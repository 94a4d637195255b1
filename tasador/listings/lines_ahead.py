"""A binary file that is read line by line, or thousands of lines at once where all are plain."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from tasador.listings.cells import Cells

# The cells by column of whole lines, given the number of columns; None if csv must read them.
PlainReader = Callable[[bytes, int], "list[Cells] | None"]

# The csv module's limit. No listing has such a cell; an unclosed quote swallows many rows.
LONGEST_CELL = 131_072

_LARGEST, _SMALLEST = 2 << 20, 16 << 10  # bytes read at once
_ALONE = 64  # lines read one by one where the next ones are not plain


class LinesAhead:
    """Reads lines, and takes those ahead that a PlainReader accepts."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ahead, self._at = b"", 0
        self._size, self._alone = _LARGEST, 0
        self.lines_taken = 0

    def readline(self, limit: int) -> bytes:
        """The next line, at most ``limit`` bytes of it; empty at the end of the file."""
        self._alone -= 1
        end = self._ahead.find(b"\n", self._at, self._at + limit) + 1 or self._at + limit
        line = self._ahead[self._at : end]
        self._at += len(line)
        if line.endswith(b"\n") or len(line) == limit:
            return line
        return line + self._file.readline(limit - len(line))

    def take(self, plain: PlainReader, width: int) -> list[Cells] | None:
        """The cells, by column, of the lines ahead; None if the next line must be read alone."""
        if self._alone > 0:
            return None
        while True:
            if len(self._ahead) - self._at < self._size:
                self._ahead = self._ahead[self._at :] + self._file.read(self._size)
                self._at = 0
            # csv reads lines with quotes, and the last one of a file if it lacks a line feed.
            end = self._ahead.rfind(b"\n", self._at, self._at + self._size) + 1
            quote = self._ahead.find(b'"', self._at, end)
            if quote >= 0:
                end = self._ahead.rfind(b"\n", self._at, quote) + 1
                if end - self._at < _SMALLEST:
                    self._alone = _ALONE
                    return None
            columns = plain(self._ahead[self._at : end], width) if end else None
            if columns is not None:
                self._at = end
                self.lines_taken += len(columns[0])
                self._size = min(2 * self._size, _LARGEST)
                return columns
            if self._size == _SMALLEST:
                self._alone = _ALONE
                return None
            self._size = max(self._size // 8, _SMALLEST)
