"""Pricing the rows of a CSV file: by a bundle without any service, or by another pricer."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.files import whole_file
from tasador.listings.arrays import Columns, arrays_of
from tasador.listings.csv_file import CsvRow, TableError, open_csv
from tasador.listings.listing import INPUTS, Listing, read_listing
from tasador.listings.table import places_of
from tasador.listings.value_reader import FieldProblem
from tasador.model.bundle import Bundle
from tasador.model.confidence import CLASSES
from tasador.model.intervals import LEVELS
from tasador.model.value_warnings import warnings_of
from tasador.progress import Progress

OUTPUT = (
    "price",
    *(f"{end}{level}" for level in LEVELS for end in ("lo", "hi")),
    "fsd",
    "confidence",
    "missing",
    "problems",
    "warnings",
)
_CHUNK = 20_000
# A cell that begins with one of these is a formula for a spreadsheet. Where it separates cells by
# other characters than commas, a part of a text becomes a cell too.
_FORMULA = re.compile(r"(^|[;|\t\r\n,])(\s*)(?=[=+\-@＝＋－＠])")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


@dataclass(slots=True, kw_only=True)
class ScoreSummary:
    """What ``score_csv`` read: the number of ``rows``, how many have ``problems``, and the number
    of problems by field ("row" for a row of another width than the header).

    ``first_problem`` names the line of the first, ``examples`` that of the first in each field.
    ``unused`` columns of the file are no inputs, ``absent`` inputs are no columns of the file.
    """

    rows: int = 0
    rows_with_problems: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    first_problem: str = ""
    examples: dict[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class PricedRows(NamedTuple):
    """The prices of a table in dollars: ``price`` [n], and by level ``low`` and ``high`` [n].

    ``missing`` has the names of each row's fields without a value, ``warnings`` the warnings of the
    rows that have any. ``fsd`` and ``classes`` (``tasador.model.confidence``) have an item for each
    row, or none where the bundle has not measured them.
    """

    price: Array
    low: Mapping[str, Array]
    high: Mapping[str, Array]
    missing: Sequence[Sequence[str]]
    warnings: Mapping[int, Sequence[str]]
    fsd: Sequence[float] = ()
    classes: Sequence[str] = ()


# Prices a table; it is given at most as many rows as ``price_csv`` says.
Pricer = Callable[[Columns], PricedRows]


class _Row(NamedTuple):
    keys: list[str]
    listing: Listing
    problems: list[FieldProblem]


class _Table(NamedTuple):
    """An open CSV: where its inputs and its keys stand in a row, and its rows."""

    places: list[tuple[str, int]]
    key_places: list[int]
    rows: Iterator[CsvRow]


def score_csv(
    bundle_folder: str | Path,
    csv_path: str | Path,
    out: str | Path,
    *,
    keys: Sequence[str] = (),
    strict: bool = False,
    progress: Progress | None = None,
) -> ScoreSummary:
    """Price every row of a CSV by a bundle, as ``price_csv`` does, and return what was read."""
    bundle = Bundle.load(bundle_folder)

    def price(table: Columns) -> PricedRows:
        p = bundle.predict(table)
        warnings = warnings_of(table, p.unknown_categories, bundle.encoders.ranges)
        priced = PricedRows(p.price, p.low, p.high, p.missing, warnings)
        if p.confidence is None:
            return priced
        fsd, classes = p.confidence
        return priced._replace(
            fsd=fsd.tolist(), classes=[CLASSES[code] for code in classes.tolist()]
        )

    return price_csv(price, csv_path, out, keys=keys, strict=strict, progress=progress)


def price_csv(
    pricer: Pricer,
    csv_path: str | Path,
    out: str | Path,
    *,
    keys: Sequence[str] = (),
    strict: bool = False,
    chunk: int = _CHUNK,
    most: int | None = None,
    progress: Progress | None = None,
) -> ScoreSummary:
    """Price every row of a CSV in order, ``chunk`` rows at a time, and return what was read.

    ``out`` gets one line per row: the columns ``keys`` of the CSV unchanged, price and interval
    bounds in dollars, ``fsd`` (the relative error that 68 % of such listings stay within) and
    ``confidence`` (high, medium or low; both empty for a bundle without them), ``missing`` (the
    fields without a usable value, joined by ";"), ``problems`` (why a value was refused; it counts
    as missing) and ``warnings``. The price and columns other than a listing's are ignored. With
    ``strict`` nothing is written if a row has problems.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    Raises TableError if the file is not a CSV of listings, lacks a key, has more rows than
    ``most``, or has problems and ``strict`` is set.
    """
    out = Path(out)
    table, summary = _open(csv_path, keys)
    remaining = _read(table, summary, csv_path, most)
    written = 0
    try:
        with whole_file(out) as part:
            with part.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow((*map(safe_cell, keys), *OUTPUT))
                while rows := list(islice(remaining, chunk)):
                    if not (strict and summary.rows_with_problems):
                        writer.writerows(_priced(pricer, rows))
                    written += len(rows)
                    if progress is not None:
                        progress("score", 0.0, f"{written:,} rows")
            if strict and summary.rows_with_problems:
                raise TableError(
                    f"{csv_path}: {describe_problems(summary)}; --strict: nothing was written"
                )
    except OSError as error:
        raise TableError(f"{out} cannot be written: {error.strerror or error}") from error
    if progress is not None:
        progress("score", 1.0, f"{written:,} rows")
    return summary


def check_csv(csv_path: str | Path, *, most: int | None = None) -> ScoreSummary:
    """Read a CSV as ``price_csv`` does, without pricing it; raises TableError as that does."""
    table, summary = _open(csv_path, ())
    for _ in _read(table, summary, csv_path, most):
        pass
    return summary


def describe_problems(summary: ScoreSummary) -> str:
    """The rows with problems as text: how many, in which fields, and the first of them."""
    by_count = sorted(summary.problems.items(), key=lambda item: -item[1])
    fields = ", ".join(f"{name} {count:,}" for name, count in by_count)
    return (
        f"{summary.rows_with_problems:,} of {summary.rows:,} rows have problems ({fields}), "
        f"the first {summary.first_problem}"
    )


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates; a number stays a number."""
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1\2'", text)


def _open(csv_path: str | Path, keys: Sequence[str]) -> tuple[_Table, ScoreSummary]:
    header, rows = open_csv(csv_path)
    places = [(name, place) for name, place in places_of(csv_path, header) if name in INPUTS]
    key_places = [_place_of(key, header, csv_path) for key in keys]
    named = {name for name, _ in places}
    summary = ScoreSummary(
        unused=tuple(name for name in header if name not in named and name not in keys),
        absent=tuple(name for name in INPUTS if name not in named),
    )
    return _Table(places, key_places, rows), summary


def _place_of(key: str, header: list[str], csv_path: str | Path) -> int:
    if key in OUTPUT:
        raise TableError(f"{key} cannot be a key: the output has a column of that name")
    if header.count(key) != 1:
        raise TableError(
            f"{csv_path} has {header.count(key)} columns {key} where the key is expected; its "
            f"columns are {', '.join(header)[:300]}"
        )
    return header.index(key)


def _read(
    table: _Table, summary: ScoreSummary, csv_path: str | Path, most: int | None
) -> Iterator[_Row]:
    """Read each row, and count it in ``summary``."""
    for line, values in table.rows:
        if summary.rows == most:
            raise TableError(f"{csv_path} has more than {most:,} rows: split it into several files")
        if isinstance(values, FieldProblem):
            row = _Row([""] * len(table.key_places), Listing(), [values])
        else:
            listing, problems = read_listing({name: values[place] for name, place in table.places})
            row = _Row([values[place] for place in table.key_places], listing, problems)
        summary.rows += 1
        if row.problems:
            summary.rows_with_problems += 1
            for problem in row.problems:
                name, count = problem.field, summary.problems.get(problem.field, 0)
                summary.problems[name] = count + 1
                if not count:
                    says = f"in line {line}: {name} {problem.reason} ({problem.value!r})"
                    summary.examples[name] = says
                    summary.first_problem = summary.first_problem or says
        yield row


def _priced(pricer: Pricer, rows: Sequence[_Row]) -> Iterator[tuple[object, ...]]:
    """The lines of the output."""
    priced = pricer(arrays_of(row.listing for row in rows))
    columns = [priced.price]
    for level in LEVELS:
        columns += [priced.low[level], priced.high[level]]
    dollars = np.column_stack(columns).round(2).tolist()
    confidence: list[tuple[object, str]] = [("", "")] * len(rows)
    if len(priced.fsd):
        confidence = list(zip(priced.fsd, priced.classes, strict=True))
    for number, row in enumerate(rows):
        problems = "; ".join(f"{problem.field} {problem.reason}" for problem in row.problems)
        yield (
            *map(safe_cell, row.keys),
            *dollars[number],
            *confidence[number],
            ";".join(priced.missing[number]),
            safe_cell(problems),
            safe_cell("; ".join(priced.warnings.get(number, []))),
        )
