"""The drift baseline: how far batches of one market deviate, as learned from the reference.

The rows of a batch are not independent: a property is offered again, a broker delivers its whole
list, a month its own sales. So batches are resampled from the reference by property, by broker and
by month. Each measure is then allowed as much more deviation as it shows in them, compared with
random rows. This is the design effect of survey sampling (Kish, Survey Sampling, 1965).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.drift import resampling
from tasador.drift.measures import (
    AMOUNTS,
    ANSWER,
    BROKER,
    CATEGORIES,
    MOVED_BROKERS,
    PREDICTED,
    RATIO,
    DriftError,
    measures_of,
)
from tasador.listings.listing import INPUTS

if TYPE_CHECKING:
    import pandas as pd

Deviations = Callable[[Array], Array]

_ROWS = 3_000  # of a resampled batch, at most a quarter of the reference
_DRAWS = 100  # of each kind
_MONTH_DRAWS = 12  # of each month
# If a few brokers hold a whole market, a batch of them can look like anything: cap the widening.
_MOST_WIDE = 4.0
_GAIN_QUANTILE = 0.95
_SIZES = (100, 300, 1_000, 3_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """How much farther one measure deviates in clustered batches than in random rows.

    ``widen`` is a factor on chance, by property or by broker, whichever is larger; the product
    shrinks with the size of a batch as chance does. ``between`` is what the sales of one month add
    in a batch of any size, in the unit of the measure.
    """

    widen: float = 1.0
    between: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What ``learn_baseline`` learned from a reference of ``rows`` rows; stored as JSON next to it.

    ``clustering`` is keyed by "finding/column". ``usually_new`` maps a category column to the share
    of rows whose category occurs in one row or at one broker only: the expected share of new
    categories in the next batch (Good and Turing). ``brokers`` maps a batch size to the share
    gained by the ten brokers that gained most in batches of whole brokers (95th percentile).
    """

    rows: int
    drawn: int
    draws: int
    clustering: dict[str, Clustering] = field(default_factory=dict)
    usually_new: dict[str, float] = field(default_factory=dict)
    brokers: dict[int, float] = field(default_factory=dict)

    def of(self, finding: str, column: str) -> Clustering:
        """The clustering of the measure behind a finding; none if nothing was learned."""
        return self.clustering.get(f"{finding}/{column}", Clustering())

    def brokers_gain(self, rows: int) -> float:
        """The share that the ten brokers that gain most may gain in a batch of ``rows`` rows."""
        if not self.brokers:
            return 0.0
        sizes = sorted(self.brokers)
        gains = [self.brokers[size] for size in sizes]
        return float(np.interp(np.log(rows), np.log(sizes), gains))

    def as_json(self) -> str:
        """The baseline as JSON, for ``from_json``."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Baseline:
        """Read a stored baseline; raises DriftError if it is not one."""
        try:
            read = json.loads(text)
            return cls(
                rows=int(read["rows"]),
                drawn=int(read["drawn"]),
                draws=int(read["draws"]),
                clustering={k: Clustering(**v) for k, v in read["clustering"].items()},
                usually_new={k: float(v) for k, v in read["usually_new"].items()},
                brokers={int(k): float(v) for k, v in read["brokers"].items()},
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DriftError(f"the drift baseline cannot be read: {error!r}") from error


def learn_baseline(reference: pd.DataFrame, *, seed: int = 0) -> Baseline:
    """Resample batches from a reference and learn how far they deviate from it.

    The same reference and seed give the same baseline. Takes about three seconds for 20,000 rows.
    """
    rng = np.random.default_rng(seed)
    rows = max(1, min(_ROWS, len(reference) // 4))
    every_row = np.arange(len(reference))
    properties = reference.groupby(["street", "city", "zip_code"], dropna=False).ngroup().to_numpy()
    brokers = resampling.clusters_of(reference[BROKER])
    chance = resampling.by_cluster(rng, every_row, rows, _DRAWS)
    clustered = [
        resampling.by_cluster(rng, clusters, rows, _DRAWS) for clusters in (properties, brokers)
    ]
    months = resampling.by_month(rng, reference, rows, _MONTH_DRAWS)

    clustering = {}
    for name, deviations in _measures(reference).items():
        usual = _rms(deviations(chance))
        wider = [_rms(deviations(weights)) / usual for weights in clustered] if usual else [1.0]
        excess = [max(_rms(deviations(weights)) ** 2 - usual**2, 0.0) for weights in months]
        clustering[name] = Clustering(
            widen=float(np.clip(max(wider), 1.0, _MOST_WIDE)),
            between=float(np.sqrt(max(excess, default=0.0))),
        )
    return Baseline(
        rows=len(reference),
        drawn=rows,
        draws=_DRAWS,
        clustering=clustering,
        usually_new=_usually_new(reference, brokers),
        brokers=_brokers(rng, reference),
    )


def _measures(reference: pd.DataFrame) -> dict[str, Deviations]:
    """The functions that measure every resample, by "finding/column"."""
    import pandas as pd

    measured = measures_of(reference, reference[PREDICTED].to_numpy(dtype=np.float64))
    functions: dict[str, Deviations] = {}

    def add(name: str, deviations: Callable[[Array, Array], Array], values: Array) -> None:
        functions[name] = lambda weights: deviations(values, weights)

    for column in (*AMOUNTS, RATIO, ANSWER):
        if measured[column].notna().any():
            add(
                f"distribution/{column}",
                resampling.distribution_deviations,
                measured[column].to_numpy(),
            )
    for column in CATEGORIES:
        if measured[column].notna().any():
            codes = np.asarray(pd.factorize(measured[column])[0])
            add(f"mix/{column}", resampling.mix_deviations, codes)
    for column in INPUTS:
        absent = reference[column].isna().to_numpy(dtype=np.float64)
        add(f"missing/{column}", resampling.mean_deviations, absent)
    ratio = measured[RATIO].to_numpy()
    if np.isfinite(ratio).any():
        add("price_level/price", resampling.median_deviations, ratio)
        add("error/", resampling.mean_deviations, np.abs(ratio) / np.nanmean(np.abs(ratio)))
    whole = [c for c in (*AMOUNTS, "status", "state") if measured[c].notna().any()]
    errors = resampling.reconstruction_errors(measured, whole)
    if errors.std() > 0:
        add("structure/", resampling.mean_deviations, errors / errors.std())
    return functions


def _usually_new(reference: pd.DataFrame, brokers: Array) -> dict[str, float]:
    import pandas as pd

    measured = measures_of(reference, reference[PREDICTED].to_numpy(dtype=np.float64))
    usual = {}
    for column in CATEGORIES:
        known = measured[column].notna().to_numpy()
        if not known.any():
            continue
        by_category = pd.Series(brokers[known]).groupby(
            measured.loc[known, column].to_numpy(dtype=object)
        )
        usual[column] = float(by_category.size()[by_category.nunique() == 1].sum() / known.sum())
    return usual


def _brokers(rng: np.random.Generator, reference: pd.DataFrame) -> dict[int, float]:
    known = resampling.clusters_of(reference[BROKER].dropna())
    if not len(known):
        return {}
    usual = np.bincount(known) / len(known)
    gains = {}
    # At most one broker in four: the size of the market behind the reference is unknown, and so is
    # the number of its brokers in a larger batch.
    largest = max(1, len(known) // 4)
    for size in (*(size for size in _SIZES if size < largest), largest):
        # No broker is drawn twice: it delivers its whole list once.
        weights = resampling.by_cluster(rng, known, size, _DRAWS, again=False)
        first = np.unique(known, return_index=True)[1]
        counts = weights[:, first] * np.bincount(known)
        gain = counts / counts.sum(axis=1, keepdims=True) - usual
        most = -np.sort(-gain, axis=1)[:, :MOVED_BROKERS]
        gains[size] = float(np.quantile(np.maximum(most, 0).sum(axis=1), _GAIN_QUANTILE))
    return gains


def _rms(deviations: Array) -> float:
    return float(np.sqrt(np.mean(np.square(deviations, dtype=np.float64))))
