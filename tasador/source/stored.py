"""A stored batch: its rows as JSON text in an unnamed file, ready to be sent in chunks.

The file has no name, so nothing is left behind however the process ends, and no row is kept in
memory. Rows are JSON objects or, as older course servers send them, lists of text in column order.
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
from tasador.listings.rules import LARGEST_EXACT, RULES, Kind

Form = Literal["object", "list"]

CHUNK = 1 << 18

# A number as JSON writes it, without quotes. "02139" is none, and stays text.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# A whole number, which is a code. As a number it keeps its digits, if it is not too large.
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.0+)?")
# The texts that are sent as JSON numbers; every other text is quoted.
_BARE: dict[Kind, re.Pattern[str]] = {"number": _NUMBER, "code": _WHOLE, "zip code": _WHOLE}
_KEYS = tuple((f'"{rule.column}":', _BARE.get(rule.kind)) for rule in RULES)


class StoredBatch:
    """The rows of one batch, written once, then read by any number of answers at a time."""

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
        return batch.finish()

    def add_texts(self, texts: Sequence[str]) -> None:
        """Add a row as a CSV holds it, in column order; an empty cell is a missing value."""
        if self.form == "list":
            self._append("[" + ",".join(map(encode_basestring, texts)) + "]")
            return
        pairs = (key + _literal(text, bare) for (key, bare), text in zip(_KEYS, texts, strict=True))
        self._append("{" + ",".join(pairs) + "}")

    def finish(self) -> StoredBatch:
        """Flush the file; call it once, after the last row."""
        self._file.flush()
        return self

    def chunks(self) -> Iterator[bytes]:
        """The rows as JSON, separated by commas, without brackets around them."""
        offset = 0
        while chunk := os.pread(self._file.fileno(), CHUNK, offset):
            offset += len(chunk)
            yield chunk

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def _append(self, text: str) -> None:
        line = (text if self.rows == 0 else ",\n" + text).encode()
        self._file.write(line)
        self.size += len(line)
        self.rows += 1


def _literal(text: str, bare: re.Pattern[str] | None) -> str:
    """A cell as JSON; a number keeps its digits as they are written."""
    if not text:
        return "null"
    if bare is None or bare.fullmatch(text) is None or not _is_exact(text):
        return encode_basestring(text)
    return text


def _is_exact(text: str) -> bool:
    """Whether every JSON parser reads the number as it is written; some refuse 1e999."""
    return abs(float(text)) <= LARGEST_EXACT
