"""The output of ``tasador score``: the lines of a CSV that no spreadsheet evaluates."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import orjson

from tasador.arrays import Array
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
    """The lines of some rows: the columns ``keys``, then those of OUTPUT; ``problems`` by row."""
    rows = len(priced.price)
    if not rows:
        return b""
    reasons = {
        row: "; ".join(f"{problem.field} {problem.reason}" for problem in found)
        for row, found in problems.items()
    }
    warnings = {row: "; ".join(found) for row, found in priced.warnings.items()}
    dollars = [priced.price]
    for level in LEVELS:
        dollars += [priced.low[level], priced.high[level]]
    # orjson writes the numbers of a table in a tenth of Python's time; those of a row are one text.
    table = np.column_stack(dollars).round(2)
    written = orjson.dumps(table, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    empty = [""] * rows
    columns: list[Iterable[str]] = [
        *map(_cells, keys),
        written.removeprefix("[[").removesuffix("]]").split("],["),
        map(str, priced.fsd) if len(priced.fsd) else empty,
        priced.classes if len(priced.classes) else empty,
        map(";".join, priced.missing),
        _sparse(reasons, empty),
        _sparse(warnings, empty),
    ]
    return ("\n".join(map(",".join, zip(*columns, strict=True))) + "\n").encode()


def _sparse(texts: Mapping[int, str], empty: Sequence[str]) -> Sequence[str]:
    """A column of the texts by row, and ``empty`` cells."""
    if not texts:
        return empty
    cells = [*empty]
    for row, text in texts.items():
        cells[row] = _cell(text)
    return cells


def _cells(texts: Sequence[str]) -> Sequence[str]:
    """The texts as cells of a CSV; most columns need no change."""
    return list(map(_cell, texts)) if _UNUSUAL.search("\x01".join(texts)) else texts


def _cell(text: str) -> str:
    """A text that no spreadsheet evaluates, quoted where CSV needs it."""
    text = safe_cell(text)
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates; a number stays a number."""
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1\2'", text)
