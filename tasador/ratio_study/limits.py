"""What the standards allow, and whether noise explains a figure outside of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from tasador.errors import ConfigurationError
from tasador.ratio_study.noise import Noise

Range = tuple[float, float]
Verdict = Literal["within", "noise", "outside"]

# What a model without vertical inequity and without noise would have.
IDEAL = {"median": 1.0, "cod": 0.0, "prd": 1.0, "prb": 0.0, "mki": 1.0, "vei": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The lowest and highest acceptable value of each figure.

    The IAAO's Standard on Ratio Studies (2013), tables 1-3 and 2-3: ``cod`` is for single-family
    homes, ``cod_land`` for rural property and land, and below 5 % price chasing is likely. The
    VEI's are those of the exposure draft of 2025, the MKI's those of Quintos (2021).
    """

    median: Range = (0.90, 1.10)
    cod: Range = (5.0, 15.0)
    cod_land: Range = (5.0, 25.0)
    prd: Range = (0.98, 1.03)
    prb: Range = (-0.05, 0.05)
    mki: Range = (0.95, 1.05)
    vei: Range = (-10.0, 10.0)

    def of(self, figure: str, *, land: bool = False) -> Range | None:
        """The limits of a figure; None if the standards set none."""
        if figure == "cod" and land:
            return self.cod_land
        found: Range | None = getattr(self, figure) if figure in IDEAL else None
        return found


def read_limits(text: str, variable: str = "TASADOR_RATIO_LIMITS") -> Limits:
    """The standards' limits with those that ``text`` replaces: FIGURE:LOW:HIGH,...

    Raises ConfigurationError, which names the ``variable``.
    """
    names = [field.name for field in fields(Limits)]
    limits: dict[str, Range] = {}
    for entry in filter(None, (each.strip() for each in text.split(","))):
        name, *ends = entry.split(":")
        try:
            low, high = (float(end) for end in ends)
        except ValueError:
            low = high = math.nan
        if name not in names or name in limits or not -math.inf < low < high < math.inf:
            raise ConfigurationError(
                f"{variable} has {entry[:60]!r}; each entry must be FIGURE:LOW:HIGH with a figure "
                f"of {', '.join(names)}, once, and two numbers, such as cod:5:20"
            )
        limits[name] = (low, high)
    return Limits(**limits)


def beyond(value: float, limits: Range) -> float:
    """How far a value lies outside the limits, with its sign; 0 inside, NaN for NaN."""
    low, high = limits
    return value - high if value > high else value - low if value < low else value - value


def unexplained(figure: str, value: float, limits: Range, noise: Noise | None) -> float:
    """How far a value lies outside the limits, with its sign, once what noise gives is deducted.

    0 for a value between the limits and what noise gives: it is closer to the limits than a sound
    model with this noise would be. NaN for NaN.
    """
    deducted = value if noise is None else value - noise.mean + IDEAL[figure]
    before, after = beyond(value, limits), beyond(deducted, limits)
    return 0.0 if before * after <= 0 else after


def assess(
    figure: str,
    value: float,
    limits: Range,
    *,
    ends: tuple[float, float] | None = None,
    noise: Noise | None = None,
    steps: float = 2.0,
) -> Verdict:
    """Whether a figure is within its limits, outside as noise explains, or outside.

    Noise explains a figure with simulated ``noise`` if nothing is ``unexplained``, or if it is
    within ``steps`` standard deviations of the noise's mean, or within the range of its
    simulations. It explains another figure if its interval ``ends`` reaches the limits. NaN is
    outside.
    """
    if beyond(value, limits) == 0:
        return "within"
    if noise is not None:
        if unexplained(figure, value, limits, noise) == 0:
            return "noise"
        near = abs(value - noise.mean) <= steps * noise.spread
        return "noise" if near or noise.least <= value <= noise.most else "outside"
    if ends is not None and ends[0] <= limits[1] and ends[1] >= limits[0]:
        return "noise"
    return "outside"
