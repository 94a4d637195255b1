"""The prices of a part: a Parquet file, the rows for raw.inference_logs, and a count of both."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import orjson

from tasador.arrays import Array
from tasador.listings.csv_file import TableError
from tasador.listings.listing import INPUTS
from tasador.listings.text_column import TextColumn
from tasador.model.bundle import Bundle
from tasador.model.confidence import CLASSES
from tasador.model.intervals import LEVELS
from tasador.model.model_ref import ModelRef
from tasador.model.predictions import Predictions
from tasador.model.value_warnings import warnings_of
from tasador.scoring.blocks import Block
from tasador.scoring.parts import Part
from tasador.scoring.price_file import (
    OpenListings,
    ReadBlock,
    ScoreSummary,
    open_listings,
    read_blocks,
)

ID = "prediction_id"
# The bins of the histogram of prices, in powers of ten.
PRICE_BINS = np.linspace(4.0, 8.0, 81)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What was priced of a part or a file: as ``ScoreSummary``, and ``prices`` by PRICE_BINS."""

    rows: int = 0
    rows_with_problems: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    prices: list[int] = field(default_factory=lambda: [0] * (len(PRICE_BINS) - 1))

    @classmethod
    def of(cls, summary: ScoreSummary, prices: Array) -> Scored:
        """Of a part that was read, with the counts of its prices."""
        return cls(
            rows=summary.rows,
            rows_with_problems=summary.rows_with_problems,
            problems=summary.problems,
            examples=summary.examples,
            unused=list(summary.unused),
            absent=list(summary.absent),
            prices=[int(count) for count in prices],
        )

    def __add__(self, other: Scored) -> Scored:
        """Both, in the order of the file: the earlier example of a field is kept."""
        problems = dict(self.problems)
        for name, count in other.problems.items():
            problems[name] = problems.get(name, 0) + count
        return Scored(
            rows=self.rows + other.rows,
            rows_with_problems=self.rows_with_problems + other.rows_with_problems,
            problems=problems,
            examples={**other.examples, **self.examples},
            unused=self.unused or other.unused,
            absent=self.absent or other.absent,
            prices=[a + b for a, b in zip(self.prices, other.prices, strict=True)],
        )

    def as_json(self) -> dict[str, Any]:
        """As JSON values; ``Scored(**...)`` reads them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """How a file is priced. ``prefix`` of the ids, and ``predicted_at``, are the same whenever a
    part is repeated, so its rows are the same.
    """

    bundle: Bundle
    model: ModelRef
    keys: Sequence[str]
    prefix: str
    predicted_at: datetime
    revision: str


def price_part(
    pricing: Pricing, part: Part, number: int, out: Path, rows: IO[str] | None
) -> Scored:
    """Price the rows of a part into a Parquet file, and into ``rows`` as CSV for COPY, if given.

    Messages name places in the whole file. The columns of ``out`` are the keys as text, then those
    of ``_schema``. Raises TableError.
    """
    import pyarrow.parquet as pq

    listings = _moved(_opened(part.path, pricing.keys), part.offset)
    prices = np.zeros(len(PRICE_BINS) - 1, dtype=np.int64)
    schema = _schema(pricing.keys)
    writer = csv.writer(rows, lineterminator="\n") if rows is not None else None
    done = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as file:
        for read in read_blocks(listings):
            began = time.perf_counter()
            predictions = pricing.bundle.predict(read.columns)
            latency_ms = round((time.perf_counter() - began) * 1000 / max(1, read.block.rows), 3)
            warnings = warnings_of(read.columns, predictions, pricing.bundle.encoders)
            ids = [
                f"{pricing.prefix}-{number:05d}-{row:08d}"
                for row in range(done, done + read.block.rows)
            ]
            keys = [read.block.texts(place) for place in listings.key_places]
            file.write_table(_table(schema, keys, ids, read, predictions, warnings))
            if writer is not None:
                writer.writerows(_records(pricing, ids, read, predictions, warnings, latency_ms))
            prices += np.histogram(
                np.clip(np.log10(predictions.price), PRICE_BINS[0], PRICE_BINS[-1]), PRICE_BINS
            )[0]
            done += read.block.rows
    return Scored.of(listings.summary, prices)


def _opened(part: Path, keys: Sequence[str]) -> OpenListings:
    if ID in keys:
        raise TableError(f"{ID} cannot be a key: the output has a column of that name")
    return open_listings(part, keys)


def _moved(listings: OpenListings, offset: int) -> OpenListings:
    """The listings with their places in the whole file."""

    def blocks() -> Iterator[Block]:
        for block in listings.table.blocks:
            places = block.first
            moved = (
                places + offset if isinstance(places, int) else [place + offset for place in places]
            )
            yield replace(block, first=moved)

    return listings._replace(table=replace(listings.table, blocks=blocks()))


# -- Parquet ---------------------------------------------------------------------------------------


def _schema(keys: Sequence[str]) -> Any:
    import pyarrow as pa

    texts = pa.list_(pa.string())
    bounds = [f"{end}{level}" for level in LEVELS for end in ("lo", "hi")]
    return pa.schema(
        [
            *((key, pa.string()) for key in keys),
            (ID, pa.string()),
            *((name, pa.float64()) for name in ("price", *bounds, "fsd")),
            ("confidence", pa.string()),
            ("missing", texts),
            ("problems", texts),
            ("warnings", texts),
        ]
    )


def _table(
    schema: Any,
    keys: Sequence[Sequence[str]],
    ids: Sequence[str],
    read: ReadBlock,
    predictions: Predictions,
    warnings: dict[int, list[str]],
) -> Any:
    import pyarrow as pa

    rows, confidence = read.block.rows, predictions.confidence
    problems = {
        row: [f"{problem.field} {problem.reason}" for problem in found]
        for row, found in read.problems.items()
    }
    bounds = [
        side[level].round(2) for level in LEVELS for side in (predictions.low, predictions.high)
    ]
    nothing = [None] * rows
    columns = [
        *keys,
        ids,
        predictions.price.round(2),
        *bounds,
        nothing if confidence is None else confidence.fsd,
        nothing if confidence is None else [CLASSES[code] for code in confidence.classes.tolist()],
        predictions.missing,
        [problems.get(row, []) for row in range(rows)],
        [warnings.get(row, []) for row in range(rows)],
    ]
    arrays = [pa.array(values, each.type) for values, each in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


# -- raw.inference_logs ----------------------------------------------------------------------------

RECORDED = (
    *("prediction_id", "predicted_at", "correlation_id", "model_name", "model_version"),
    *("model_digest", "revision", "listing", "price", "intervals", "missing", "warnings"),
    *("latency_ms", "confidence"),
)


def _records(
    pricing: Pricing,
    ids: Sequence[str],
    read: ReadBlock,
    predictions: Predictions,
    warnings: dict[int, list[str]],
    latency_ms: float,
) -> Iterator[tuple[object, ...]]:
    """The rows of RECORDED, as record would store them."""
    model, confidence = pricing.model, predictions.confidence
    common = (
        pricing.predicted_at.isoformat(),
        *(model.correlation_id, model.name, model.version, model.digest, pricing.revision),
    )
    columns = [_plain(read.columns[name]) for name in INPUTS]
    bounds = [
        list(zip(predictions.low[level].tolist(), predictions.high[level].tolist(), strict=True))
        for level in LEVELS
    ]
    prices, missing = predictions.price.tolist(), predictions.missing
    fsd = [] if confidence is None else confidence.fsd.tolist()
    for row, identity in enumerate(ids):
        listing = {name: values[row] for name, values in zip(INPUTS, columns, strict=True)}
        intervals = {level: each[row] for level, each in zip(LEVELS, bounds, strict=True)}
        answer = "" if confidence is None else _json(confidence.measured.answer(fsd[row]))
        yield (
            *(identity, *common, _json(listing), prices[row], _json(intervals)),
            *(_json(missing[row]), _json(warnings.get(row, [])), latency_ms, answer),
        )


def _plain(values: Array | TextColumn) -> list[Any]:
    """A column as JSON values."""
    if isinstance(values, TextColumn):
        return values.tolist()
    if values.dtype.kind == "f":
        return [None if value != value else value for value in values.tolist()]
    return list(values)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
