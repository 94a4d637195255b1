"""Read many listings of one request: a list of rows, or columns."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functions.http import (
    HttpProblem,
    Request,
    invalid_fields,
    not_json,
    read_body,
    require_unique,
)
from functions.limits import MAX_ROWS
from tasador.listings.arrays import InputColumns
from tasador.listings.by_column import read_columns
from tasador.listings.listing import COLUMNS, INPUTS, FieldProblem
from tasador.listings.value_reader import not_a_column

_KNOWN = frozenset(COLUMNS)


@dataclass(frozen=True, slots=True)
class Batch:
    """The listings of a request by column, as ``read_columns`` gives them."""

    columns: InputColumns
    rows: int
    # The texts that were read as another one: by row and field, or by field and the text sent.
    read_as: Mapping[Any, dict[str, str]]
    by_column: bool


def read_batch(request: Request, limit: int) -> Batch:
    """Read {"listings": [{...}, ...]} or {"columns": {"bed": [...], ...}}.

    A bare list of listings is read as ``listings``.

    Raises HttpProblem that names each value, like ``listings[3].bed`` or ``columns.bed[3]``.
    """
    body = read_body(request, limit)
    data = _parse_json(body)
    # A batch has many: numpy counts them in a tenth of the time.
    colons = np.count_nonzero(np.frombuffer(body, dtype=np.uint8) == ord(":"))
    require_unique(body, int(colons), _members(data))
    if isinstance(data, list):
        return _by_row(data)
    forms = [name for name in ("listings", "columns") if isinstance(data, Mapping) and name in data]
    if len(forms) != 1:
        reason = 'is neither a list nor an object with either "listings" or "columns"'
        raise invalid_fields([FieldProblem("body", reason, repr(data)[:200])])
    if forms == ["columns"]:
        return _by_column(data["columns"])
    return _by_row(data["listings"])


def _parse_json(body: bytes) -> Any:
    import orjson  # faster for a batch; a single prediction does not pay for the import

    if not body:
        raise HttpProblem(400, "the body is empty; JSON is expected")
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:
        # The standard library accepts NaN, which some clients write for a missing value.
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise not_json(error, body) from None


def _members(data: Any) -> int:
    """How many members the objects of a request have; those of nested values do not count."""
    objects = [data] if isinstance(data, dict) else []
    for value in list(data.values()) if objects else [data]:
        values = value if isinstance(value, list) else [value]
        objects += [each for each in values if isinstance(each, dict)]
    return sum(map(len, objects))


def _by_row(listings: Any) -> Batch:
    if not isinstance(listings, list) or not listings:
        reason = "is not a list of at least one listing"
        raise invalid_fields([FieldProblem("listings", reason, "")])
    _check_size("listings", len(listings))
    wrong: list[tuple[int, FieldProblem]] = []
    for row, listing in enumerate(listings):
        if not isinstance(listing, dict):
            value = repr(listing)[:200]
            wrong.append((row, FieldProblem("", "is not a JSON object", value)))
        elif not listing.keys() <= _KNOWN:
            wrong += [(row, not_a_column(name, "")) for name in listing if name not in _KNOWN]
    rows = [each if isinstance(each, dict) else {} for each in listings] if wrong else listings
    read = read_columns(
        {name: [listing.get(name) for listing in rows] for name in INPUTS}, len(rows)
    )
    if read.problems or wrong:
        wrong += read.problems
        wrong.sort(key=lambda pair: pair[0])
        raise invalid_fields(
            [
                p._replace(field=f"listings[{row}].{p.field}" if p.field else f"listings[{row}]")
                for row, p in wrong
            ]
        )
    reworded = _reworded_rows(rows, read.read_as)
    return Batch(read.columns, len(rows), reworded, by_column=False)


def _by_column(columns: Any) -> Batch:
    if not isinstance(columns, dict) or not columns:
        reason = "is not an object of at least one column"
        raise invalid_fields([FieldProblem("columns", reason, "")])
    wrong = [
        not_a_column(name, "")._replace(field=f"columns.{name[:100]}")
        for name in columns.keys() - _KNOWN
    ]
    lists = {name: values for name, values in columns.items() if isinstance(values, list)}
    wrong += [
        FieldProblem(f"columns.{name[:100]}", "is not a list", repr(columns[name])[:200])
        for name in columns
        if name not in lists
    ]
    if len({len(values) for values in lists.values()}) > 1:
        sizes = ", ".join(f"{name[:100]} {len(values):,}" for name, values in lists.items())
        wrong.append(FieldProblem("columns", f"have different lengths: {sizes}"[:500], ""))
    if wrong:
        raise invalid_fields(wrong)
    rows = len(next(iter(lists.values())))
    if not rows:
        raise invalid_fields([FieldProblem("columns", "have no rows", "")])
    _check_size("columns", rows)
    inputs = {name: values for name, values in lists.items() if name in INPUTS}
    read = read_columns(inputs, rows)
    if read.problems:
        raise invalid_fields(
            [p._replace(field=f"columns.{p.field}[{row}]") for row, p in read.problems]
        )
    reworded = {
        name: {str(sent): text for sent, text in texts.items()}
        for name, texts in read.read_as.items()
    }
    return Batch(read.columns, rows, reworded, by_column=True)


def _reworded_rows(
    rows: Sequence[Mapping[str, Any]], read_as: Mapping[str, Mapping[Any, str]]
) -> dict[int, dict[str, str]]:
    """The texts that were read as another one, by row and field."""
    reworded: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for name, texts in read_as.items():
        for row, listing in enumerate(rows):
            if (sent := listing.get(name)) in texts:
                reworded[row][name] = texts[sent]
    return reworded


def _check_size(field: str, rows: int) -> None:
    if rows > MAX_ROWS:
        reason = f"has {rows:,} rows; the limit is {MAX_ROWS:,}"
        raise invalid_fields([FieldProblem(field, reason, "")])
