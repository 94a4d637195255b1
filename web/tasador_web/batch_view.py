"""What the Batch page shows of a file and of its prices. No Reflex."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tasador.listings.listing import INPUTS
from tasador_web import words
from tasador_web.languages import counted, marks, text

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

    rows_text: str = ""
    homes: int = 0  # without the rows that are no homes
    homes_text: str = ""
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
    rows, homes = int(summary["rows"]), _priced(summary)
    problems = sorted(summary["problems"].items(), key=lambda item: -item[1])
    return Checked(
        rows_text=_rows(rows),
        homes=homes,
        homes_text=_homes(homes),
        problem_rows=_with_problems(summary),
        columns=[Column(n, words.field(n), n not in absent) for n in INPUTS],
        problems=[
            Problem(
                text("Whole row") if name == "row" else words.field(name),
                marks(f"{count:,}"),
                _example(summary["examples"][name]),
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
        rows=_homes(_priced(summary)),
        low=low,
        median=median,
        high=high,
        problem_rows=_with_problems(summary),
        model=text(
            "{name}, version {version}",
            name=result["model"]["name"],
            version=result["model"]["version"],
        ),
    )


def _with_problems(summary: Mapping[str, Any]) -> str:
    unpriced = int(summary["unpriced"])
    says = []
    if count := int(summary["rows_with_problems"]) - unpriced:
        says.append(
            counted(
                count,
                "{count} row has a value that cannot be read. It counts as not given; the result "
                "says why.",
                "{count} rows have a value that cannot be read. It counts as not given; the result "
                "says why.",
            )
        )
    if unpriced:
        says.append(
            counted(
                unpriced,
                "{count} row is blank or has more or fewer values than columns. It gets no price.",
                "{count} rows are blank or have more or fewer values than columns. They get no "
                "price.",
            )
        )
    return " ".join(says) or text("No row has a problem.")


def _priced(summary: Mapping[str, Any]) -> int:
    return int(summary["rows"]) - int(summary["unpriced"])


def _rows(number: int) -> str:
    return counted(number, "{count} row", "{count} rows")


def _homes(number: int) -> str:
    return counted(number, "{count} home", "{count} homes")


def _example(says: str) -> str:
    """Where a problem is, and which; the column has the name that the file gives it."""
    found = re.fullmatch(r"in (line|row) (.+?): (.+) (\(.+\))", says, re.DOTALL)
    if found is None:
        return says
    kind, number, problem, value = found.groups()
    return text(
        "in line {number}: {problem}" if kind == "line" else "in row {number}: {problem}",
        number=marks(number),
        problem=f"{_problem(problem)} {value}",
    )


def _problem(says: str) -> str:
    """A column, and what is wrong with its value; or what is wrong with the row."""
    name, _, reason = says.partition(" ")
    return f"{text('the row') if name == 'row' else name} {words.reason(reason)}"


def histogram(prices: Sequence[float]) -> list[tuple[float, float, int]]:
    """(from, to, homes) of bars of equal ratio, without the outermost hundredths."""
    if not prices:
        return []
    ordered = sorted(prices)
    cut = len(ordered) // 100
    low, high = ordered[cut], ordered[-1 - cut]
    if high <= low:
        return [(low, low, len(ordered))]
    step = math.log(high / low) / _BARS
    counts = [0] * _BARS
    for price in ordered[cut : len(ordered) - cut]:
        counts[min(int(math.log(price / low) / step), _BARS - 1)] += 1
    edges = [low * math.exp(step * n) for n in range(_BARS + 1)]
    return list(zip(edges, edges[1:], counts, strict=False))


def bars_of(histogram: Sequence[tuple[float, float, int]]) -> list[Bar]:
    """How many homes have which price, as drawn."""
    most = max((count for *_, count in histogram), default=1)
    bars = []
    for n, (low, high, count) in enumerate(histogram):
        start, homes = words.short_dollars(low), marks(f"{count:,}")
        title = f"{start}: {homes}"
        if high > low:
            title = text(
                "{low} to {high}: {count}",
                low=start,
                high=words.short_dollars(high),
                count=homes,
            )
        label = start if len(histogram) > 1 and n % _LABELLED == 0 else ""
        bars.append(Bar(title, round(100 * count / most, 1), label))
    return bars


def first_rows(path: Path, keys: Sequence[str]) -> list[PricedRow]:
    """The first rows of a result."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_row(row, len(keys)) for row in islice(csv.reader(file), 1, 1 + _SHOWN)]


def _row(cells: Sequence[str], keys: int) -> PricedRow:
    price, low, high = cells[keys : keys + 3]
    *_, problems, warnings = cells
    return PricedRow(
        named=" · ".join(cell for cell in cells[:keys] if cell),
        price=words.dollars(float(price)) if price else text("no price"),
        likely=f"{words.rounded_dollars(float(low))} – {words.rounded_dollars(float(high))}"
        if price
        else "",
        remarks="; ".join([*map(_problem, _parts(problems)), *map(_warning, _parts(warnings))]),
    )


def _parts(says: str) -> list[str]:
    return says.split("; ") if says else []


def _warning(says: str) -> str:
    """A warning in a buyer's words; what it calls unknown is named in it."""
    unknown = re.match(r"(\w+) (.+?)(?: of [^']+)? is not in the training data", says)
    return words.warning(says, {unknown[1]: unknown[2].strip("'\"")} if unknown else {})


def share(done: int, rows: int) -> float:
    """How much is done, in per cent."""
    return round(100 * min(done / rows, 1.0), 1) if rows else 0.0


def size_of(size: int) -> str:
    """The size of a file: 812 KB, 18.4 MB."""
    return marks(f"{size / 1e6:.1f} MB") if size >= 1e6 else f"{max(size / 1e3, 1):.0f} KB"
