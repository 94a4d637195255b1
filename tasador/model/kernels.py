"""Gaussian kernels: the weight of a comparable, by its squared distance from the listing.

numpy alone: serving imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tasador.arrays import Array

# Rounding errors grow with the power; beyond this, exp is more precise.
_LARGEST_POWER = 64


class GaussianKernels:
    """Kernels of several ``widths``; exp(-d2 / (2 width**2)) is the weight at squared distance d2.

    An exponential costs as much as ten products. Where the ratio of the widest to a narrower width
    has a whole square p, the narrow weight is the wide one to the power p, by repeated squaring.
    Otherwise it is a separate exponential.
    """

    def __init__(self, widths: Sequence[float]) -> None:
        self.widths = tuple(widths)
        if len(set(self.widths)) < len(self.widths) or min(self.widths, default=0) <= 0:
            raise ValueError(f"kernel widths are distinct and above 0, not {self.widths}")
        widest = max(self.widths)
        self._widest = self.widths.index(widest)
        self._scale = _scale(widest)
        self._narrower = [
            (place, _scale(width), _squarings((widest / width) ** 2))
            for place, width in enumerate(self.widths)
            if width != widest
        ]

    def weights(self, squared: Array, out: Array) -> Array:
        """Write the float32 weights [len(widths), ...] of squared distances [...] into ``out``."""
        wide = out[self._widest]
        np.multiply(squared, self._scale, out=wide)
        np.exp(wide, out=wide)
        for place, scale, squarings in self._narrower:
            narrow = out[place]
            if squarings is None:
                np.multiply(squared, scale, out=narrow)
                np.exp(narrow, out=narrow)
                continue
            power = wide
            for times_wide in squarings:
                power = np.square(power, out=narrow)
                if times_wide:
                    power *= wide
        return out


def _scale(width: float) -> np.float32:
    return np.float32(-0.5 / width**2)


def _squarings(power: float) -> list[bool] | None:
    """How to raise a number to ``power`` by squaring it: for each square, whether to multiply by
    the number too. None if ``power`` is not a small whole number."""
    if not math.isclose(power, round(power), rel_tol=1e-9) or power > _LARGEST_POWER:
        return None
    return [digit == "1" for digit in f"{round(power):b}"[1:]]
