"""The gate's checks from the ratio study: level, uniformity and vertical equity.

Each figure is checked on the whole holdout and on each large state. It fails

- if it lies outside the standards' limits farther than noise explains: what noise alone would give
  is deducted, and chance is allowed for at the policy's confidence over all of these checks. A
  champion that is about as far outside excuses it, because a rejection would keep the worse model;
- or if it lies outside the limits and is worse than the champion's by more than ``ratio_losses``,
  beyond the noise of a bootstrap over properties.

The COD is compared with the champion's only, and with ``most_cod``: noise cannot be deducted from
the size of the errors, and half of the listings lack fields that a single-family study has.

Figures are computed when they are needed, since most of them are inside their limits.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from tasador.arrays import Array
from tasador.gate.decision import Check, Policy, make_check
from tasador.gate.measures import Evaluation
from tasador.gate.slices import Slice
from tasador.ratio_study import figures
from tasador.ratio_study.limits import IDEAL, Range, assess, beyond, unexplained
from tasador.ratio_study.noise import Noise, simulate
from tasador.ratio_study.resampling import draw_weights, resample
from tasador.ratio_study.study import point_figures
from tasador.ratio_study.words import LABELS, direction, shown

CHECKED = ("median", "cod", "prb", "vei", "mki")
_SHOWN_GROUPS = 4
# Enough for a standard deviation.
_MOST_RESAMPLES = 200


def ratio_checks(
    challenger: Evaluation, champion: Evaluation | None, slices: Sequence[Slice], policy: Policy
) -> list[Check]:
    """One check for each figure of CHECKED; ``slices`` are those of ``slices_of``."""
    everything = Slice("all", "the whole holdout", np.ones(len(challenger.actual), dtype=bool))
    states = [
        part
        for part in slices
        if part.kind == "state" and policy.ratio_rows <= part.rows.sum() < len(part.rows)
    ]
    groups = [everything, *states]
    pairs = [
        _Pair(
            group.name,
            _Model.of(challenger, group, policy),
            None if champion is None else _Model.of(champion, group, policy),
        )
        for group in groups
    ]
    tests = len(CHECKED) * len(pairs)
    return [_check(name, pairs, policy, tests) for name in CHECKED]


@dataclass(frozen=True)
class _Model:
    """The estimates of one model for one group. Without slots: it caches."""

    estimate: Array
    price: Array
    key: Array
    policy: Policy
    seed: int

    @classmethod
    def of(cls, model: Evaluation, group: Slice, policy: Policy) -> _Model:
        return cls(
            model.predicted[group.rows],
            model.actual[group.rows],
            model.key[group.rows],
            policy,
            zlib.crc32(group.name.encode()),
        )

    @cached_property
    def sound(self) -> bool:
        """Whether every estimate is a number above zero."""
        return bool((np.isfinite(self.estimate) & (self.estimate > 0)).all())

    @cached_property
    def values(self) -> dict[str, float]:
        """The figures; empty for a group with too few rows."""
        return point_figures(self.estimate, self.price)

    @cached_property
    def kept(self) -> Array:
        """Which rows are no outliers, bool [n]."""
        return ~figures.outliers(self.estimate / self.price)

    @cached_property
    def noise(self) -> dict[str, Noise]:
        """What noise alone would give."""
        draw = np.random.default_rng([self.policy.seed, self.seed])
        e, p, key = (values[self.kept] for values in (self.estimate, self.price, self.key))
        return simulate(e, p, key, self.policy.ratio_draws, draw)

    def resampled(self, name: str) -> Array:
        """A figure of every resample; both models of a group get the same resamples."""
        draw = np.random.default_rng([self.policy.seed, self.seed, 1])
        count = min(self.policy.resamples, _MOST_RESAMPLES)
        weights = draw_weights(self.key, count, draw)[:, self.kept]
        return resample(self.estimate[self.kept], self.price[self.kept], weights, [name])[name]

    def distance(self, name: str, value: float | Array) -> Array:
        """How far a value is from a model without noise and inequity; what noise gives deducted."""
        given = self.noise[name].mean - IDEAL[name] if name in ("prb", "mki", "vei") else 0.0
        return np.abs(np.asarray(value) - given - IDEAL[name])


@dataclass(frozen=True, slots=True)
class _Pair:
    """Challenger and champion on one group."""

    group: str
    challenger: _Model
    champion: _Model | None


def _check(name: str, pairs: Sequence[_Pair], policy: Policy, tests: int) -> Check:
    label, overall = _label(name), pairs[0]
    if not overall.challenger.sound:
        says = f"The {label} cannot be computed: some prices are not numbers above zero."
        return make_check(f"ratio_{name}", False, float("nan"), _limit(name, policy), says)
    if not overall.challenger.values:
        says = f"The {label} is not judged: the holdout has fewer than {figures.FEWEST_ROWS} rows."
        return make_check(f"ratio_{name}", True, 0.0, _limit(name, policy), says)
    judged = [pair for pair in pairs if pair.challenger.values]
    faults = [
        f"{pair.group}: {fault}" for pair in judged if (fault := _fault(name, pair, policy, tests))
    ]
    value = overall.challenger.values[name]
    if faults:
        more = f" and {len(faults) - _SHOWN_GROUPS} more" if len(faults) > _SHOWN_GROUPS else ""
        says = f"The {label} is not acceptable in {'; '.join(faults[:_SHOWN_GROUPS])}{more}."
    else:
        states = len(judged) - 1
        says = f"{_passed(name, overall, policy)}; no fault in any of {states} large states."
    return make_check(f"ratio_{name}", not faults, value, _limit(name, policy), says)


def _fault(name: str, pair: _Pair, policy: Policy, tests: int) -> str:
    """What is wrong with a figure in a group; "" if nothing is."""
    model, champion = pair.challenger, pair.champion
    value, allowed = model.values[name], _allowed(name, policy)
    if beyond(value, allowed) == 0:
        return ""
    if champion is not None and not (champion.sound and champion.values):
        champion = None
    if _outside(name, model, policy, tests) and not (
        champion is not None and _as_far_outside(name, model, champion, policy)
    ):
        return _describe(name, model, allowed)
    if champion is not None and _worse(name, model, champion, policy, tests):
        before = shown(name, champion.values[name])
        return f"{_describe(name, model, allowed)}, worse than the champion's {before} beyond noise"
    return ""


def _outside(name: str, model: _Model, policy: Policy, tests: int) -> bool:
    """Whether a figure outside its limits is farther outside than noise explains."""
    value, allowed = model.values[name], _allowed(name, policy)
    if name == "cod":
        return not value <= policy.most_cod
    confidence = 1 - (1 - policy.confidence) / tests
    if name == "median":
        found = figures.median_interval((model.estimate / model.price)[model.kept], confidence)
        return assess(name, value, allowed, ends=found[1:]) == "outside"
    steps = NormalDist().inv_cdf((1 + confidence) / 2)
    if assess(name, value, allowed, noise=model.noise[name], steps=steps) != "outside":
        return False
    if name == "vei":
        return figures.vei(model.estimate[model.kept], model.price[model.kept]).apart > allowed[1]
    return True


def _as_far_outside(name: str, model: _Model, champion: _Model, policy: Policy) -> bool:
    """Whether the champion's figure is as far outside as the challenger's, give or take a loss."""
    allowed = _allowed(name, policy)

    def out(of: _Model) -> float:
        noise = of.noise[name] if name in ("prb", "mki", "vei") else None
        return abs(unexplained(name, of.values[name], allowed, noise))

    lost = out(model) - out(champion)
    return lost <= policy.ratio_losses[name] * (out(champion) if name == "cod" else 1.0)


def _worse(name: str, model: _Model, champion: _Model, policy: Policy, tests: int) -> bool:
    """Whether a figure is worse than the champion's by more than allowed, and beyond noise."""
    now = float(model.distance(name, model.values[name]))
    most = policy.ratio_losses[name]
    if now <= most and name != "cod":
        return False
    before = float(champion.distance(name, champion.values[name]))
    if name == "cod":
        most *= before
    if now - before <= most:
        return False
    grown = model.distance(name, model.resampled(name)) - champion.distance(
        name, champion.resampled(name)
    )
    spread = float(np.nanstd(grown))
    steps = NormalDist().inv_cdf(1 - (1 - policy.confidence) / 2 / tests)
    return now - before > steps * spread


def _label(name: str) -> str:
    return "median ratio" if name == "median" else LABELS[name].name


def _allowed(name: str, policy: Policy) -> Range:
    # Batches mix homes and land, and every group of states has both.
    found = policy.ratio_limits.of(name, land=True)
    assert found is not None
    return found


def _limit(name: str, policy: Policy) -> float:
    """The limit that the check stores: the one on the side where models usually fail."""
    low, high = _allowed(name, policy)
    return high if name in ("median", "cod") else low


def _describe(name: str, model: _Model, allowed: Range) -> str:
    value = model.values[name]
    says = (
        f"{shown(name, value)}, outside {allowed[0]:g} to {allowed[1]:g} "
        f"({direction(name, value, allowed)})"
    )
    if name in ("prb", "mki", "vei"):
        says += f", where noise alone gives {shown(name, model.noise[name].mean)}"
    return says


def _passed(name: str, pair: _Pair, policy: Policy) -> str:
    model, allowed = pair.challenger, _allowed(name, policy)
    value = model.values[name]
    says = f"The {_label(name)} is {shown(name, value)}"
    low, high = allowed
    if beyond(value, allowed) == 0:
        return f"{says}, within {low:g} to {high:g}"
    says += f", outside {low:g} to {high:g}"
    if name == "cod":
        return f"{says}, but not above {policy.most_cod:g} and not worse than a champion's"
    if name == "median":
        return f"{says}, but not beyond noise or not farther than the champion's"
    noise = model.noise[name]
    if unexplained(name, value, allowed, noise) == 0:
        return f"{says}, but noise alone gives {shown(name, noise.mean)}"
    return f"{says}, but not beyond noise or not farther than the champion's"
