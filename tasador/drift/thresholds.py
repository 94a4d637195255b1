"""How much is much: effect sizes that matter, and what chance alone may add in a small sample.

Significance is no measure here: on large batches every test is significant. A limit is the effect
that matters or, where that is more, what two samples of one market of these sizes stay under in
about 9,997 of 10,000 cases (one batch is asked some 25 questions): random rows by theory, and as
much wider as the champion's reference shows that batches of whole brokers and of single months are
(``baseline.learn``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tasador.drift.baseline import Clustering

_NO_CLUSTERING = Clustering()

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
    ``brokers``: share of the listings that the ten brokers which gained most gained.
    ``error_rise``: relative rise of the champion's mean absolute log error, estimated or realised.

    A batch of fewer than ``fewest_rows`` is not judged; of one larger than ``most_rows`` a random
    sample is.
    """

    distance: float = 0.10
    unseen: float = 0.05
    missing: float = 0.08
    outside: float = 0.10
    reconstruction: float = 0.25
    price_level: float = 0.05
    error_rise: float = 0.20
    brokers: float = 0.30
    fewest_rows: int = 100
    most_rows: int = 50_000

    def kolmogorov_smirnov(
        self, batch: int, reference: int, clustering: Clustering = _NO_CLUSTERING
    ) -> float:
        """The limit for two samples of these many values."""
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

        Under chance alone the squared distance times 8 ln 2 over (1/n + 1/m) follows about a
        chi-squared distribution with one degree of freedom less than there are categories; where
        categories are met once or never it is up to 2 ln 2 times that, which is allowed for.
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
        """The limit for a change of a share that is usually ``usual``."""
        usual = min(max(usual, effect / 2), 1 - effect / 2)
        spread = math.sqrt(usual * (1 - usual))
        return self.shift(effect, spread, batch, reference, clustering)

    def new_share(self, usual: float, batch: int, reference: int) -> float:
        """The limit for a share of new categories where ``usual`` is expected by chance."""
        return usual + self.share(self.unseen, usual, batch, reference)

    def shift(
        self,
        effect: float,
        spread: float,
        batch: int,
        reference: int,
        clustering: Clustering = _NO_CLUSTERING,
    ) -> float:
        """The limit for a shift of a mean or median whose values have this standard deviation."""
        chance = _Z * spread * clustering.widen * math.sqrt(_inverse(batch, reference))
        return max(effect, math.hypot(chance, clustering.between))


def _inverse(batch: int, reference: int) -> float:
    return 1 / batch + 1 / reference
