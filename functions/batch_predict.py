"""Many listings in one request (/batch_predict), by row or by column, and their prices.

Both forms are priced by column. The caller waits only for its answer: the records of a batch are
built when they are sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from io import SEEK_END, BytesIO
from typing import Any, overload

import numpy as np

from functions import model
from functions.batch_reader import Batch
from functions.http import Response, new_id
from functions.limits import MAX_ROWS
from tasador.arrays import Array
from tasador.clock import now
from tasador.listings.listing import INPUTS
from tasador.model.bundle import Bundle
from tasador.model.confidence import CLASSES
from tasador.model.predictions import Predictions
from tasador.model.value_warnings import warnings_of
from tasador.records.prediction import PredictionRecord


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
        body = _json(self._by_column()) if self._batch.by_column else self._by_row()
        return Response(body, "application/json")

    def _by_row(self) -> bytes:
        """The answer as JSON. Each column is written at once and then cut into rows, which is
        faster than an object for each row."""
        predictions = self._predictions
        values: list[Iterable[bytes]] = [self._id_texts(), self._id_texts()]
        values.append(_texts(predictions.price))
        intervals = []
        for level, low in predictions.low.items():
            intervals.append(b'%b:{"low":%%b,"high":%%b}' % _json(level))
            values += [_texts(low), _texts(predictions.high[level])]
        if (confidence := predictions.confidence) is None:
            confidence_text = b"null"
        else:
            confidence_text = b'{"fsd":%b,%b'
            figures = confidence.measured.figures
            rest = [_json({"class": name, **figures[name]})[1:] for name in CLASSES]
            values += [_texts(confidence.fsd), map(rest.__getitem__, confidence.classes.tolist())]
        patterns, of_row = predictions.missing_patterns
        missing = list(map(_json, patterns))
        rows = self._batch.rows
        values += [
            _sparse_texts(self._batch.read_as, {}, rows),
            map(missing.__getitem__, of_row.tolist()),
            _sparse_texts(self._warnings, [], rows),
        ]
        members = (
            b'"prediction_id":%b',
            b'"request_id":%b',
            b'"price":%b',
            b'"intervals":{%b}' % b",".join(intervals),
            b'"confidence":' + confidence_text,
            _same("model_version", self._model.columns["model_version"]),
            _same("model", self._model.answer),
            _same("revision", model.revision()),
            b'"read_as":%b',
            b'"missing":%b',
            b'"warnings":%b',
            _same("correlation_id", model.correlation_id()),
        )
        row = b"{%b}," % b",".join(members)
        # Written one after the other: the answer is several megabytes, and exists once.
        answer = BytesIO()
        answer.write(b'{"predictions":[')
        answer.writelines(map(row.__mod__, zip(*values, strict=True)))
        answer.seek(-1, SEEK_END)  # the comma after the last row
        answer.write(b"]}")
        return answer.getvalue()

    def _id_texts(self) -> list[bytes]:
        return [b'"%b"' % identity.encode() for identity in self._ids]

    def _confidence_by_column(self) -> dict[str, Any] | None:
        confidence = self._predictions.confidence
        return confidence and {
            "fsd": confidence.fsd,
            "class": list(map(CLASSES.__getitem__, confidence.classes.tolist())),
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


def _json(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _texts(numbers: Array) -> list[bytes]:
    """Each number as JSON."""
    return _json(numbers)[1:-1].split(b",")


def _sparse_texts(values: Mapping[int, Any], other: Any, rows: int) -> list[bytes]:
    """The values by row as JSON; ``other`` where there is none."""
    texts = [_json(other)] * rows
    for row, value in values.items():
        texts[row] = _json(value)
    return texts


def _same(name: str, value: Any) -> bytes:
    """A member that is the same in all rows, in the text that they are formatted by."""
    return (_json(name) + b":" + _json(value)).replace(b"%", b"%%")


@cache
def _suffixes() -> list[str]:
    return [f"{row:04x}" for row in range(MAX_ROWS)]


def _plain(value: Any) -> str | float | None:
    if value is None or isinstance(value, str):
        return value
    return None if np.isnan(value) else float(value)
