"""A ratio study: the figures of all rows and of each group, with intervals, noise and verdicts."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.ratio_study import figures
from tasador.ratio_study.groups import DECILE, LAND, groups_of
from tasador.ratio_study.limits import Limits, Range, Verdict, assess
from tasador.ratio_study.noise import SIMULATED, Noise, simulate
from tasador.ratio_study.resampling import draw_weights, resample, shares, weighted_quantile

ALL = "all rows"
LEVELS = {"ppe_5": 0.05, "ppe_10": 0.10, "ppe_20": 0.20}
NAMES = ("median", "cod", "prd", "prb", "mki", "vei", *LEVELS, "p15_low", "p15_high", "fsd")
# Large groups need fewer resamples and simulations, which bounds the time: rows x repetitions.
_RESAMPLED_ROWS, _FEWEST_RESAMPLES = 4_000_000, 100
_SIMULATED_ROWS, _FEWEST_DRAWS = 600_000, 20
_TAIL = 0.025
_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure, its 95 % interval, what noise gives, its limits, and the verdict.

    ``noise`` is the mean over simulated prices and ``noise_spread`` their standard deviation, both
    None for figures that noise does not bias. ``limits`` and ``verdict`` are None where the
    standards set no limit.
    """

    value: float
    low: float
    high: float
    noise: float | None = None
    noise_spread: float | None = None
    limits: Range | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group: its rows, how many were left out as outliers, its figures by name.

    ``figures`` is empty if there are fewer than FEWEST_ROWS rows; a tenth of the estimates has no
    PRD, PRB, MKI and VEI, which compare low values with high ones. ``ratios`` are the 10, 25, 50,
    75 and 90 % quantiles of the ratio, ``estimate`` is the median estimate in dollars, and
    ``chasing`` says why price chasing is suspected; empty if it is not.
    """

    kind: str
    name: str
    rows: int
    outliers: int = 0
    figures: dict[str, Figure] = field(default_factory=dict)
    ratios: tuple[float, ...] = ()
    estimate: float = float("nan")
    chasing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The figures of all rows (``overall``) and of the groups, and what they were computed with.

    ``histogram`` counts the ratios in steps of .04 around 0, .04, ... 2; the last count is of all
    above 2.02.
    """

    overall: Group
    groups: list[Group]
    histogram: list[int]
    resamples: int
    draws: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """The study in JSON types: rounded, NaN as None."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def summary(self) -> dict[str, Any]:
        """Overall and each small kind of group, without states and tenths; in JSON types."""
        kinds = {group.kind for group in self.groups}
        small = [k for k in kinds if sum(g.kind == k for g in self.groups) <= 5]
        parts = [self.overall, *(group for group in self.groups if group.kind in small)]
        return {"groups": [_plain(asdict(part)) for part in parts]}


def study(
    estimate: Array,
    price: Array,
    key: Array,
    parts: Mapping[str, Array],
    *,
    limits: Limits | None = None,
    resamples: int = 400,
    draws: int = 60,
    seed: int = 0,
) -> Study:
    """Study estimates against prices, dollars [n]; ``key`` are the property keys [n].

    ``parts`` gives each row's group by kind (``groups.parts_of``). The order of the rows does not
    change the figures. Groups of many rows get fewer resamples and draws.

    Raises ValueError if there are no rows, or if a value is not above zero.
    """
    if len(estimate) == 0:
        raise ValueError("a ratio study needs at least one row")
    for name, values in (("estimate", estimate), ("price", price)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"every {name} of a ratio study must be a number above zero")
    limits = limits or Limits()

    def measure(kind: str, name: str, rows: Array) -> Group:
        draw = np.random.default_rng([seed, zlib.crc32(f"{kind}/{name}".encode())])
        part = (estimate[rows], price[rows], key[rows])
        return _group(kind, name, *part, limits, resamples, draws, draw)

    ratio = estimate / price
    edges = np.linspace(-0.02, 2.06, 53)
    histogram = np.histogram(np.minimum(ratio, 2.04), bins=edges)[0]
    return Study(
        overall=measure(ALL, ALL, np.arange(len(price))),
        groups=[measure(*group) for group in groups_of(estimate, parts)],
        histogram=histogram.tolist(),
        resamples=resamples,
        draws=draws,
        seed=seed,
    )


def point_figures(estimate: Array, price: Array) -> dict[str, float]:
    """The figures of NAMES without intervals; empty if there are too few rows."""
    if len(price) < figures.FEWEST_ROWS:
        return {}
    kept = ~figures.outliers(estimate / price)
    e, p = estimate[kept], price[kept]
    low, high = figures.p15(estimate, price)
    return {
        "median": figures.median_ratio(e / p),
        "cod": figures.cod(e / p),
        "prd": figures.prd(e, p),
        "prb": figures.prb(e, p).value,
        "mki": figures.mki(e, p),
        "vei": figures.vei(e, p).value,
        **{name: figures.ppe(estimate, price, within) for name, within in LEVELS.items()},
        "p15_low": low,
        "p15_high": high,
        "fsd": figures.fsd(estimate, price),
    }


def metrics_of(estimate: Array, price: Array) -> dict[str, float]:
    """The figures that are defined, by the names of a version's metrics."""
    figures_by_name = point_figures(estimate, price)
    return {
        "median_ratio" if name == "median" else name: value
        for name, value in figures_by_name.items()
        if np.isfinite(value)
    }


def _group(
    kind: str,
    name: str,
    estimate: Array,
    price: Array,
    key: Array,
    limits: Limits,
    resamples: int,
    draws: int,
    draw: np.random.Generator,
) -> Group:
    rows = len(price)
    if rows < figures.FEWEST_ROWS:
        return Group(kind=kind, name=name, rows=rows)
    ratio = estimate / price
    kept = ~figures.outliers(ratio)
    resamples = min(resamples, max(_RESAMPLED_ROWS // rows, _FEWEST_RESAMPLES))
    draws = min(draws, max(_SIMULATED_ROWS // rows, _FEWEST_DRAWS))
    weights = draw_weights(key, resamples, draw)
    values = point_figures(estimate, price)
    ends = _ends(estimate, price, kept, weights)
    noise = {} if kind == DECILE else simulate(estimate[kept], price[kept], key[kept], draws, draw)
    land = name == LAND
    apart = figures.vei(estimate[kept], price[kept]).apart
    measured = {
        figure: _figure(figure, value, ends[figure], noise.get(figure), limits, land, apart)
        for figure, value in values.items()
        if kind != DECILE or figure not in SIMULATED
    }
    chased = figures.chasing(ratio[kept])
    return Group(
        kind=kind,
        name=name,
        rows=rows,
        outliers=int(rows - kept.sum()),
        figures=measured,
        ratios=tuple(np.quantile(ratio, [0.10, 0.25, 0.50, 0.75, 0.90]).tolist()),
        estimate=float(np.median(estimate)),
        chasing=_chasing(chased) if chased.suspected else "",
    )


def _figure(
    name: str,
    value: float,
    ends: tuple[float, float],
    noise: Noise | None,
    limits: Limits,
    land: bool,
    apart: float,
) -> Figure:
    allowed = limits.of(name, land=land)
    verdict: Verdict | None = None
    if allowed is not None:
        verdict = assess(name, value, allowed, ends=ends, noise=noise)
        # The draft's rule: the intervals of the outer groups must lie apart by the limit too.
        if name == "vei" and verdict == "outside" and apart <= allowed[1]:
            verdict = "noise"
    return Figure(
        value=value,
        low=ends[0],
        high=ends[1],
        noise=None if noise is None else noise.mean,
        noise_spread=None if noise is None else noise.spread,
        limits=allowed,
        verdict=verdict,
    )


def _ends(
    estimate: Array, price: Array, kept: Array, weights: Array
) -> dict[str, tuple[float, float]]:
    """The 95 % intervals: the Standard's for median and PRB, otherwise the bootstrap's."""
    e, p = estimate[kept], price[kept]
    resampled = resample(e, p, weights[:, kept])
    ratio, error = estimate / price, np.abs(figures.error_of(estimate, price))
    for name, within in LEVELS.items():
        resampled[name] = shares(error <= within, weights)
    resampled["p15_low"] = shares(ratio < 0.85, weights)
    resampled["p15_high"] = shares(ratio > 1.15, weights)
    resampled["fsd"] = weighted_quantile(error, weights, 0.68)
    ends = {name: _quantiles(values) for name, values in resampled.items()}
    ends["median"] = figures.median_interval(e / p)[1:]
    ends["prb"] = figures.prb(e, p)[1:]
    return ends


def _quantiles(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def _chasing(found: figures.Chasing) -> str:
    low, high = figures.NEAR_ONE
    if found.jump_beyond_noise and found.jump > 1.5:
        return (
            f"the ratios jump between {low:g} and {high:g} to {found.jump:.1f} times the density "
            "next to it"
        )
    return (
        f"the share of ratios from {low:g} to {high:g} is {100 * found.excess:.0f} points above "
        "that of a normal distribution, without a jump there; errors with heavy tails do that too"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, _DIGITS) if np.isfinite(value) else None
    return value
