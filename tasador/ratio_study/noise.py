"""What noise alone would give: the same estimates without vertical inequity, with the same errors.

Random errors make PRD, PRB and MKI look regressive, because a high price is often one that the
noise raised (McMillen and Singh 2023). So each figure is compared with that of simulated prices,
price = estimate x exp(e). The errors e are drawn from the model's own: from the rows with the
nearest estimates, since cheap homes often have larger errors, and shifted so that each of these
bands has the median error of all rows. Such prices have the model's spread and no trend.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.ratio_study import figures

SIMULATED = ("prd", "prb", "mki", "vei")
_BAND_ROWS = 50
_MOST_BANDS = 10


class Noise(NamedTuple):
    """A figure over the simulations: mean, standard deviation, least and most."""

    mean: float
    spread: float
    least: float = float("inf")
    most: float = float("-inf")


def simulate(
    estimate: Array, price: Array, key: Array, draws: int, draw: np.random.Generator
) -> dict[str, Noise]:
    """What noise gives for each figure of SIMULATED, from ``draws`` simulations.

    The rows of one property, by their keys [n], get one error: they are one home.
    """
    error = np.log(price) - np.log(estimate)
    bands = _bands(estimate)
    pools = [error[rows] - np.median(error[rows]) + np.median(error) for rows in bands]
    owners = [np.unique(key[rows].astype(str), return_inverse=True)[1] for rows in bands]
    results: dict[str, list[float]] = {name: [] for name in SIMULATED}
    for _ in range(draws):
        drawn = np.empty(len(error))
        for rows, pool, owner in zip(bands, pools, owners, strict=True):
            drawn[rows] = pool[draw.integers(0, len(pool), int(owner.max()) + 1)][owner]
        prices = estimate * np.exp(drawn)
        results["prd"].append(figures.prd(estimate, prices))
        results["prb"].append(figures.prb(estimate, prices).value)
        results["mki"].append(figures.mki(estimate, prices))
        results["vei"].append(figures.vei(estimate, prices).value)
    return {name: _noise(np.array(values)) for name, values in results.items()}


def _noise(values: Array) -> Noise:
    return Noise(*(float(of(values)) for of in (np.mean, np.std, np.min, np.max)))


def _bands(estimate: Array) -> list[Array]:
    """The rows of each band of the estimates, lowest first."""
    count = int(np.clip(len(estimate) // _BAND_ROWS, 1, _MOST_BANDS))
    return np.array_split(np.argsort(estimate, kind="stable"), count)
