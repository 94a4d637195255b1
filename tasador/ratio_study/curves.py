"""The charts of a ratio study as SVG; their colours are CSS variables of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tasador.ratio_study.figures import NEAR_ONE
from tasador.ratio_study.groups import DECILE, short_dollars
from tasador.ratio_study.study import Group, Study

_WIDTH, _HEIGHT = 440, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 14, 40
_ROW = 26
_NAMES = 150
_ENDS = (0.4, 1.8)
_TICKS = (0.6, 0.8, 1.0, 1.2, 1.4, 1.6)
_LEVEL = (0.90, 1.10)


def ratio_curve(study: Study) -> str:
    """The ratios in tenths of the estimates: median with its interval, quartiles, 10 to 90 %."""
    tenths = [group for group in study.groups if group.kind == DECILE and group.figures]
    if len(tenths) < 2:
        return ""
    inner = _WIDTH - _LEFT - _RIGHT
    across = [_LEFT + inner * (n + 0.5) / len(tenths) for n in range(len(tenths))]

    def up(ratio: float) -> float:
        low, high = _ENDS
        inside = min(max(ratio, low), high)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (inside - low) / (high - low)

    parts = [_line(_LEFT, up(t), _WIDTH - _RIGHT, up(t), "grid") for t in _TICKS]
    parts += [_text(_LEFT - 6, up(t) + 4, f"{t:.1f}", "end") for t in _TICKS]
    parts += [_line(_LEFT, up(t), _WIDTH - _RIGHT, up(t), "limit") for t in _LEVEL]
    for low, high, style in ((0, 4, "wide"), (1, 3, "band")):
        above = [(x, up(g.ratios[high])) for x, g in zip(across, tenths, strict=True)]
        below = [(x, up(g.ratios[low])) for x, g in zip(across, tenths, strict=True)]
        parts.append(f'<polygon class="{style}" points="{_points([*above, *below[::-1]])}"/>')
    middles = [(x, up(g.figures["median"].value)) for x, g in zip(across, tenths, strict=True)]
    parts.append(f'<polyline class="median" points="{_points(middles)}"/>')
    for (x, y), group in zip(middles, tenths, strict=True):
        median = group.figures["median"]
        parts.append(_line(x, up(median.low), x, up(median.high), "error"))
        title = f"{group.name}: median ratio {median.value:.3f}, {group.rows:,} rows"
        parts.append(_dot(x, y, title))
        parts.append(_text(x, _HEIGHT - _BOTTOM + 16, short_dollars(group.estimate), "middle"))
    parts.append(_text(_LEFT + inner / 2, _HEIGHT - 6, "median estimate of each tenth", "middle"))
    return _svg(
        _HEIGHT,
        "Ratio of estimate to price in tenths of the estimates: median, quartiles, and 10 to 90 %",
        parts,
    )


def distribution(study: Study) -> str:
    """The ratios of all rows as a histogram; bars within NEAR_ONE are marked."""
    counts = study.histogram
    most = max(counts) or 1
    inner = _WIDTH - _LEFT - _RIGHT
    step = inner / len(counts)
    base = _HEIGHT - _BOTTOM
    tall = base - _TOP
    parts = []
    for number, count in enumerate(counts):
        middle = number * 0.04
        near = NEAR_ONE[0] < middle < NEAR_ONE[1]
        height = tall * count / most
        last = number == len(counts) - 1
        end = "above 2.02" if last else f"{middle - 0.02:.2f} to {middle + 0.02:.2f}"
        parts.append(
            f'<rect class="{"near" if near else "bar"}" x="{_LEFT + number * step + 0.5:.1f}" '
            f'y="{base - height:.1f}" width="{step - 1:.1f}" height="{height:.1f}">'
            f"<title>{end}: {count:,} rows</title></rect>"
        )
    for tick in (0.0, 0.5, 1.0, 1.5, 2.0):
        parts.append(_text(_LEFT + (tick / 0.04 + 0.5) * step, base + 16, f"{tick:.1f}", "middle"))
    parts.append(_line(_LEFT, base, _WIDTH - _RIGHT, base, "axis"))
    parts.append(_text(_LEFT + inner / 2, _HEIGHT - 6, "estimate / price", "middle"))
    return _svg(_HEIGHT, "Histogram of the ratios of all rows", parts)


def by_group(groups: Sequence[Group]) -> str:
    """One row for each group: 10 to 90 %, quartiles and median of its ratios."""
    if not groups:
        return ""
    height = _TOP + _ROW * len(groups) + _BOTTOM
    base = height - _BOTTOM

    def along(ratio: float) -> float:
        low, high = _ENDS
        inside = min(max(ratio, low), high)
        return _NAMES + (_WIDTH - _NAMES - _RIGHT) * (inside - low) / (high - low)

    parts = [_line(along(t), _TOP, along(t), base, "grid") for t in _TICKS]
    parts += [_text(along(t), base + 16, f"{t:.1f}", "middle") for t in _TICKS]
    parts += [_line(along(t), _TOP, along(t), base, "limit") for t in _LEVEL]
    for number, group in enumerate(groups):
        y = _TOP + _ROW * (number + 0.5)
        parts.append(_text(_NAMES - 8, y + 4, group.name[:24], "end"))
        for low, high, thick, style in ((0, 4, 6, "wide"), (1, 3, 12, "band")):
            left, right = along(group.ratios[low]), along(group.ratios[high])
            parts.append(
                f'<rect class="{style}" x="{left:.1f}" y="{y - thick / 2:.1f}" '
                f'width="{right - left:.1f}" height="{thick}" rx="2"/>'
            )
        median = group.figures["median"].value
        parts.append(_dot(along(median), y, f"{group.name}: {median:.3f}, {group.rows:,} rows"))
    parts.append(_text((_NAMES + _WIDTH) / 2, height - 6, "estimate / price", "middle"))
    return _svg(height, "Ratios by group: median, quartiles, and 10 to 90 %", parts)


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _dot(x: float, y: float, title: str) -> str:
    circle = f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4">'
    return f"{circle}<title>{escape(title)}</title></circle>"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
