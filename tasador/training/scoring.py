"""Pricing the rows of a CSV file, without any service."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasador.listings.arrays import arrays_of
from tasador.listings.csv_file import CsvRow, TableError, open_csv
from tasador.listings.listing import INPUTS, Listing, read_listing
from tasador.listings.table import places_of
from tasador.listings.value_reader import FieldProblem
from tasador.model.bundle import Bundle
from tasador.model.intervals import LEVELS
from tasador.model.value_warnings import warnings_of
from tasador.progress import Progress

OUTPUT = (
    "price",
    *(f"{end}{level}" for level in LEVELS for end in ("lo", "hi")),
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

    ``first_problem`` names the line of the first. ``unused`` columns of the file are no inputs,
    ``absent`` inputs are no columns of the file.
    """

    rows: int = 0
    rows_with_problems: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    first_problem: str = ""
    unused: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class _Row(NamedTuple):
    keys: list[str]
    listing: Listing
    problems: list[FieldProblem]


def score_csv(
    bundle_folder: str | Path,
    csv_path: str | Path,
    out: str | Path,
    *,
    keys: Sequence[str] = (),
    strict: bool = False,
    progress: Progress | None = None,
) -> ScoreSummary:
    """Price every row of a CSV in order, and return what was read.

    ``out`` gets one line per row: the columns ``keys`` of the CSV unchanged, price and interval
    bounds in dollars, ``missing`` (the fields without a usable value, joined by ";"), ``problems``
    (why a value was refused; it counts as missing) and ``warnings``. The price and columns other
    than a listing's are ignored. With ``strict`` nothing is written if a row has problems.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    Raises TableError if the file is not a CSV of listings, lacks a key, or has problems and
    ``strict`` is set.
    """
    bundle = Bundle.load(bundle_folder)
    out = Path(out)
    header, rows = open_csv(csv_path)
    places = [(name, place) for name, place in places_of(csv_path, header) if name in INPUTS]
    key_places = [_place_of(key, header, csv_path) for key in keys]
    named = {name for name, _ in places}
    summary = ScoreSummary(
        unused=tuple(name for name in header if name not in named and name not in keys),
        absent=tuple(name for name in INPUTS if name not in named),
    )
    remaining = _read(rows, places, key_places, summary)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    written = 0
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*map(safe_cell, keys), *OUTPUT))
            while chunk := list(islice(remaining, _CHUNK)):
                if not (strict and summary.rows_with_problems):
                    writer.writerows(_priced(bundle, chunk))
                written += len(chunk)
                if progress is not None:
                    progress("score", 0.0, f"{written:,} rows")
        if strict and summary.rows_with_problems:
            raise TableError(
                f"{csv_path}: {describe_problems(summary)}; --strict: nothing was written"
            )
        part.replace(out)
    except OSError as error:
        raise TableError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    if progress is not None:
        progress("score", 1.0, f"{written:,} rows")
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
    rows: Iterable[CsvRow],
    places: Sequence[tuple[str, int]],
    key_places: Sequence[int],
    summary: ScoreSummary,
) -> Iterator[_Row]:
    """Read each row, and count it in ``summary``."""
    for line, values in rows:
        if isinstance(values, FieldProblem):
            row = _Row([""] * len(key_places), Listing(), [values])
        else:
            listing, problems = read_listing({name: values[place] for name, place in places})
            row = _Row([values[place] for place in key_places], listing, problems)
        summary.rows += 1
        if row.problems:
            first = row.problems[0]
            summary.rows_with_problems += 1
            for problem in row.problems:
                summary.problems[problem.field] = summary.problems.get(problem.field, 0) + 1
            summary.first_problem = summary.first_problem or (
                f"in line {line}: {first.field} {first.reason} ({first.value!r})"
            )
        yield row


def _priced(bundle: Bundle, rows: Sequence[_Row]) -> Iterator[tuple[object, ...]]:
    """The lines of the output."""
    table = arrays_of(row.listing for row in rows)
    predictions = bundle.predict(table)
    warnings = warnings_of(table, predictions.unknown_categories, bundle.encoders.ranges)
    columns = [predictions.price]
    for level in LEVELS:
        columns += [predictions.low[level], predictions.high[level]]
    dollars = np.column_stack(columns).round(2).tolist()
    for number, row in enumerate(rows):
        problems = "; ".join(f"{problem.field} {problem.reason}" for problem in row.problems)
        yield (
            *map(safe_cell, row.keys),
            *dollars[number],
            ";".join(predictions.missing[number]),
            safe_cell(problems),
            safe_cell("; ".join(warnings.get(number, []))),
        )
