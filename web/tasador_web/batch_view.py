"""What the Batch page shows of a file and of its prices. No Reflex."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tasador.listings.listing import INPUTS
from tasador_web import words

_BARS, _LABELLED = 24, 4
_SHOWN = 8


@dataclass
class Column:
    """A column of a listing, and whether the file has it."""

    name: str
    label: str
    found: bool


@dataclass
class Problem:
    """The rows with a problem in one field."""

    name: str
    rows: str
    example: str


@dataclass
class Checked:
    """What a file holds."""

    rows: int = 0
    rows_text: str = ""
    problem_rows: str = ""
    columns: list[Column] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


@dataclass
class Bar:
    """Homes with prices from ``low`` to ``high``; ``height`` in per cent of the highest bar."""

    title: str
    height: float
    label: str = ""  # where it begins, at some bars


@dataclass
class PricedRow:
    """A row of the result: its key columns, price, range, and what is to be said of it."""

    named: str
    price: str
    likely: str
    remarks: str


@dataclass
class Priced:
    """What came of a file."""

    rows: str = ""
    low: str = ""
    median: str = ""
    high: str = ""
    problem_rows: str = ""
    model: str = ""


def checked_of(summary: Mapping[str, Any]) -> Checked:
    """The file, from the summary of its check."""
    absent = set(summary["absent"])
    rows = int(summary["rows"])
    problems = sorted(summary["problems"].items(), key=lambda item: -item[1])
    return Checked(
        rows=rows,
        rows_text=_count(rows, "row"),
        problem_rows=_with_problems(summary),
        columns=[Column(n, words.FIELDS.get(n, n), n not in absent) for n in INPUTS],
        problems=[
            Problem(
                "Whole row" if name == "row" else words.FIELDS.get(name, name),
                f"{count:,}",
                summary["examples"][name],
            )
            for name, count in problems
        ],
        others=list(dict.fromkeys(n for n in summary["unused"] if n and n != "price")),
    )


def priced_of(result: Mapping[str, Any]) -> Priced:
    """The headline of a priced file."""
    low, median, high = (words.rounded_dollars(p) for p in result["spread"] or (0.0, 0.0, 0.0))
    summary = result["summary"]
    return Priced(
        rows=_count(int(summary["rows"]), "home"),
        low=low,
        median=median,
        high=high,
        problem_rows=_with_problems(summary),
        model=result["model"],
    )


def _with_problems(summary: Mapping[str, Any]) -> str:
    count = int(summary["rows_with_problems"])
    if not count:
        return "No row has a problem."
    which = "1 row has" if count == 1 else f"{count:,} rows have"
    return f"{which} a value that cannot be read. It counts as not given; the result says why."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def histogram(prices: Sequence[float]) -> list[Bar]:
    """How many homes have which price: bars of equal ratio, without the outermost hundredths."""
    if not prices:
        return []
    ordered = sorted(prices)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    if high <= low:
        return [Bar(f"{words.short_dollars(low)}: {len(ordered):,}", 100.0)]
    step = math.log(high / low) / _BARS
    counts = [0] * _BARS
    for price in ordered[cut : len(ordered) - cut]:
        counts[min(int(math.log(price / low) / step), _BARS - 1)] += 1
    edges = [words.short_dollars(low * math.exp(step * n)) for n in range(_BARS + 1)]
    return [
        Bar(
            f"{edges[n]} to {edges[n + 1]}: {count:,}",
            round(100 * count / max(counts), 1),
            edges[n] if n % _LABELLED == 0 else "",
        )
        for n, count in enumerate(counts)
    ]


def first_rows(path: Path, keys: Sequence[str]) -> list[PricedRow]:
    """The first rows of a result."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(row, len(keys)) for row in islice(csv.reader(file), 1, 1 + _SHOWN)]


def _row(cells: Sequence[str], keys: int) -> PricedRow:
    price, low, high = cells[keys : keys + 3]
    *_, problems, warnings = cells
    return PricedRow(
        named=" · ".join(cell for cell in cells[:keys] if cell),
        price=words.dollars(float(price)),
        likely=f"{words.rounded_dollars(float(low))} – {words.rounded_dollars(float(high))}",
        remarks="; ".join(text for text in (problems, warnings) if text),
    )


def share(done: int, rows: int) -> float:
    """How much is done, in per cent."""
    return round(100 * min(done / rows, 1.0), 1) if rows else 0.0


def size_of(size: int) -> str:
    """The size of a file: 812 KB, 18.4 MB."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size / 1e3, 1):.0f} KB"
