"""Many listings in one request (/batch_predict), by row or by column, and their prices.

Both forms are priced by column. The caller waits only for its answer: the records of a batch are
built when they are sent.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, overload

import numpy as np

from functions import model
from functions.http import (
    HttpProblem,
    Request,
    Response,
    invalid_fields,
    new_id,
    not_json,
    read_body,
    require_unique,
)
from functions.limits import MAX_ROWS
from tasador.clock import now
from tasador.listings.arrays import InputColumns
from tasador.listings.by_column import read_columns
from tasador.listings.listing import COLUMNS, INPUTS, FieldProblem
from tasador.listings.value_reader import not_a_column
from tasador.model.bundle import Bundle
from tasador.model.confidence import CLASSES
from tasador.model.predictions import Predictions
from tasador.model.value_warnings import warnings_of
from tasador.prediction_record import PredictionRecord

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

    Raises HttpProblem that names each value, like ``listings[3].bed`` or ``columns.bed[3]``.
    """
    body = read_body(request, limit)
    data = _parse_json(body)
    require_unique(body, _members(data))
    forms = [name for name in ("listings", "columns") if isinstance(data, Mapping) and name in data]
    if len(forms) != 1:
        reason = 'is not an object with either "listings" or "columns"'
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
    for value in list(data.values()) if objects else ():
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


class PricedBatch(Sequence[PredictionRecord]):
    """A batch with its prices: ``response`` is the answer; as a sequence it is its records."""

    def __init__(
        self, bundle: Bundle, batch: Batch, predictions: Predictions, seconds: float
    ) -> None:
        self._model = model.served(bundle.manifest)
        self._batch = batch
        self._predictions = predictions
        self._predicted_at: datetime = now()
        self._latency_ms = round(seconds * 1000 / batch.rows, 3)
        self._warnings = warnings_of(batch.columns, predictions, bundle.encoders)
        # One random prefix for the batch, and the row number in 4 hexadecimal digits.
        prefix = new_id()[:28]
        self._ids = [prefix + suffix for suffix in _suffixes()[: batch.rows]]

    def response(self) -> Response:
        """The answer, by row or by column like the request."""
        import orjson

        data = self._by_column() if self._batch.by_column else {"predictions": self._by_row()}
        body = orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, "application/json")

    def _by_row(self) -> list[dict[str, Any]]:
        common = {"model": self._model.answer, "revision": model.revision()}
        correlation_id = model.correlation_id()
        predictions = self._predictions
        bounds = [
            (level, low.tolist(), predictions.high[level].tolist())
            for level, low in predictions.low.items()
        ]
        confidence = self._confidence_by_row()
        return [
            {
                "prediction_id": self._ids[row],
                "price": price,
                "intervals": {
                    level: {"low": low[row], "high": high[row]} for level, low, high in bounds
                },
                "confidence": confidence[row],
                **common,
                "read_as": self._batch.read_as.get(row, {}),
                "missing": predictions.missing[row],
                "warnings": self._warnings.get(row, []),
                "correlation_id": correlation_id,
            }
            for row, price in enumerate(predictions.price.tolist())
        ]

    def _confidence_by_row(self) -> Sequence[Any]:
        """``Confidence.answer`` of each row as JSON: of a class only the FSD differs."""
        import orjson

        confidence = self._predictions.confidence
        if confidence is None:
            return [None] * self._batch.rows
        figures = confidence.measured.figures
        rest = [orjson.dumps({"class": name, **figures[name]})[1:] for name in CLASSES]
        return [
            orjson.Fragment(b'{"fsd":%a,%b' % (fsd, rest[code]))
            for fsd, code in zip(confidence.fsd.tolist(), confidence.classes.tolist(), strict=True)
        ]

    def _confidence_by_column(self) -> dict[str, Any] | None:
        confidence = self._predictions.confidence
        return confidence and {
            "fsd": confidence.fsd,
            "class": [CLASSES[code] for code in confidence.classes.tolist()],
            "classes": confidence.measured.figures,
        }

    def _by_column(self) -> dict[str, Any]:
        predictions = self._predictions
        rows = {name: np.flatnonzero(predictions.absent[:, n]) for n, name in enumerate(INPUTS)}
        return {
            "rows": self._batch.rows,
            "prediction_id": self._ids,
            "price": predictions.price,
            "intervals": {
                level: {"low": low, "high": predictions.high[level]}
                for level, low in predictions.low.items()
            },
            "confidence": self._confidence_by_column(),
            "read_as": self._batch.read_as,
            "missing": {name: absent for name, absent in rows.items() if len(absent)},
            "warnings": [
                {"row": row, "warnings": warnings} for row, warnings in self._warnings.items()
            ],
            "model": self._model.answer,
            "revision": model.revision(),
            "correlation_id": model.correlation_id(),
        }

    def __len__(self) -> int:
        return self._batch.rows

    @overload
    def __getitem__(self, index: int) -> PredictionRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[PredictionRecord]: ...

    def __getitem__(self, index: int | slice) -> PredictionRecord | list[PredictionRecord]:
        if isinstance(index, slice):
            return [self._record(row) for row in range(*index.indices(len(self)))]
        return self._record(range(len(self))[index])

    def _record(self, row: int) -> PredictionRecord:
        predictions = self._predictions
        return PredictionRecord(
            prediction_id=self._ids[row],
            predicted_at=self._predicted_at,
            **self._model.columns,
            revision=model.revision(),
            listing={name: _plain(self._batch.columns[name][row]) for name in INPUTS},
            price=float(predictions.price[row]),
            intervals={
                level: [float(low[row]), float(predictions.high[level][row])]
                for level, low in predictions.low.items()
            },
            missing=list(predictions.missing[row]),
            warnings=self._warnings.get(row, []),
            latency_ms=self._latency_ms,
            confidence=(of := predictions.confidence) and of.measured.answer(float(of.fsd[row])),
        )


@cache
def _suffixes() -> list[str]:
    return [f"{row:04x}" for row in range(MAX_ROWS)]


def _plain(value: Any) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)
