"""The output of ``tasador score``: the lines of a CSV that no spreadsheet evaluates."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np
import orjson

from tasador.arrays import Array
from tasador.listings.text_column import TextColumn
from tasador.listings.value_reader import FieldProblem
from tasador.model.intervals import LEVELS

OUTPUT = (
    "price",
    *(f"{end}{level}" for level in LEVELS for end in ("lo", "hi")),
    "fsd",
    "confidence",
    "missing",
    "problems",
    "warnings",
)
# A cell that begins with one of these is a formula for a spreadsheet. Where it separates cells by
# other characters than commas, a part of a text becomes a cell too.
_FORMULA = re.compile(r"(^|[;|\t\r\n,])(\s*)(?=[=+\-@＝＋－＠])")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
# What csv or ``safe_cell`` may have to change.
_UNUSUAL = re.compile(r"[\x00\t\r\n,;|\"=+\-@＝＋－＠]")


class PricedRows(NamedTuple):
    """The prices of a table in dollars: ``price`` [n], and by level ``low`` and ``high`` [n].

    ``missing`` has the names of each row's fields without a value, joined by ";", ``warnings`` the
    warnings of the rows that have any. ``fsd`` [n] and ``classes`` (``tasador.model.confidence``)
    are None where the bundle has not measured them.
    """

    price: Array
    low: Mapping[str, Array]
    high: Mapping[str, Array]
    missing: TextColumn
    warnings: Mapping[int, Sequence[str]]
    fsd: Array | None = None
    classes: TextColumn | None = None


def placed(priced: PricedRows, places: Array, rows: int) -> PricedRows:
    """The priced rows at their ``places`` among ``rows``; the others have no price."""

    def numbers(values: Array) -> Array:
        whole = np.full(rows, np.nan)
        whole[places] = values
        return whole

    def texts(column: TextColumn) -> TextColumn:
        of_row = np.full(rows, len(column.values))
        of_row[places] = column.row_indices
        return TextColumn([*column.values, ""], of_row)

    at = places.tolist()
    return PricedRows(
        numbers(priced.price),
        {level: numbers(priced.low[level]) for level in LEVELS},
        {level: numbers(priced.high[level]) for level in LEVELS},
        texts(priced.missing),
        {at[row]: warnings for row, warnings in priced.warnings.items()},
        None if priced.fsd is None else numbers(priced.fsd),
        None if priced.classes is None else texts(priced.classes),
    )


def header_line(keys: Sequence[str]) -> bytes:
    """The first line of the output."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow((*map(safe_cell, keys), *OUTPUT))
    return line.getvalue().encode()


def output_lines(
    keys: Sequence[Sequence[str]],
    priced: PricedRows,
    problems: Mapping[int, Sequence[FieldProblem]],
) -> bytes:
    """The lines of some rows: the columns ``keys``, then those of OUTPUT; ``problems`` by row.

    NaN is no price, and an empty cell.
    """
    if not len(priced.price):
        return b""
    columns: list[Iterable[str]] = []
    for column in (*map(_cells, keys), _numbers(priced)):
        columns += column, repeat(",")
    rows = zip(*columns, _ends(priced, problems), strict=False)
    return "".join(chain.from_iterable(rows)).encode()


def _numbers(priced: PricedRows) -> Sequence[str]:
    """The cells of each row from its price to ``fsd``."""
    dollars = [priced.price]
    for level in LEVELS:
        dollars += [priced.low[level], priced.high[level]]
    table = np.column_stack(dollars).round(2)
    if priced.fsd is not None:
        table = np.column_stack([table, priced.fsd])
    # orjson writes the numbers of a table in a tenth of Python's time; those of a row are one text.
    written = orjson.dumps(table, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("null", "")
    rows = written.removeprefix("[[").removesuffix("]]").split("],[")
    return rows if priced.fsd is not None else [f"{row}," for row in rows]


def _ends(priced: PricedRows, problems: Mapping[int, Sequence[FieldProblem]]) -> Sequence[str]:
    """The cells of each row behind ``fsd``, with the line end."""
    missing, classes = priced.missing, priced.classes
    of_row, names = missing.row_indices, [""]
    if classes is not None:
        names = [name or "" for name in classes.values]
        of_row = of_row * len(classes.values) + classes.row_indices
    beginnings = [f"{name},{fields}," for fields in missing.values for name in names]
    # Few rows have more than that, and all others share a few texts.
    shared = [f"{text},\n" for text in beginnings]
    ends = [shared[each] for each in of_row.tolist()]
    for row in problems.keys() | priced.warnings.keys():
        reasons = [f"{problem.field} {problem.reason}" for problem in problems.get(row, ())]
        cells = map(_cell, ("; ".join(reasons), "; ".join(priced.warnings.get(row, ()))))
        ends[row] = f"{beginnings[of_row[row]]}{','.join(cells)}\n"
    return ends


def _cells(texts: Sequence[str]) -> Sequence[str]:
    """The texts as cells of a CSV; most columns need no change."""
    return list(map(_cell, texts)) if _UNUSUAL.search("\x01".join(texts)) else texts


def _cell(text: str) -> str:
    """A text that no spreadsheet evaluates, quoted where CSV needs it."""
    if not _UNUSUAL.search(text):
        return text
    text = safe_cell(text)
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates; a number stays a number."""
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1\2'", text)
