"""Many listings in one request (/batch_predict), by row or by column, and their prices.

Both forms are priced by column. The caller waits only for its answer: the records of a batch are
built when they are sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, overload

import numpy as np

from functions import model
from functions.batch_reader import Batch
from functions.http import Response, new_id
from functions.limits import MAX_ROWS
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
        import orjson

        data = self._by_column() if self._batch.by_column else {"predictions": self._by_row()}
        body = orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, "application/json")

    def _by_row(self) -> list[dict[str, Any]]:
        import orjson

        # What is the same in each row is written as JSON once.
        served = orjson.Fragment(orjson.dumps(self._model.answer))
        version, revision = self._model.columns["model_version"], model.revision()
        correlation_id = model.correlation_id()
        predictions, read_as, warnings = self._predictions, self._batch.read_as, self._warnings
        levels = list(predictions.low)
        ends = [
            list(
                zip(predictions.low[level].tolist(), predictions.high[level].tolist(), strict=True)
            )
            for level in levels
        ]
        columns = zip(
            self._ids,
            predictions.price.tolist(),
            zip(*ends, strict=True),
            self._confidence_by_row(),
            predictions.missing,
            strict=True,
        )
        return [
            {
                "prediction_id": identity,
                "request_id": identity,
                "price": price,
                "intervals": {
                    level: {"low": low, "high": high}
                    for level, (low, high) in zip(levels, intervals, strict=True)
                },
                "confidence": confidence,
                "model_version": version,
                "model": served,
                "revision": revision,
                "read_as": read_as.get(row, {}),
                "missing": missing,
                "warnings": warnings.get(row, []),
                "correlation_id": correlation_id,
            }
            for row, (identity, price, intervals, confidence, missing) in enumerate(columns)
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
