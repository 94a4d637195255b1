"""A batch at rest: its rows as JSON text in an unnamed file, ready to be sent in pieces.

The file has no name, so that nothing stays behind however the process ends; memory holds none of
it. Rows are JSON objects, or, as older course servers send them, lists of text in column order.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Literal

from tasador.listings.listing import COLUMNS

Form = Literal["object", "list"]

CHUNK = 1 << 18

# What JSON may write without quotes; "02139" may not, and stays text.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_TEXT_COLUMNS = frozenset({"status", "city", "state", "prev_sold_date"})
_KEYS = tuple((f'"{name}":', name in _TEXT_COLUMNS) for name in COLUMNS)


class StoredBatch:
    """The rows of one batch, written once and then read by any number of answers at a time."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.rows = 0
        self.size = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the batch

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, object]], form: Form) -> StoredBatch:
        """Store rows given by column name; only the object form keeps columns beyond the twelve."""
        batch = cls(form)
        for row in rows:
            if form == "object":
                batch._append(json.dumps(row, ensure_ascii=False, allow_nan=False))
            else:
                values = (row.get(name) for name in COLUMNS)
                batch.add_texts(["" if value is None else str(value) for value in values])
        return batch.finished()

    def add_texts(self, texts: Sequence[str]) -> None:
        """Add a row as a CSV holds it, in column order; an empty cell is a missing value."""
        if self.form == "list":
            self._append("[" + ",".join(map(encode_basestring, texts)) + "]")
            return
        pairs = (
            key + _literal(text, quoted) for (key, quoted), text in zip(_KEYS, texts, strict=True)
        )
        self._append("{" + ",".join(pairs) + "}")

    def finished(self) -> StoredBatch:
        """Write out what is still buffered; to be called once, after the last row."""
        self._file.flush()
        return self

    def chunks(self) -> Iterator[bytes]:
        """The rows' JSON, separated by commas, without the brackets around them."""
        at = 0
        while chunk := os.pread(self._file.fileno(), CHUNK, at):
            at += len(chunk)
            yield chunk

    def close(self) -> None:
        """Give the file's space back."""
        self._file.close()

    def _append(self, text: str) -> None:
        line = (text if self.rows == 0 else ",\n" + text).encode()
        self._file.write(line)
        self.size += len(line)
        self.rows += 1


def _literal(text: str, quoted: bool) -> str:
    """A cell as JSON; the digits of a number stay as they are written."""
    if not text:
        return "null"
    if quoted or _NUMBER.fullmatch(text) is None:
        return encode_basestring(text)
    return text
