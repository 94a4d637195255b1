"""How much is much: effect sizes that matter, and what chance alone may add in a small sample.

Significance is no measure here: on large batches every test is significant. A limit is the effect
that matters or, where that is more, what two random samples of one population of these sizes stay
under in about 9,997 of 10,000 cases (one batch is asked some 25 questions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# One-sided normal and two-sample Kolmogorov quantiles of 0.9997.
_Z = 3.45
_KOLMOGOROV = 2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The effect sizes from which a difference counts as drift.

    ``distance``: Kolmogorov-Smirnov or Jensen-Shannon, 0..1. ``unseen``: share of listings with a
    category that the reference lacks. ``missing``: change of a missing rate, ``outside``: more
    prices outside the market, both as shares. ``reconstruction``: shift of the PCA reconstruction
    error in its standard deviations. ``price_level``: shift of the median log(price/prediction).
    ``error_rise``: relative rise of the champion's mean absolute log error, estimated or realised.

    A batch of fewer than ``fewest_rows`` is not judged; of one larger than ``most_rows`` a random
    sample is.
    """

    distance: float = 0.10
    unseen: float = 0.05
    missing: float = 0.10
    outside: float = 0.10
    reconstruction: float = 0.25
    price_level: float = 0.05
    error_rise: float = 0.20
    fewest_rows: int = 100
    most_rows: int = 50_000

    def kolmogorov_smirnov(self, batch: int, reference: int) -> float:
        """The limit for two samples of these many values."""
        return max(self.distance, _KOLMOGOROV * math.sqrt(_inverse(batch, reference)))

    def jensen_shannon(self, batch: int, reference: int, categories: int) -> float:
        """The limit for two samples over this many categories.

        Under chance alone the squared distance times 8 ln 2 over (1/n + 1/m) follows about a
        chi-squared distribution with one degree of freedom less than there are categories; where
        categories are met once or never it is up to 2 ln 2 times that, which is allowed for.
        """
        free = max(categories - 1, 1)
        # Wilson and Hilferty's quantile of chi-squared.
        quantile = free * (1 - 2 / (9 * free) + _Z * math.sqrt(2 / (9 * free))) ** 3
        chance = quantile * _inverse(batch, reference) / 4
        return min(math.sqrt(self.distance**2 + chance), 1.0)

    def share(self, effect: float, usual: float, batch: int, reference: int) -> float:
        """The limit for a change of a share that is usually ``usual``."""
        usual = min(max(usual, effect / 2), 1 - effect / 2)
        return max(effect, _Z * math.sqrt(usual * (1 - usual) * _inverse(batch, reference)))

    def new_share(self, usual: float, batch: int, reference: int) -> float:
        """The limit for a share of new categories where ``usual`` is expected by chance."""
        return usual + self.share(self.unseen, usual, batch, reference)

    def shift(self, effect: float, spread: float, batch: int, reference: int) -> float:
        """The limit for a shift of a mean or median whose values have this standard deviation."""
        return max(effect, _Z * spread * math.sqrt(_inverse(batch, reference)))


def _inverse(batch: int, reference: int) -> float:
    return 1 / batch + 1 / reference
