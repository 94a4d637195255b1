"""Line charts as positions in an SVG. No Reflex."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# The drawing's size in its units, and what is kept for labels.
WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 28, 14, 26
_TICKS = 4
_MOST_LABELS = 12


@dataclass
class Tick:
    """A label of an axis at ``at``, across (x) or down (y)."""

    at: int
    label: str


@dataclass
class Line:
    """One series; ``kind`` is its colour, ``path`` an SVG path."""

    name: str
    kind: str
    path: str


@dataclass
class Point:
    """One value; ``title`` is shown when it is pointed at."""

    x: int
    y: int
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
) -> Chart:
    """A chart of series over the same labels; None is a gap.

    ``kinds`` colours the points of each series by themselves; without it a series has the colour
    of its position: c0, c1, ...
    """
    values = [v for numbers in series.values() for v in numbers if v is not None]
    if not values:
        return Chart()
    ticks = _round_ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]

    def x(position: int) -> int:
        steps = max(len(labels) - 1, 1)
        middle = 0.5 if len(labels) == 1 else position / steps
        return round(_LEFT + middle * (WIDTH - _LEFT - _RIGHT))

    def y(value: float) -> int:
        return round(_TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM))

    chart = Chart(
        down=[Tick(y(tick), written(tick)) for tick in ticks],
        across=[
            Tick(x(n), label)
            for n, label in enumerate(labels)
            if n % math.ceil(len(labels) / _MOST_LABELS) == 0
        ],
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
            sentences.append(f"{name} is {written(known[-1][1])} at {labels[known[-1][0]]}")
    chart.summary = "; ".join(sentences)
    return chart


def _round_ticks(low: float, high: float) -> list[float]:
    """Round numbers around the values, at equal steps."""
    if high == low:
        high, low = high + (abs(high) or 1) * 0.1, low - (abs(low) or 1) * 0.1
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]
