"""The drift baseline: what the reference says about how far batches of one market may stray.

Rows of one batch are not independent draws: a property is offered again, a broker brings its whole
list, a month its own sales. So batches are drawn from the reference itself by property, by broker
and by month, and each measure is told how much farther it strays in them than in random rows. The
idea is that of the design effect in surveys (Kish, Survey Sampling, 1965).
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

Strays = Callable[[Array], Array]

_ROWS = 3_000  # of a drawn batch, but no more than a quarter of the reference
_DRAWS = 100  # of each kind
_MONTH_DRAWS = 12  # of each month
# Where a few brokers hold a whole market a batch of them can be anything: no more is allowed for.
_MOST_WIDE = 4.0
_GAIN_QUANTILE = 0.95
_SIZES = (100, 300, 1_000, 3_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """How one measure strays in batches that cluster, beyond what random rows do.

    ``widen``: as a factor of chance, by property or by broker, whichever is more; it falls with the
    size of a batch as chance does. ``between``: what a batch of one month's sales adds, however
    large it is, in the measure's own unit.
    """

    widen: float = 1.0
    between: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What ``learn`` found in a reference of ``rows`` rows; JSON beside it.

    ``clustering`` by "finding/column". ``usually_new`` by category column: the share of rows in
    categories that the reference met in one row or from one broker only, which is what a next batch
    holds of new ones (Good and Turing). ``brokers`` by size of batch: how much more than usual the
    ten brokers that gained most had in batches of whole brokers (95 in 100 had less).
    """

    rows: int
    drawn: int
    draws: int
    clustering: dict[str, Clustering] = field(default_factory=dict)
    usually_new: dict[str, float] = field(default_factory=dict)
    brokers: dict[int, float] = field(default_factory=dict)

    def of(self, finding: str, column: str) -> Clustering:
        """How the measure behind a finding clusters; no clustering where nothing was learnt."""
        return self.clustering.get(f"{finding}/{column}", Clustering())

    def brokers_gain(self, rows: int) -> float:
        """The share that the ten brokers which gain most may gain in a batch of these many rows."""
        if not self.brokers:
            return 0.0
        sizes = sorted(self.brokers)
        gains = [self.brokers[size] for size in sizes]
        return float(np.interp(np.log(rows), np.log(sizes), gains))

    def as_json(self) -> str:
        """The text that ``from_json`` reads."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Baseline:
        """Read a stored baseline; DriftError where it is none."""
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


def learn(reference: pd.DataFrame, *, seed: int = 0) -> Baseline:
    """Draw batches from a reference (``make_reference``'s) and learn how far they stray in it.

    The same reference and seed give the same baseline. About three seconds for 20,000 rows.
    """
    rng = np.random.default_rng(seed)
    rows = max(1, min(_ROWS, len(reference) // 4))
    everyone = np.arange(len(reference))
    properties = reference.groupby(["street", "city", "zip_code"], dropna=False).ngroup().to_numpy()
    brokers = resampling.clusters_of(reference[BROKER])
    chance = resampling.by_cluster(rng, everyone, rows, _DRAWS)
    clustered = [
        resampling.by_cluster(rng, clusters, rows, _DRAWS) for clusters in (properties, brokers)
    ]
    months = resampling.by_month(rng, reference, rows, _MONTH_DRAWS)

    learnt = {}
    for name, strays in _measures(reference).items():
        usual = _root(strays(chance))
        wider = [_root(strays(weights)) / usual for weights in clustered] if usual else [1.0]
        excess = [max(_root(strays(weights)) ** 2 - usual**2, 0.0) for weights in months]
        learnt[name] = Clustering(
            widen=float(np.clip(max(wider), 1.0, _MOST_WIDE)),
            between=float(np.sqrt(max(excess, default=0.0))),
        )
    return Baseline(
        rows=len(reference),
        drawn=rows,
        draws=_DRAWS,
        clustering=learnt,
        usually_new=_usually_new(reference, brokers),
        brokers=_brokers(rng, reference),
    )


def _measures(reference: pd.DataFrame) -> dict[str, Strays]:
    """What is measured on every draw, by "finding/column"."""
    import pandas as pd

    measured = measures_of(reference, reference[PREDICTED].to_numpy(dtype=np.float64))
    made: dict[str, Strays] = {}

    def add(name: str, stray: Callable[[Array, Array], Array], values: Array) -> None:
        made[name] = lambda weights: stray(values, weights)

    for column in (*AMOUNTS, RATIO, ANSWER):
        if measured[column].notna().any():
            add(
                f"distribution/{column}",
                resampling.distribution_strays,
                measured[column].to_numpy(),
            )
    for column in CATEGORIES:
        if measured[column].notna().any():
            codes = np.asarray(pd.factorize(measured[column])[0])
            add(f"mix/{column}", resampling.mix_strays, codes)
    for column in INPUTS:
        gone = reference[column].isna().to_numpy(dtype=np.float64)
        add(f"missing/{column}", resampling.mean_strays, gone)
    ratio = measured[RATIO].to_numpy()
    if np.isfinite(ratio).any():
        add("price_level/price", resampling.median_strays, ratio)
        add("error/", resampling.mean_strays, np.abs(ratio) / np.nanmean(np.abs(ratio)))
    whole = [c for c in (*AMOUNTS, "status", "state") if measured[c].notna().any()]
    errors = resampling.reconstruction_errors(measured, whole)
    if errors.std() > 0:
        add("structure/", resampling.mean_strays, errors / errors.std())
    return made


def _usually_new(reference: pd.DataFrame, brokers: Array) -> dict[str, float]:
    import pandas as pd

    measured = measures_of(reference, reference[PREDICTED].to_numpy(dtype=np.float64))
    usual = {}
    for column in CATEGORIES:
        known = measured[column].notna().to_numpy()
        if not known.any():
            continue
        met = pd.Series(brokers[known]).groupby(measured.loc[known, column].to_numpy(dtype=object))
        usual[column] = float(met.size()[met.nunique() == 1].sum() / known.sum())
    return usual


def _brokers(rng: np.random.Generator, reference: pd.DataFrame) -> dict[int, float]:
    known = resampling.clusters_of(reference[BROKER].dropna())
    if not len(known):
        return {}
    there = np.bincount(known) / len(known)
    gains = {}
    # One in four brokers at the most: how large a market the reference stands for, and so how many
    # of its brokers a larger batch would hold, nobody knows.
    largest = max(1, len(known) // 4)
    for size in (*(size for size in _SIZES if size < largest), largest):
        # No broker comes twice: it brings what it has.
        weights = resampling.by_cluster(rng, known, size, _DRAWS, again=False)
        first = np.unique(known, return_index=True)[1]
        counts = weights[:, first] * np.bincount(known)
        gain = counts / counts.sum(axis=1, keepdims=True) - there
        most = -np.sort(-gain, axis=1)[:, :MOVED_BROKERS]
        gains[size] = float(np.quantile(np.maximum(most, 0).sum(axis=1), _GAIN_QUANTILE))
    return gains


def _root(strays: Array) -> float:
    return float(np.sqrt(np.mean(np.square(strays, dtype=np.float64))))
