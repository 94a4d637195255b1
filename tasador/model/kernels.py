"""Gaussian kernels: the weight of a comparable, by its squared distance from the listing.

numpy alone: serving imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tasador.arrays import Array


class GaussianKernels:
    """Kernels of several ``widths``; exp(-d2 / (2 width**2)) is the weight at squared distance d2.

    An exponential costs as much as ten products. Where the ratio of the widest to a narrower width
    has a whole square p, the narrow weight is the wide one to the power p, by repeated squaring.
    Otherwise it is an exponential of its own.
    """

    def __init__(self, widths: Sequence[float]) -> None:
        self.widths = tuple(widths)
        if len(set(self.widths)) < len(self.widths) or min(self.widths, default=0) <= 0:
            raise ValueError(f"kernel widths are distinct and above 0, not {self.widths}")
        self._widest = self.widths.index(max(self.widths))
        self._scales = [np.float32(-0.5 / width**2) for width in self.widths]
        # Binary digits of each power after the leading one; None where there is no whole power.
        self._squarings = [self._squarings_of(width) for width in self.widths]

    def _squarings_of(self, width: float) -> list[bool] | None:
        power = (self.widths[self._widest] / width) ** 2
        if not math.isclose(power, round(power), rel_tol=1e-9) or power > 64:
            return None
        return [digit == "1" for digit in f"{round(power):b}"[1:]]

    def weights(self, squared: Array, out: Array) -> Array:
        """Write the float32 weights [len(widths), ...] of squared distances [...] into ``out``."""
        wide = out[self._widest]
        np.multiply(squared, self._scales[self._widest], out=wide)
        np.exp(wide, out=wide)
        for narrow, scale, squarings in zip(out, self._scales, self._squarings, strict=True):
            if squarings is None:
                np.multiply(squared, scale, out=narrow)
                np.exp(narrow, out=narrow)
            elif squarings:
                power = wide
                for times_wide in squarings:
                    power = np.square(power, out=narrow)
                    if times_wide:
                        power *= wide
        return out
