"""A public table of zip codes that the user gives: a row for each, with figures of its make-up."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path

import numpy as np

from tasador.arrays import Array
from tasador.listings.csv_file import TableError, open_csv
from tasador.listings.value_reader import FieldProblem, read_value

_ZIP_CODE = "zip_code"
# Each column is one comparison; nobody reads a report of more.
_MOST_COLUMNS = 20


def read_census(path: Path) -> dict[str, dict[str, float]]:
    """The figures by column and zip code.

    The CSV (plain, .gz, or alone in a .zip) has the column ``zip_code``; each other column is a
    number, such as a share from 0 to 1 or an income. An empty cell is unknown. Raises TableError,
    naming the file, the line and the column.
    """
    header, rows = open_csv(path, require=(_ZIP_CODE,))
    columns = [name for name in header if name != _ZIP_CODE]
    if not columns:
        raise TableError(f"{path} has no column of figures next to {_ZIP_CODE}")
    if len(columns) > _MOST_COLUMNS:
        raise TableError(
            f"{path} has {len(columns)} columns of figures; at most {_MOST_COLUMNS} are compared"
        )
    if len(set(columns)) < len(columns):
        raise TableError(f"{path} has a column more than once: {', '.join(header)[:300]}")
    found: dict[str, dict[str, float]] = {name: {} for name in columns}
    seen: set[str] = set()
    for line, values, _ in rows:
        where = f"{path}, line {line}"
        if isinstance(values, FieldProblem):
            raise TableError(f"{where}: {values.field} {values.reason}")
        cells = dict(zip(header, values, strict=True))
        zip_code, problem = read_value(_ZIP_CODE, cells.pop(_ZIP_CODE))
        if not isinstance(zip_code, str):
            reason = "is missing" if problem is None else problem.reason
            raise TableError(f"{where}: {_ZIP_CODE} {reason}")
        if zip_code in seen:
            raise TableError(f"{where}: {_ZIP_CODE} {zip_code} has a row already")
        seen.add(zip_code)
        for name, cell in cells.items():
            if cell.strip():
                found[name][zip_code] = _number(cell, f"{where}: {name}")
    return found


def by_row(census: Mapping[str, Mapping[str, float]], zip_code: Array) -> dict[str, Array]:
    """The figure of each row's zip code by column, [n]; NaN if the table lacks it."""
    return {
        name: np.array([figures.get(code, np.nan) for code in zip_code], dtype=np.float64)
        for name, figures in census.items()
    }


def _number(cell: str, where: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise TableError(f"{where} is {cell[:50]!r}, not a number") from None
    return number
