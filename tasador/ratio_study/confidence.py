"""Measure, on the permanent holdout, what ``tasador.model.confidence`` says of a price.

The FSD must hold in every class and every state: 68 % of the listings stay within it. An interval's
width orders listings by their error, but how much of it a standard deviation is differs by width
and by state. Both are measured here. What a class is worth (PPE, P15) is measured on properties
that its factors were not measured on.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.model.confidence import CLASSES, LEVEL, LIMITS, WITHIN
from tasador.ratio_study import figures
from tasador.ratio_study.figures import FEWEST_ROWS

# Rows of one width, which share a factor: enough that a quantile is known to some 3 %.
_ROWS_OF_A_WIDTH = 400
_MOST_WIDTHS = 12
# A state has a factor from so many rows, which is shrunk towards 1 as if it had so many others:
# that is about the ratio of its noise to what states really differ by.
_ROWS_OF_A_STATE = 100
_PRIOR_ROWS = 150
_ROWS_TO_SHOW = 300
_ROUNDS = 3
_HALVES = 2


def measure_confidence(
    estimate: Array, price: Array, low: Array, high: Array, state: Array, key: Array
) -> dict[str, Any]:
    """``Manifest.confidence``: factors by width and state, the figures of each class, and the share
    that stays within its FSD in each state with 300 rows.

    ``estimate`` and ``price`` are dollars [n], ``low`` and ``high`` the ends of the interval of
    LEVEL, ``state`` (None = missing) and ``key``, the property, are objects [n]. {} with fewer than
    FEWEST_ROWS rows; the figures of a class with fewer rows are None.
    """
    if len(price) < FEWEST_ROWS:
        return {}
    # An interval without a width has no factor.
    width = np.maximum(np.log(high / low) / 2, 1e-6)
    error = np.abs(estimate - price) / price
    widths, factors, states = _fit(width, error, state)
    fsd = _fsd_of_others(width, error, state, key)
    return {
        "level": LEVEL,
        "rows": len(price),
        "widths": widths,
        "factors": factors,
        "states": states,
        "classes": _classes(estimate, price, fsd),
        "within_fsd_by_state": _within_by_state(error <= fsd, state),
    }


def _within_by_state(within: Array, state: Array) -> dict[str, float]:
    shares = {}
    for name in sorted({s for s in state if s is not None}):
        rows = within[state == name]
        if len(rows) >= _ROWS_TO_SHOW:
            shares[name] = round(float(rows.mean()), 4)
    return shares


def _fsd_of_others(width: Array, error: Array, state: Array, key: Array) -> Array:
    """The FSD of each row [n] by what is measured on the other half of the properties."""
    half = np.array([zlib.crc32(str(name).encode()) % _HALVES for name in key])
    fsd = np.empty(len(width))
    for number in range(_HALVES):
        inside = half == number
        others = ~inside if np.count_nonzero(~inside) >= FEWEST_ROWS else slice(None)
        fsd[inside] = _apply(
            width[inside], state[inside], *_fit(width[others], error[others], state[others])
        )
    return fsd


def _fit(
    width: Array, error: Array, state: Array
) -> tuple[list[float], list[float], dict[str, float]]:
    """Widths [k] with their factors, and the states' factors, fitted in turn."""
    of_state = np.ones(len(width))
    order = np.argsort(width, kind="stable")
    count = int(np.clip(len(width) // _ROWS_OF_A_WIDTH, 1, _MOST_WIDTHS))
    groups = np.array_split(order, count)
    widths = _increasing([float(np.median(width[rows])) for rows in groups])
    rows_of_state = {
        name: np.flatnonzero(state == name) for name in sorted({s for s in state if s is not None})
    }
    factors = [1.0] * count
    states: dict[str, float] = {}
    for _ in range(_ROUNDS):
        scaled = error / (width * of_state)
        factors = [_quantile(scaled[rows]) for rows in groups]
        expected = width * np.interp(width, widths, factors)
        states = {}
        for name, rows in rows_of_state.items():
            if len(rows) >= _ROWS_OF_A_STATE:
                found = _quantile(error[rows] / expected[rows])
                weight = len(rows) / (len(rows) + _PRIOR_ROWS)
                states[name] = round(float(found**weight), 4)
                of_state[rows] = states[name]
    return widths, [round(factor, 6) for factor in factors], states


def _increasing(widths: list[float]) -> list[float]:
    """The widths, each a little above the one before: equal ones have no slope in between."""
    return [round(float(width), 9) + 1e-9 * place for place, width in enumerate(widths)]


def _apply(
    width: Array, state: Array, widths: list[float], factors: list[float], states: dict[str, float]
) -> Array:
    of_state = np.array([states.get(name, 1.0) for name in state])
    return np.asarray(width * np.interp(width, widths, factors) * of_state)


def _quantile(scaled: Array) -> float:
    """The conformal quantile of WITHIN; above zero, since an FSD is."""
    rank = min(int(np.ceil((len(scaled) + 1) * WITHIN)), len(scaled))
    return max(float(np.partition(scaled, rank - 1)[rank - 1]), 1e-6)


def _classes(estimate: Array, price: Array, fsd: Array) -> dict[str, dict[str, Any]]:
    """The figures of each class, on its rows."""
    of_row = np.searchsorted(LIMITS, fsd, side="left")
    return {
        name: _figures(estimate[rows], price[rows], fsd[rows], len(price))
        for name, rows in ((name, of_row == code) for code, name in enumerate(CLASSES))
    }


def _figures(estimate: Array, price: Array, fsd: Array, of: int) -> dict[str, Any]:
    rows = len(price)
    measured: dict[str, Any] = dict.fromkeys(
        ("within_fsd", "p15_low", "p15_high", "ppe10", "ppe20")
    )
    if rows >= FEWEST_ROWS:
        low, high = figures.p15(estimate, price)
        measured = {
            "within_fsd": float(np.mean(np.abs(estimate - price) / price <= fsd)),
            "p15_low": low,
            "p15_high": high,
            "ppe10": figures.ppe(estimate, price, 0.10),
            "ppe20": figures.ppe(estimate, price, 0.20),
        }
        measured = {name: round(value, 4) for name, value in measured.items()}
    return {"rows": rows, "share": round(rows / of, 4), **measured}
