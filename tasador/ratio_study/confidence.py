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
from tasador.ratio_study.factors import fit_factors
from tasador.ratio_study.figures import FEWEST_ROWS

# Of a state; see ``fit_factors``.
_PRIOR_ROWS = 150
_ROWS_TO_SHOW = 300
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
    factors = fit_factors(width, error, state, WITHIN, prior_rows=_PRIOR_ROWS)
    fsd = _fsd_of_others(width, error, state, key)
    return {
        "level": LEVEL,
        "rows": len(price),
        "widths": factors.points,
        "factors": factors.factors,
        "states": dict(factors.states),
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
        found = fit_factors(
            width[others], error[others], state[others], WITHIN, prior_rows=_PRIOR_ROWS
        )
        fsd[inside] = width[inside] * found.of_table(width[inside], {"state": state[inside]})
    return fsd


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
