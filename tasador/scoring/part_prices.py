"""The prices of a part: a Parquet file, the rows for raw.inference_logs, and a count of both."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from tasador.model.intervals import LEVELS
from tasador.model.model_ref import ModelRef
from tasador.model.predictions import Predictions
from tasador.model.value_warnings import warnings_of
from tasador.scoring.block_threads import AT_ONCE, worked
from tasador.scoring.blocks import Block
from tasador.scoring.parts import Part
from tasador.scoring.price_file import (
    OpenListings,
    ReadBlock,
    ScoreSummary,
    open_listings,
    read_blocks,
)

# The bins of the histogram of prices, in powers of ten.
PRICE_BINS = np.linspace(4.0, 8.0, 81)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What was priced of a part or a file: as ``ScoreSummary``, and ``prices`` by PRICE_BINS."""

    rows: int = 0
    rows_with_problems: int = 0
    unpriced: int = 0
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
            unpriced=summary.unpriced,
            problems=summary.problems,
            examples=summary.examples,
            unused=list(summary.unused),
            absent=list(summary.absent),
            prices=[int(count) for count in prices],
        )

    @property
    def priced(self) -> int:
        """The rows with a price."""
        return self.rows - self.unpriced

    def __add__(self, other: Scored) -> Scored:
        """Both, in the order of the file: the earlier example of a field is kept."""
        problems = dict(self.problems)
        for name, count in other.problems.items():
            problems[name] = problems.get(name, 0) + count
        return Scored(
            rows=self.rows + other.rows,
            rows_with_problems=self.rows_with_problems + other.rows_with_problems,
            unpriced=self.unpriced + other.unpriced,
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

    Messages name places in the whole file. The columns of ``out`` are those of ``schema_of``.
    Raises TableError.
    """
    import pyarrow.parquet as pq

    from tasador.listings.arrow import number_array
    from tasador.scoring.price_table import ID, ids_of, repeating, schema_of, table_of

    if ID in pricing.keys:
        raise TableError(f"{ID} cannot be a key: the output has a column of that name")
    listings = _moved(open_listings(part.path, pricing.keys), part.offset)
    prices = np.zeros(len(PRICE_BINS) - 1, dtype=np.int64)
    writer = csv.writer(rows, lineterminator="\n") if rows is not None else None
    done = 0

    def price(read: ReadBlock) -> tuple[Predictions, float]:
        began = time.perf_counter()
        predictions = pricing.bundle.predict(read.columns, threads=1)
        seconds = time.perf_counter() - began
        return predictions, round(seconds * 1000 / max(1, read.listings), 3)

    def write(read: ReadBlock, predictions: Predictions, latency_ms: float) -> None:
        nonlocal done
        keys = {
            key: read.block.texts(place)
            for key, place in zip(pricing.keys, listings.key_places, strict=True)
        }
        ids = ids_of(f"{pricing.prefix}-{number:05d}", done, read.block.rows)
        listed = ids if read.places is None else ids.take(number_array(read.places))
        problems = {
            row: [f"{problem.field} {problem.reason}" for problem in found]
            for row, found in read.problems.items()
        }
        warnings = warnings_of(read.columns, predictions, pricing.bundle.encoders)
        file.write_table(table_of(keys, ids, predictions, problems, warnings, read.places))
        if writer is not None:
            records = _records(pricing, listed.to_pylist(), read, predictions, warnings, latency_ms)
            writer.writerows(records)
        prices[:] += np.histogram(
            np.clip(np.log10(predictions.price), PRICE_BINS[0], PRICE_BINS[-1]), PRICE_BINS
        )[0]
        done += read.block.rows

    schema, dictionaries = schema_of(pricing.keys), repeating(pricing.keys)
    with (
        pq.ParquetWriter(out, schema, compression="zstd", use_dictionary=dictionaries) as file,
        ThreadPoolExecutor(1, "write") as thread,
    ):
        last = thread.submit(lambda: None)
        for read, (predictions, latency_ms) in worked(price, read_blocks(listings), AT_ONCE):
            last.result()
            last = thread.submit(write, read, predictions, latency_ms)
        last.result()
    return Scored.of(listings.summary, prices)


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
