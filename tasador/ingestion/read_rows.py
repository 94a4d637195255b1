"""The rows of a batch as read, by column: their digest, and the lines that COPY takes.

A block of the payload becomes Arrow columns once. The digest, the three tables of the warehouse and
the Parquet file are made from these. Rows that were read one by one go the same way.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.arrays import Array
from tasador.ingestion.lines import copy_lines, lines_of
from tasador.ingestion.received_columns import received_column
from tasador.ingestion.row_texts import number_texts, row_as_json, row_texts
from tasador.ingestion.uniform_rows import Cells, read_uniform
from tasador.listings.arrays import arrays_of
from tasador.listings.arrow import (
    bool_array,
    bytes_array,
    content_of,
    number_array,
    scalar,
    text_array,
)
from tasador.listings.by_column import Given, read_columns
from tasador.listings.listing import (
    COLUMNS,
    HOLDOUT_SHARE,
    NUMBERS,
    FieldProblem,
    Listing,
    canonical_line,
    holdout_digests,
    price_problem,
)
from tasador.listings.rules import RULES
from tasador.listings.text_column import TextColumn
from tasador.source.payload import Row, blocks, read_payload_row
from tasador.source.plain_rows import PlainRows, read_plain, storable_rows

_NUMERIC = ("price", *NUMBERS)

CLEAN_SCHEMA = pa.schema(
    [
        *((name, pa.float64() if name in _NUMERIC else pa.string()) for name in COLUMNS),
        ("property_key", pa.string()),
        ("holdout", pa.bool_()),
        ("row_number", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Some rows of a batch, in its order.

    ``canonical`` are the bytes that they add to the digest of the batch. ``raw``, ``clean`` and
    ``quarantined`` are their lines for COPY, without the batch's id (see ``RowFiles.add``), and
    ``listings`` the clean rows for Parquet (CLEAN_SCHEMA).
    """

    rows: int
    canonical: pa.Buffer
    raw: pa.Buffer
    clean: pa.Buffer
    quarantined: bytes
    listings: pa.RecordBatch

    @property
    def rows_clean(self) -> int:
        """How many of the rows are clean."""
        return int(self.listings.num_rows)


def read_rows(payload: BinaryIO) -> Iterator[ReadRows]:
    """Read the rows of a payload, in blocks."""
    first = 0
    for block in blocks(payload, _decoded):
        read = _read_each(block, first) if isinstance(block, list) else _read_plain(block, first)
        yield read
        first += read.rows


def _decoded(text: str) -> PlainRows | None:
    rows = storable_rows(text)
    if rows is None or (columns := read_uniform(rows)) is None:
        return read_plain(text)
    return PlainRows(len(columns[COLUMNS[0]].texts), columns, len(rows))


def _read_plain(block: PlainRows, first: int) -> ReadRows:
    given: dict[str, Given] = {}
    raw: list[pa.Array] = []
    columns: dict[str, Array | TextColumn | pa.Array] = {}
    for rule in RULES:
        received = received_column(rule, block.columns[rule.column])
        raw.append(received.texts)
        if received.read is None:
            given[rule.column] = received.values
        else:
            columns[rule.column] = received.read
    unchanged = {name for name in columns if isinstance(columns[name], pa.DictionaryArray)}
    read = read_columns(given, block.rows)
    columns = {**read.columns, **columns}
    unchanged |= {name for name, values in given.items() if _is_unchanged(values, columns[name])}
    problems: dict[int, list[FieldProblem]] = {}
    for row, problem in read.problems:
        problems.setdefault(row, []).append(problem)
    price = np.asarray(read.columns["price"])
    for row in np.flatnonzero(~(price > 0)).tolist():
        found = problems.setdefault(row, [])
        value = None if np.isnan(price[row]) else float(price[row])
        if (no_label := price_problem(value, found)) is not None:
            found.append(no_label)
    raw.append(pa.nulls(block.rows, pa.string()))
    plain = all(isinstance(column, Cells) for column in block.columns.values())
    return _of_columns(columns, problems, raw, first, unchanged, plain=plain)


def _is_unchanged(given: Given, read: Array | TextColumn | pa.Array) -> bool:
    """Whether numbers or texts are read as they were received. False may be wrong."""
    if isinstance(given, TextColumn) and isinstance(read, TextColumn):
        return read.indices is given.indices and read.values == given.values
    return (
        isinstance(given, np.ndarray)
        and isinstance(read, np.ndarray)
        and np.array_equal(given.view(np.int64), read.view(np.int64))
    )


def _read_each(block: Sequence[Row], first: int) -> ReadRows:
    read = [read_payload_row(row) for row in block]
    problems = {number: found for number, (_, found) in enumerate(read) if found}
    texts = [row_texts(row.raw) for row in block]
    raw = [
        text_array([None if row is None else row[place] for row in texts])
        for place in range(len(COLUMNS))
    ]
    payloads = [
        row_as_json(row.raw) if text is None else None
        for row, text in zip(block, texts, strict=True)
    ]
    raw.append(text_array(payloads))
    return _of_columns(arrays_of([listing for listing, _ in read]), problems, raw, first)


def _of_columns(
    columns: Mapping[str, Array | TextColumn | pa.Array],
    problems: Mapping[int, list[FieldProblem]],
    raw: Sequence[pa.Array],
    first: int,
    unchanged: Collection[str] = (),
    *,
    plain: bool = False,
) -> ReadRows:
    """``columns`` as read; an Arrow one has codes of digits, or a dictionary of texts. ``raw``: the
    twelve columns as received, and the rows that are not twelve values as JSON. The values of
    ``unchanged`` columns were received as they are read. ``plain``: as for ``copy_lines``."""
    rows = len(raw[0])
    values, texts, quoted = {}, {}, []
    for name, received in zip(COLUMNS, raw, strict=False):
        known = received if name in unchanged else None
        values[name], texts[name], literals = _as_read(name, columns[name], known)
        quoted.append(literals)
    canonical = lines_of(quoted, "\x1f", "")
    refused = sorted(problems)
    keep: pa.Array | None = None
    if refused:
        is_clean = np.ones(rows, dtype=bool)
        is_clean[refused] = False
        keep = bool_array(is_clean)
        found = pa.RecordBatch.from_pydict(values).take(number_array(np.array(refused))).to_pylist()
        lines = [
            canonical_line(Listing(**row), problems[number])
            for number, row in zip(refused, found, strict=True)
        ]
        canonical = pc.replace_with_mask(
            canonical.cast(pa.binary()), pc.invert(keep), bytes_array(lines)
        )

    def kept(array: pa.Array) -> pa.Array:
        return array if keep is None else array.filter(keep)

    numbers = number_array(np.arange(first, first + rows, dtype=np.int32))
    number_column = numbers.cast(pa.string())
    clean_texts = {name: kept(array) for name, array in texts.items()}
    key_texts, holdout = _property_keys(
        *(clean_texts[name] for name in ("street", "city", "zip_code"))
    )
    listings = [
        clean_texts[name] if array is texts[name] else kept(array) for name, array in values.items()
    ]
    return ReadRows(
        rows=rows,
        canonical=content_of(canonical),
        raw=copy_lines([number_column, *raw], plain=plain),
        clean=copy_lines(
            [
                *(kept(number_column), *clean_texts.values()),
                *(key_texts, pc.if_else(holdout, scalar("true"), scalar("false"))),
            ],
            plain=plain,
        ),
        quarantined=b"".join(_quarantine_line(first + row, problems[row]) for row in refused),
        listings=pa.RecordBatch.from_arrays(
            [*listings, key_texts, holdout, kept(numbers)], schema=CLEAN_SCHEMA
        ),
    )


def _property_keys(
    street: pa.Array, city: pa.Array, zip_code: pa.Array
) -> tuple[pa.Array, pa.Array]:
    """``property_key`` of each row, and whether the property is in the holdout."""
    keys = pc.binary_join_element_wise(
        *(street, city, zip_code, scalar("|")), null_handling="replace", null_replacement=""
    )
    encoded = content_of(lines_of([keys], "", "")).to_pybytes()
    if encoded.isascii():
        keys, encoded = pc.ascii_lower(keys), encoded.lower()
    else:
        keys = text_array([key.casefold() for key in encoded.decode().split("\n")[:-1]])
        encoded = content_of(lines_of([keys], "", "")).to_pybytes()
    # No text that is read has a line feed.
    held = np.frombuffer(holdout_digests(encoded.split(b"\n")[:-1]), dtype=">u8")
    return keys, bool_array(held % HOLDOUT_SHARE == 0)


def _as_read(
    name: str, column: Array | TextColumn | pa.Array, known: pa.Array | None
) -> tuple[pa.Array, pa.Array, pa.Array]:
    """A column as read: its values, their texts, and their literals in the digest (``repr``).

    ``known`` are the texts, if they exist already; those of a dictionary do.
    """
    if name in _NUMERIC:
        numbers = np.asarray(column)
        texts = number_texts(numbers) if known is None else known
        return number_array(numbers, np.isnan(numbers)), texts, texts
    if isinstance(column, pa.DictionaryArray):
        return known, known, _literals(column.dictionary).take(column.indices)
    if isinstance(column, pa.Array):
        return column, column, _quoted(column)
    text = column if isinstance(column, TextColumn) else TextColumn.of(column)
    values = text_array(text.values)
    literals = _literals(values)
    if text.indices is not None:
        indices = number_array(text.indices)
        literals = literals.take(indices)
        values = values.take(indices) if known is None else known
    return values, values, literals


def _literals(texts: pa.Array) -> pa.Array:
    """``repr`` of each text."""
    joined = content_of(texts).to_pybytes().decode()
    if "\\" in joined or not joined.isprintable():
        return text_array([None if text is None else repr(text) for text in texts.to_pylist()])
    literals = _quoted(texts)
    if "'" in joined:
        quotes_inside = pc.match_substring(texts, "'")
        written = text_array(list(map(repr, texts.filter(quotes_inside).to_pylist())))
        literals = pc.replace_with_mask(literals, quotes_inside, written)
    return literals


def _quoted(texts: pa.Array) -> pa.Array:
    quote = scalar("'")
    return pc.binary_join_element_wise(quote, texts, quote, scalar(""))


def _quarantine_line(number: int, problems: Sequence[FieldProblem]) -> bytes:
    # jsonb rejects NUL and lone surrogates even as escapes, so write them as text.
    reasons = [
        {"field": _printable(p.field), "reason": p.reason, "value": _printable(p.value)}
        for p in problems
    ]
    text = json.dumps(reasons).replace("\\", "\\\\")
    return f"{number}\t{text}\n".encode()


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
