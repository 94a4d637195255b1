"""Line charts as positions in per cent of the plot. No Reflex."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tasador_web.languages import text

# The first and the last value stand this far from the edges (per cent of the width).
_INSET = 4.0
_TICKS = 4
# Labels across that fit a wide chart, and those that fit a narrow one.
_MOST_LABELS, _MOST_MAJOR = 12, 5


@dataclass
class Tick:
    """A label of an axis at ``at``, across (x) or down (y); a minor one only where it fits."""

    at: float
    label: str
    kind: str = "major"


@dataclass
class Line:
    """One series; ``kind`` is its colour, ``path`` an SVG path in a square of 100 units."""

    name: str
    kind: str
    path: str


@dataclass
class Point:
    """One value; ``title`` is shown when it is pointed at."""

    x: float
    y: float
    kind: str
    title: str


@dataclass
class Chart:
    """What is drawn. ``summary`` is for readers who do not see it."""

    lines: list[Line] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    across: list[Tick] = field(default_factory=list)
    down: list[Tick] = field(default_factory=list)
    summary: str = ""


def line_chart(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    written: Callable[[float], str],
    kinds: Sequence[Sequence[str]] = (),
    *,
    from_zero: bool = False,
) -> Chart:
    """A chart of series over the same labels; None is a gap.

    ``kinds`` colours the points of each series by themselves; without it a series has the colour
    of its position: c0, c1, ... ``from_zero`` is for amounts, whose axis begins at 0.
    """
    values = [v for numbers in series.values() for v in numbers if v is not None]
    if not values:
        return Chart()
    ticks = _round_ticks(0.0 if from_zero else min(values), max(values), whole=from_zero)
    low, high = ticks[0], ticks[-1]

    def x(position: int) -> float:
        steps = max(len(labels) - 1, 1)
        middle = 0.5 if len(labels) == 1 else position / steps
        return round(_INSET + middle * (100 - 2 * _INSET), 2)

    def y(value: float) -> float:
        return round(100 * (high - value) / (high - low), 2)

    shown = range(0, len(labels), math.ceil(len(labels) / _MOST_LABELS))
    major = shown[:: math.ceil(len(shown) / _MOST_MAJOR)]
    chart = Chart(
        down=[Tick(y(tick), written(tick)) for tick in ticks],
        across=[Tick(x(n), labels[n], "major" if n in major else "minor") for n in shown],
    )
    sentences = []
    for number, (name, numbers) in enumerate(series.items()):
        known = [(n, v) for n, v in enumerate(numbers) if v is not None]
        colour = f"c{number}"
        path = "".join(
            f"{'M' if not i or known[i - 1][0] != n - 1 else 'L'}{x(n)} {y(v)}"
            for i, (n, v) in enumerate(known)
        )
        chart.lines.append(Line(name, colour, path))
        chart.points += [
            Point(
                x(n),
                y(v),
                kinds[number][n] if kinds else colour,
                f"{name}, {labels[n]}: {written(v)}",
            )
            for n, v in known
        ]
        if known:
            sentences.append(
                text(
                    "{name} is {value} at {label}",
                    name=name,
                    value=written(known[-1][1]),
                    label=labels[known[-1][0]],
                )
            )
    chart.summary = "; ".join(sentences)
    return chart


def _round_ticks(low: float, high: float, *, whole: bool) -> list[float]:
    """Round numbers around the values, at equal steps, which may have to be whole numbers."""
    if high == low:
        high, low = high + (abs(high) or 1) * 0.1, low - (abs(low) or 1) * 0.1
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    step = max(math.ceil(step), 1) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]
