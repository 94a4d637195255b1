"""The rows of a batch as read, by column: their digest, and the lines that COPY takes.

A block of the payload becomes Arrow columns once. The digest, the three tables of the warehouse and
the Parquet file are made from these. Rows that were read one by one go the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.arrays import Array
from tasador.ingestion.arrow import bool_array, bytes_array, number_array, scalar, text_array
from tasador.ingestion.row_texts import column_texts, number_texts, row_as_json, row_texts
from tasador.listings.arrays import arrays_of
from tasador.listings.by_column import read_columns, whole_codes
from tasador.listings.listing import (
    COLUMNS,
    NUMBERS,
    FieldProblem,
    Listing,
    canonical_line,
    holdout_of,
    price_problem,
    property_keys,
)
from tasador.listings.rules import RULES, Kind
from tasador.listings.text_column import TextColumn
from tasador.source.payload import Block, Row, read_payload_row
from tasador.source.plain_rows import PlainRows

_NUMERIC = ("price", *NUMBERS)
_NOTHING = type(None)
_SPECIAL = (b"\\", b"\t", b"\n", b"\r")

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
    ``quarantined`` are their lines for COPY, without the batch's id (see ``Staging.add``), and
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


def read_rows(blocks: Iterable[Block]) -> Iterator[ReadRows]:
    """Read the blocks of a payload."""
    first = 0
    for block in blocks:
        read = (
            _read_plain(block, first) if isinstance(block, PlainRows) else _read_each(block, first)
        )
        yield read
        first += read.rows


def _read_plain(block: PlainRows, first: int) -> ReadRows:
    given: dict[str, Sequence[object] | Array] = {}
    raw: list[pa.Array] = []
    whole: dict[str, pa.Array] = {}
    for rule in RULES:
        values = block.columns[rule.column]
        numbers = _numbers(values)
        raw.append(column_texts(values) if numbers is None else number_texts(numbers))
        given[rule.column] = values if numbers is None else numbers
        if numbers is not None and rule.kind in ("code", "zip code"):
            codes = whole_codes(rule, numbers)
            if codes is not None:
                # As text at once: read_columns would make a Python object of each.
                whole[rule.column] = _code_texts(codes, rule.kind)
                del given[rule.column]
    read = read_columns(given, block.rows)
    problems: dict[int, list[FieldProblem]] = {}
    for row, problem in read.problems:
        problems.setdefault(row, []).append(problem)
    price = np.asarray(read.columns["price"])
    columns: dict[str, Array | TextColumn | pa.Array] = {**read.columns, **whole}
    for row in np.flatnonzero(~(price > 0)).tolist():
        found = problems.setdefault(row, [])
        value = None if np.isnan(price[row]) else float(price[row])
        if (no_label := price_problem(value, found)) is not None:
            found.append(no_label)
    raw.append(pa.nulls(block.rows, pa.string()))
    return _of_columns(columns, problems, raw, first)


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
) -> ReadRows:
    """``columns`` as read; an Arrow one has codes of digits. ``raw``: the twelve columns as
    received, and the rows that are not twelve values as JSON."""
    rows = len(raw[0])
    values, texts, quoted = {}, {}, []
    for name, received in zip(COLUMNS, raw, strict=False):
        values[name], texts[name], literals = _as_read(name, columns[name], received)
        quoted.append(literals)
    canonical = _join(quoted, "\x1f", "")
    refused = sorted(problems)
    keep: pa.Array | None = None
    if refused:
        is_clean = np.ones(rows, dtype=bool)
        is_clean[refused] = False
        keep = bool_array(is_clean)
        found = pa.RecordBatch.from_pydict(values).take(number_array(np.array(refused))).to_pylist()
        lines = [
            canonical_line(Listing(**row), problems[number])[:-1]
            for number, row in zip(refused, found, strict=True)
        ]
        canonical = pc.replace_with_mask(
            canonical.cast(pa.binary()), pc.invert(keep), bytes_array(lines)
        )

    def kept(array: pa.Array) -> pa.Array:
        return array if keep is None else array.filter(keep)

    numbers = number_array(np.arange(first, first + rows, dtype=np.int32))
    clean_numbers = kept(numbers)
    clean_texts = {name: kept(array) for name, array in texts.items()}
    keys = property_keys(
        *(clean_texts[name].to_pylist() for name in ("street", "city", "zip_code"))
    )
    key_texts, holdout = text_array(keys), bool_array(np.array(holdout_of(keys), dtype=bool))
    listings = [kept(values[name]) for name in COLUMNS]
    return ReadRows(
        rows=rows,
        canonical=_lines(canonical),
        raw=_copy_lines([numbers.cast(pa.string()), *raw]),
        clean=_copy_lines(
            [
                *(clean_numbers.cast(pa.string()), *clean_texts.values()),
                *(key_texts, holdout.cast(pa.string())),
            ]
        ),
        quarantined=b"".join(_quarantine_line(first + row, problems[row]) for row in refused),
        listings=pa.RecordBatch.from_arrays(
            [*listings, key_texts, holdout, clean_numbers], schema=CLEAN_SCHEMA
        ),
    )


# -- columns as text -------------------------------------------------------------------------------


def _numbers(values: list[Any]) -> Array | None:
    """Fractional numbers as float64, NaN for None; None if there are other values, or NaN."""
    if not set(map(type, values)) <= {float, _NOTHING}:
        return None
    numbers = np.array(values, dtype=np.float64)
    return numbers if np.isnan(numbers).sum() == values.count(None) else None


def _code_texts(codes: Array, kind: Kind) -> pa.Array:
    """The texts of ``whole_codes``."""
    texts = number_array(codes, codes < 0).cast(pa.string())
    return pc.utf8_lpad(texts, 5, "0") if kind == "zip code" else texts


def _as_read(
    name: str, column: Array | TextColumn | pa.Array, received: pa.Array
) -> tuple[pa.Array, pa.Array, pa.Array]:
    """A column as read: its values, their texts, and their literals in the digest (``repr``)."""
    if name in _NUMERIC:
        numbers = np.asarray(column)
        texts = number_texts(numbers)
        return number_array(numbers, np.isnan(numbers)), texts, texts
    if isinstance(column, pa.Array):
        quote = scalar("'")
        return column, column, pc.binary_join_element_wise(quote, column, quote, scalar(""))
    text = column if isinstance(column, TextColumn) else TextColumn.of(column)
    values = text_array(text.values)
    literals = text_array([None if v is None else repr(v) for v in text.values])
    if text.indices is not None:
        indices = number_array(text.indices)
        values, literals = values.take(indices), literals.take(indices)
    return values, values, literals


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


# -- lines -----------------------------------------------------------------------------------------


def _copy_lines(columns: Sequence[pa.Array]) -> pa.Buffer:
    """Rows in the text format of COPY: tabs between the values, \\N for a missing one."""
    return _lines(_join([_escaped(column) for column in columns], "\t", "\\N"))


def _escaped(column: pa.Array) -> pa.Array:
    data = column.buffers()[2]
    content = b"" if data is None else data.to_pybytes()
    if not any(special in content for special in _SPECIAL):
        return column
    for character, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        column = pc.replace_substring(column, character, escape)
    return column


def _join(columns: Sequence[pa.Array], separator: str, missing: str) -> pa.Array:
    return pc.binary_join_element_wise(
        *columns, scalar(separator), null_handling="replace", null_replacement=missing
    )


def _lines(texts: pa.Array) -> pa.Buffer:
    """The texts one after the other, a line feed after each."""
    empty, line_feed = (scalar(text).cast(texts.type) for text in ("", "\n"))
    ended = pc.binary_join_element_wise(texts, empty, line_feed)
    if not len(ended):
        return pa.py_buffer(b"")
    _, offsets, data = ended.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)
    return data.slice(int(ends[0]), int(ends[len(ended)] - ends[0]))
