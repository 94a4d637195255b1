"""The limits of drift: effect sizes that matter, and the allowance for chance in small samples.

Significance tests do not help: on large batches every difference is significant. A limit is the
larger of two numbers: the effect that matters, and the value that two samples of one market stay
below in about 9,997 of 10,000 cases (a batch gets some 25 checks). The second is known from theory
for random rows. It is widened by how much farther batches of whole brokers and of single months
deviate in the champion's reference (``baseline.learn_baseline``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tasador.drift.baseline import Clustering

_NO_CLUSTERING = Clustering()

# One-sided normal and two-sample Kolmogorov quantiles of 0.9997.
_Z = 3.45
_KOLMOGOROV = 2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The effect sizes from which a difference counts as drift.

    ``distance``: Kolmogorov-Smirnov or Jensen-Shannon, 0..1. ``unseen``: share of listings with a
    category that the reference lacks. ``missing``: change of a missing rate. ``outside``: rise of
    the share of prices outside the market range. ``reconstruction``: shift of the PCA
    reconstruction error, in its standard deviations. ``price_level``: shift of the median
    log(price/prediction). ``brokers``: share of the listings gained by the ten brokers that gained
    most. ``error_rise``: relative rise of the champion's mean absolute log error, estimated or
    realised. ``refused``: rise of the share of rows in quarantine, and ``broken``: share of the
    listings without a field that they usually have, with it in another unit or with a value that no
    market has; both mean that the feed broke.

    A batch of fewer than ``fewest_rows`` rows is not judged; of more than ``most_rows`` rows, a
    random sample is judged.
    """

    distance: float = 0.10
    unseen: float = 0.05
    missing: float = 0.08
    outside: float = 0.10
    reconstruction: float = 0.25
    price_level: float = 0.05
    error_rise: float = 0.20
    brokers: float = 0.30
    refused: float = 0.10
    broken: float = 0.50
    fewest_rows: int = 100
    most_rows: int = 50_000

    def kolmogorov_smirnov(
        self, batch: int, reference: int, clustering: Clustering = _NO_CLUSTERING
    ) -> float:
        """The limit for two samples of these sizes."""
        chance = _KOLMOGOROV * clustering.widen * math.sqrt(_inverse(batch, reference))
        return min(max(self.distance, math.hypot(chance, clustering.between)), 1.0)

    def jensen_shannon(
        self,
        batch: int,
        reference: int,
        categories: int,
        clustering: Clustering = _NO_CLUSTERING,
    ) -> float:
        """The limit for two samples over this many categories.

        By chance alone, the squared distance times 8 ln 2 / (1/n + 1/m) is roughly chi-squared
        with one degree of freedom fewer than there are categories. With categories that occur once
        or never it is up to 2 ln 2 times that, which is allowed for.
        """
        free = max(categories - 1, 1)
        # Wilson and Hilferty's quantile of chi-squared.
        quantile = free * (1 - 2 / (9 * free) + _Z * math.sqrt(2 / (9 * free))) ** 3
        chance = quantile * clustering.widen**2 * _inverse(batch, reference) / 4
        return min(math.sqrt(self.distance**2 + chance + clustering.between**2), 1.0)

    def share(
        self,
        effect: float,
        usual: float,
        batch: int,
        reference: int,
        clustering: Clustering = _NO_CLUSTERING,
    ) -> float:
        """The limit for a change of a share whose usual value is ``usual``."""
        usual = min(max(usual, effect / 2), 1 - effect / 2)
        spread = math.sqrt(usual * (1 - usual))
        return self.shift(effect, spread, batch, reference, clustering)

    def new_share(self, usual: float, batch: int, reference: int) -> float:
        """The limit for the share of new categories if ``usual`` is expected by chance."""
        return usual + self.share(self.unseen, usual, batch, reference)

    def shift(
        self,
        effect: float,
        spread: float,
        batch: int,
        reference: int,
        clustering: Clustering = _NO_CLUSTERING,
    ) -> float:
        """The limit for a shift of a mean or median; ``spread`` is a standard deviation."""
        chance = _Z * spread * clustering.widen * math.sqrt(_inverse(batch, reference))
        return max(effect, math.hypot(chance, clustering.between))

    def error_rise_limit(self, ratios: np.ndarray, batch: int, clustering: Clustering) -> float:
        """The limit for the relative rise of a mean absolute log error.

        ``ratios`` [n] are log(price / prediction) in the reference, ``batch`` the rows compared.
        """
        errors = np.abs(ratios)
        spread = float(errors.std() / errors.mean())
        return self.shift(self.error_rise, spread, batch, len(errors), clustering)

    def price_level_limit(self, ratios: np.ndarray, batch: int, clustering: Clustering) -> float:
        """The limit for the shift of the median of ``ratios``, as in ``error_rise_limit``."""
        low, high = np.quantile(ratios, [0.25, 0.75])
        # The standard deviation of a normal distribution with these quartiles, then its median's.
        spread = float(high - low) / 1.349 * 1.2533
        return self.shift(self.price_level, spread, batch, len(ratios), clustering)


def _inverse(batch: int, reference: int) -> float:
    return 1 / batch + 1 / reference
