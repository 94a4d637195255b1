"""Pricing the rows of a CSV or Parquet file: by a bundle without any service, or by another pricer.

A block of rows at a time is read, priced and written by column, so memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, absent_of
from tasador.listings.by_column import RowProblem, read_columns
from tasador.listings.csv_file import TableError
from tasador.listings.listing import INPUTS
from tasador.listings.table import places_of
from tasador.listings.text_column import TextColumn
from tasador.listings.value_reader import FieldProblem
from tasador.machine.disk import writing_below
from tasador.machine.files import is_same_file, whole_file
from tasador.model.bundle import Bundle
from tasador.model.confidence import CLASSES
from tasador.model.intervals import LEVELS
from tasador.model.value_warnings import warnings_of
from tasador.progress import Progress
from tasador.scoring.block_threads import AT_ONCE, worked
from tasador.scoring.blocks import Block, Table, open_table
from tasador.scoring.lines import OUTPUT, PricedRows, header_line, output_lines, placed
from tasador.scoring.number_texts import NumberText, as_numbers

# Prices a table of any size.
Pricer = Callable[[InputColumns], PricedRows]


@dataclass(slots=True, kw_only=True)
class ScoreSummary:
    """What ``score_csv`` read: the number of ``rows``, how many have ``problems``, and the number
    of problems by field ("row" for one that is blank, or of another width than the header).

    ``first_problem`` names the line of the first, ``examples`` that of the first in each field.
    ``unused`` columns of the file are no inputs, ``absent`` inputs are no columns of the file.
    ``unpriced`` rows get no price: those with a problem of "row".
    """

    rows: int = 0
    rows_with_problems: int = 0
    unpriced: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    first_problem: str = ""
    examples: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class ReadBlock(NamedTuple):
    """A block of a file as read: the problems by row, and the columns of the listings to price.

    Those are the rows of ``places``, or all of the block.
    """

    block: Block
    columns: InputColumns
    problems: dict[int, list[FieldProblem]]
    places: Array | None

    @property
    def listings(self) -> int:
        """How many rows are to be priced."""
        return self.block.rows if self.places is None else len(self.places)


class OpenListings(NamedTuple):
    """An open file of listings: the places of its inputs and of its keys, and what was read."""

    path: Path
    table: Table
    places: list[tuple[str, int]]
    key_places: list[int]
    summary: ScoreSummary


def score_csv(
    bundle_folder: str | Path,
    csv_path: str | Path,
    out: str | Path,
    *,
    keys: Sequence[str] = (),
    strict: bool = False,
    progress: Progress | None = None,
) -> ScoreSummary:
    """Price every row of a file by a bundle, as ``price_csv`` does, and return what was read."""
    bundle = Bundle.load(bundle_folder)

    def price(table: InputColumns) -> PricedRows:
        p = bundle.predict(table, threads=1)
        patterns, of_row = p.missing_patterns
        missing = TextColumn([";".join(names) for names in patterns], of_row)
        warnings = warnings_of(table, p, bundle.encoders)
        priced = PricedRows(p.price, p.low, p.high, missing, warnings)
        if p.confidence is None:
            return priced
        fsd, classes, _ = p.confidence
        return priced._replace(fsd=fsd, classes=TextColumn(CLASSES, classes))

    return price_csv(
        price, csv_path, out, keys=keys, strict=strict, progress=progress, at_once=AT_ONCE
    )


def price_csv(
    pricer: Pricer,
    csv_path: str | Path,
    out: str | Path,
    *,
    keys: Sequence[str] = (),
    strict: bool = False,
    most: int | None = None,
    number_text: NumberText | None = None,
    progress: Progress | None = None,
    at_once: int = 1,
) -> ScoreSummary:
    """Price the rows of a CSV or Parquet file in order, and return what was read.

    ``out`` gets one line per row: the columns ``keys`` of the file unchanged, price and interval
    bounds in dollars, ``fsd`` (the relative error that 68 % of such listings stay within) and
    ``confidence`` (high, medium or low; both empty for a bundle without them), ``missing`` (the
    fields without a usable value, joined by ";"), ``problems`` (why a value was refused; it counts
    as missing) and ``warnings``. A row that is blank, or of another width than the header, is no
    listing: it has its problem and no price. The price and columns other than a listing's are
    ignored. With ``strict`` nothing is written if a row has problems.

    ``number_text`` says which number a text means, where people wrote the file. ``pricer`` is
    called in ``at_once`` threads.

    ``out`` is complete or unchanged. A text that a spreadsheet would take for a formula gets an
    apostrophe before it.
    Raises TableError if the file is not a table of listings, lacks a key, has more rows than
    ``most``, or has problems and ``strict`` is set; DiskFull if there is no room for ``out``.
    """
    out = Path(out)
    if is_same_file(out, Path(csv_path)):
        raise TableError(f"{out} is the file with the listings: write the prices into another one")
    listings = open_listings(csv_path, keys)
    summary = listings.summary
    written = 0

    def price(read: ReadBlock) -> PricedRows | None:
        useless = strict and summary.rows_with_problems
        return None if useless else _priced(pricer, read)

    def write(file: IO[bytes], read: ReadBlock, priced: PricedRows | None) -> None:
        nonlocal written
        if priced is not None:
            copied = [read.block.texts(place) for place in listings.key_places]
            if read.places is not None:
                priced = placed(priced, read.places, read.block.rows)
            file.write(output_lines(copied, priced, read.problems))
        written += read.block.rows
        if progress is not None:
            progress("score", 0.0, f"{written:,} rows")

    try:
        with writing_below(out), whole_file(out) as part:
            # Threads read the next block, and write the last one.
            with part.open("wb") as file, ThreadPoolExecutor(1, "write") as writer:
                last: Future[object] = writer.submit(file.write, header_line(keys))
                blocks = read_blocks(listings, most, number_text)
                for read, priced in worked(price, blocks, at_once):
                    last.result()
                    last = writer.submit(write, file, read, priced)
                last.result()
            if strict and summary.rows_with_problems:
                raise TableError(
                    f"{csv_path}: {describe_problems(summary)}; --strict: nothing was written"
                )
    except OSError as error:
        raise TableError(f"{out} cannot be written: {error.strerror or error}") from error
    if progress is not None:
        progress("score", 1.0, f"{written:,} rows")
    return summary


def _priced(pricer: Pricer, read: ReadBlock) -> PricedRows:
    if read.listings:
        return pricer(read.columns)
    none: Array = np.empty(0)
    bounds = dict.fromkeys(LEVELS, none)
    return PricedRows(none, bounds, bounds, TextColumn.of([]), {})


def check_csv(
    csv_path: str | Path, *, most: int | None = None, number_text: NumberText | None = None
) -> ScoreSummary:
    """Read a file as ``price_csv`` does, without pricing it; raises TableError as that does."""
    listings = open_listings(csv_path)
    for _ in read_blocks(listings, most, number_text):
        pass
    return listings.summary


def describe_problems(summary: ScoreSummary) -> str:
    """The rows with problems as text: how many, in which fields, and the first of them."""
    by_count = sorted(summary.problems.items(), key=lambda item: -item[1])
    fields = ", ".join(f"{name} {count:,}" for name, count in by_count)
    return (
        f"{summary.rows_with_problems:,} of {summary.rows:,} rows have problems ({fields}), "
        f"the first {summary.first_problem}"
    )


def open_listings(path: str | Path, keys: Sequence[str] = ()) -> OpenListings:
    """Open a CSV or Parquet file; raises TableError if it is no table of listings."""
    table = open_table(path)
    places = [(name, place) for name, place in places_of(path, table.header) if name in INPUTS]
    if repeated := next((key for key in keys if list(keys).count(key) > 1), None):
        raise TableError(f"the key {repeated} is named twice")
    key_places = [_place_of(key, table.header, path) for key in keys]
    named = {name for name, _ in places}
    summary = ScoreSummary(
        unused=tuple(name for name in table.header if name not in named and name not in keys),
        absent=tuple(name for name in INPUTS if name not in named),
    )
    return OpenListings(Path(path), table, places, key_places, summary)


def _place_of(key: str, header: list[str], csv_path: str | Path) -> int:
    if key in OUTPUT:
        raise TableError(f"{key} cannot be a key: the output has a column of that name")
    if key not in header:
        raise TableError(
            f"{csv_path} has no column {key}, which is named as a key; its columns are "
            f"{', '.join(header)[:300]}"
        )
    if header.count(key) > 1:
        raise TableError(f"{csv_path} has {header.count(key)} columns {key}: a key is one column")
    return header.index(key)


def read_blocks(
    listings: OpenListings, most: int | None = None, number_text: NumberText | None = None
) -> Iterator[ReadBlock]:
    """Read each block by the rules of a listing, and count its rows in the summary."""
    summary = listings.summary
    for block in listings.table.blocks:
        summary.rows += block.rows
        if most is not None and summary.rows > most:
            raise TableError(
                f"{listings.path} has more than {most:,} rows: split it into several files"
            )
        given = {name: block.columns[place] for name, place in listings.places}
        ambiguous: list[RowProblem] = []
        if number_text is not None:
            given, ambiguous = as_numbers(given, number_text)
        read = read_columns(given, block.rows)
        problems: dict[int, list[FieldProblem]] = {}
        for row, problem in (*ambiguous, *read.problems):
            problems.setdefault(row, []).append(problem)
        no_listings = block.odd | _blank_rows(block, absent_of(read.columns))
        problems.update((row, [problem]) for row, problem in no_listings.items())
        summary.rows_with_problems += len(problems)
        summary.unpriced += len(no_listings)
        for row in sorted(problems):
            for problem in problems[row]:
                _count(problem, f"in {listings.table.counts} {block.place(row)}", summary)
        places: Array | None = None
        columns: InputColumns = read.columns
        if no_listings:
            places = np.delete(np.arange(block.rows), list(no_listings))
            columns = {name: _at(places, values) for name, values in read.columns.items()}
        yield ReadBlock(block, columns, problems, places)


def _at(places: Array, values: Array | TextColumn) -> Array | TextColumn:
    if isinstance(values, TextColumn):
        return TextColumn(values.values, values.row_indices[places])
    return values[places]


def _blank_rows(block: Block, absent: Mapping[str, Array]) -> dict[int, FieldProblem]:
    """The rows without a text in any column; few have no input, and only those are looked at."""
    rows = np.flatnonzero(np.logical_and.reduce(list(absent.values()))).tolist()
    for place in range(len(block.columns)):
        if rows:
            texts = block.texts(place)
            rows = [row for row in rows if not texts[row].strip()]
    return {row: FieldProblem("row", "is blank", "") for row in rows if row not in block.odd}


def _count(problem: FieldProblem, where: str, summary: ScoreSummary) -> None:
    name, count = problem.field, summary.problems.get(problem.field, 0)
    summary.problems[name] = count + 1
    if not count:
        says = f"{where}: {name} {problem.reason} ({problem.value!r})"
        summary.examples[name] = says
        summary.first_problem = summary.first_problem or says
