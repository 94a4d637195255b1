"""Many listings in one request, by row or by column, and their prices.

The work is done by column, whichever way the listings came, and nothing but what the answer needs
is done while the caller waits: the records of a batch are made when they are sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, overload

import numpy as np

from functions import model
from functions.surface import Problem, Request, Response, invalid, new_id, read_body
from tasador.clock import now
from tasador.listings.arrays import InputColumns
from tasador.listings.by_column import read_columns
from tasador.listings.listing import COLUMNS, INPUTS, FieldProblem
from tasador.model.bundle import Bundle
from tasador.model.predictions import Predictions
from tasador.model.value_warnings import warnings_of
from tasador.prediction_record import PredictionRecord

ROWS_IN_A_BATCH = 10_000
_KNOWN = frozenset(COLUMNS)


@dataclass(frozen=True, slots=True)
class Batch:
    """The listings of a request by column, as ``read_columns`` gives them."""

    columns: InputColumns
    rows: int
    by_column: bool


def read_batch(request: Request, limit: int) -> Batch:
    """Read {"listings": [{...}, ...]} or {"columns": {"bed": [...], ...}}.

    Raises a Problem that names each value, like ``listings[3].bed`` or ``columns.bed[3]``.
    """
    data = _json(read_body(request, limit))
    forms = [name for name in ("listings", "columns") if isinstance(data, Mapping) and name in data]
    if len(forms) != 1:
        reason = 'is not an object with either "listings" or "columns"'
        raise invalid([FieldProblem("body", reason, repr(data)[:200])])
    if forms == ["columns"]:
        return _by_column(data["columns"])
    return _by_row(data["listings"])


def _json(body: bytes) -> Any:
    import orjson  # a batch is worth its start, a single prediction is not

    if not body:
        raise Problem(400, "the body is empty; JSON is expected")
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    try:
        # Some write NaN for a value that is missing, which Python's own parser reads.
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {str(error)[:200]}") from None


def _by_row(given: Any) -> Batch:
    if not isinstance(given, list) or not given:
        raise invalid([FieldProblem("listings", "is not a list of at least one listing", "")])
    _few_enough("listings", len(given))
    wrong: list[tuple[int, FieldProblem]] = []
    for row, listing in enumerate(given):
        if not isinstance(listing, dict):
            shown = repr(listing)[:200]
            wrong.append((row, FieldProblem("", "is not a JSON object", shown)))
        elif not listing.keys() <= _KNOWN:
            wrong += [(row, _unknown(name)) for name in listing if name not in _KNOWN]
    rows = [listing if isinstance(listing, dict) else {} for listing in given] if wrong else given
    columns, problems = read_columns(
        {name: [listing.get(name) for listing in rows] for name in INPUTS}, len(rows)
    )
    if problems or wrong:
        wrong += problems
        wrong.sort(key=lambda found: found[0])
        raise invalid(
            [
                p._replace(field=f"listings[{row}].{p.field}" if p.field else f"listings[{row}]")
                for row, p in wrong
            ]
        )
    return Batch(columns, len(rows), by_column=False)


def _by_column(given: Any) -> Batch:
    if not isinstance(given, dict) or not given:
        raise invalid([FieldProblem("columns", "is not an object of at least one column", "")])
    wrong = [
        _unknown(name)._replace(field=f"columns.{name[:100]}") for name in given.keys() - _KNOWN
    ]
    lists = {name: values for name, values in given.items() if isinstance(values, list)}
    wrong += [
        FieldProblem(f"columns.{name[:100]}", "is not a list", repr(given[name])[:200])
        for name in given
        if name not in lists
    ]
    if len({len(values) for values in lists.values()}) > 1:
        sizes = ", ".join(f"{name[:100]} {len(values):,}" for name, values in lists.items())
        wrong.append(FieldProblem("columns", f"are of different lengths: {sizes}"[:500], ""))
    if wrong:
        raise invalid(wrong)
    rows = len(next(iter(lists.values())))
    if not rows:
        raise invalid([FieldProblem("columns", "have no rows", "")])
    _few_enough("columns", rows)
    columns, problems = read_columns({n: v for n, v in lists.items() if n in INPUTS}, rows)
    if problems:
        raise invalid([p._replace(field=f"columns.{p.field}[{row}]") for row, p in problems])
    return Batch(columns, rows, by_column=True)


def _unknown(name: str) -> FieldProblem:
    return FieldProblem(name[:100], "is not a column of a listing", "")


def _few_enough(what: str, rows: int) -> None:
    if rows > ROWS_IN_A_BATCH:
        reason = f"has {rows:,} rows; {ROWS_IN_A_BATCH:,} are taken at once"
        raise invalid([FieldProblem(what, reason, "")])


class Priced(Sequence[PredictionRecord]):
    """A batch with its prices: the answer to give, and as a sequence the records to keep."""

    def __init__(self, bundle: Bundle, batch: Batch, found: Predictions, seconds: float) -> None:
        self._manifest = bundle.manifest
        self._batch = batch
        self._found = found
        self._when: datetime = now()
        self._latency_ms = round(seconds * 1000 / batch.rows, 3)
        self._warnings = warnings_of(
            batch.columns, found.unknown_categories, bundle.encoders.ranges
        )
        # One random number for the batch, and the row's number at its end.
        stem = new_id()[:28]
        self._ids = [stem + row for row in _rows_in_hex()[: batch.rows]]

    def response(self) -> Response:
        """The answer, in the form of the question."""
        import orjson

        told = self._by_column() if self._batch.by_column else {"predictions": self._by_row()}
        body = orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, "application/json")

    def _model(self) -> dict[str, Any]:
        manifest = self._manifest
        return {"name": manifest.name, "version": manifest.version, "digest": manifest.digest}

    def _by_row(self) -> list[dict[str, Any]]:
        same = {"model": self._model(), "revision": model.revision()}
        correlation_id = model.correlation_id()
        found = self._found
        levels = list(found.low)
        ends = [(level, found.low[level].tolist(), found.high[level].tolist()) for level in levels]
        return [
            {
                "prediction_id": self._ids[row],
                "price": price,
                "intervals": {
                    level: {"low": low[row], "high": high[row]} for level, low, high in ends
                },
                **same,
                "missing": found.missing[row],
                "warnings": self._warnings.get(row, []),
                "correlation_id": correlation_id,
            }
            for row, price in enumerate(found.price.tolist())
        ]

    def _by_column(self) -> dict[str, Any]:
        found = self._found
        rows = {name: np.flatnonzero(found.absent[:, n]) for n, name in enumerate(INPUTS)}
        return {
            "rows": self._batch.rows,
            "prediction_id": self._ids,
            "price": found.price,
            "intervals": {
                level: {"low": low, "high": found.high[level]} for level, low in found.low.items()
            },
            "missing": {name: absent for name, absent in rows.items() if len(absent)},
            "warnings": [
                {"row": row, "warnings": warnings} for row, warnings in self._warnings.items()
            ],
            "model": self._model(),
            "revision": model.revision(),
            "correlation_id": model.correlation_id(),
        }

    def __len__(self) -> int:
        return self._batch.rows

    @overload
    def __getitem__(self, which: int) -> PredictionRecord: ...

    @overload
    def __getitem__(self, which: slice) -> list[PredictionRecord]: ...

    def __getitem__(self, which: int | slice) -> PredictionRecord | list[PredictionRecord]:
        if isinstance(which, slice):
            return [self._record(row) for row in range(*which.indices(len(self)))]
        return self._record(range(len(self))[which])

    def _record(self, row: int) -> PredictionRecord:
        found, manifest = self._found, self._manifest
        return PredictionRecord(
            prediction_id=self._ids[row],
            predicted_at=self._when,
            correlation_id=model.correlation_id(),
            model_name=manifest.name,
            model_version=manifest.version,
            model_digest=manifest.digest,
            revision=model.revision(),
            listing={name: _plain(self._batch.columns[name][row]) for name in INPUTS},
            price=float(found.price[row]),
            intervals={
                level: [float(low[row]), float(found.high[level][row])]
                for level, low in found.low.items()
            },
            missing=list(found.missing[row]),
            warnings=self._warnings.get(row, []),
            latency_ms=self._latency_ms,
        )


@cache
def _rows_in_hex() -> list[str]:
    return [f"{row:04x}" for row in range(ROWS_IN_A_BATCH)]


def _plain(value: Any) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)
