"""Numbers of a file that are written as people write them, before the rules of a listing read them.

``tasador score`` reads the rules alone; the web app gives a way to write, as in its forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tasador.listings.by_column import Given, RowProblem
from tasador.listings.cells import Cells
from tasador.listings.listing import NUMBERS
from tasador.listings.text_column import TextColumn, distinct
from tasador.listings.value_reader import FieldProblem, Refused, shown

# The number that a text of a column means, as a text that the rules read; raises Refused.
NumberText = Callable[[str, str], str]


def as_numbers(
    given: Mapping[str, Given], number_text: NumberText
) -> tuple[dict[str, Given], list[RowProblem]]:
    """The columns with the texts of numbers replaced, and the texts that were refused by row."""
    columns, problems = dict(given), []
    for name in NUMBERS:
        if (column := _texts(given.get(name))) is None:
            continue
        values: list[str | None] = []
        refusals: dict[int, FieldProblem] = {}
        for number, text in enumerate(column.values):
            try:
                values.append(number_text(name, text) if text else text)
            except Refused as refused:
                values.append(None)
                refusals[number] = FieldProblem(name, str(refused), shown(text))
        if refusals:
            of_row = enumerate(column.row_indices.tolist())
            problems += [RowProblem(row, refusals[n]) for row, n in of_row if n in refusals]
        if values != column.values:
            columns[name] = TextColumn(values, column.row_indices)
    return columns, problems


def _texts(values: Given | None) -> TextColumn | None:
    """A column of texts; None for one of other values, which are written in one way."""
    if values is None or isinstance(values, np.ndarray):
        return None
    if isinstance(values, Cells):
        return values.distinct()
    if isinstance(values, TextColumn):
        return values
    listed = list(values)
    if not all(value is None or isinstance(value, str) for value in listed):
        return None
    return TextColumn(*distinct(listed))
