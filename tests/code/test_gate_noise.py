"""The gate's error rates, measured on simulated pairs of models whose difference is known.

Errors have heavy tails (Student's t of 4), houses are listed more than once, states are of very
different sizes: what makes a naive comparison fail.
"""

from dataclasses import replace

import numpy as np
import pytest

from tasador.gate.checks import judge
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation
from tasador.gate.slices import slices_of
from tasador.ratio_study.limits import IDEAL, Limits

ROWS, STATES = 1500, 25
POLICY = Policy(resamples=400, ratio_draws=40)
# The errors of ``Market`` lie around the prices instead of the estimates, which looks progressive.
ANY_RATIO = Limits(**dict.fromkeys([*IDEAL, "cod_land"], (-np.inf, np.inf)))
WITHOUT_RATIOS = replace(POLICY, ratio_limits=ANY_RATIO)


def heavy(rng, count):
    return rng.standard_t(4, count) / np.sqrt(2)


class Market:
    """Listings with prices and states; ``model`` makes a model with errors of a given size."""

    def __init__(self, seed, listed=1.3):
        self.rng = rng = np.random.default_rng(seed)
        houses = int(ROWS / listed)
        self.owner = np.concatenate([np.arange(houses), rng.integers(0, houses, ROWS - houses)])
        self.price = np.exp(rng.normal(12.7, 0.8, houses))[self.owner]
        names = np.array([f"state {n}" for n in range(STATES)], dtype=object)
        self.state = rng.choice(names, houses, p=rng.dirichlet(np.ones(STATES)))[self.owner]
        self.key = np.array([str(house) for house in self.owner], dtype=object)
        # Errors that no model can avoid are common to both.
        self.common = heavy(rng, houses)

    def model(self, spread, worse=None):
        own = heavy(self.rng, len(self.common))
        error = (0.8 * self.common + 0.6 * own)[self.owner] * spread
        if worse is not None:
            error = np.where(worse, 2 * error, error)
        predicted = self.price * np.exp(error)
        return Evaluation(
            actual=self.price,
            predicted=predicted,
            key=self.key,
            state=self.state,
            low={"90": predicted * np.exp(-1.6 * spread)},
            high={"90": predicted * np.exp(1.6 * spread)},
        )


def outcomes(spread, repeats, listed=1.3, worse=None):
    """The share of pairs in which each check passed; the champion's errors are of size 0.25."""
    passed = {}
    for seed in range(repeats):
        market = Market(seed, listed)
        champion = market.model(0.25)
        challenger = market.model(spread, None if worse is None else worse(champion))
        for check in judge(challenger, champion, WITHOUT_RATIOS).checks:
            passed.setdefault(check.name, []).append(check.passed)
    return {name: float(np.mean(values)) for name, values in passed.items()}


def largest_state(champion):
    states = [slice_ for slice_ in slices_of(champion, POLICY) if slice_.kind == "state"]
    return max(states, key=lambda slice_: slice_.rows.sum()).rows


@pytest.mark.parametrize("listed", [1.3, 4.0])
def test_false_positive_rates_for_equal_models(listed):
    passed = outcomes(0.25, 100, listed)
    assert passed["better_than_champion"] <= 0.10
    # Some twenty slices per pair: tested one by one, about every second pair would be rejected.
    assert passed["slices_against_champion"] >= 0.90
    assert passed["log_error_against_champion"] >= 0.93
    assert passed["r2_against_champion"] >= 0.93


def test_better_model_is_not_rejected_for_noise_in_a_slice():
    passed = outcomes(0.22, 60)
    assert passed["better_than_champion"] >= 0.9
    assert passed["slices_against_champion"] >= 0.95
    assert passed["log_error_against_champion"] == passed["r2_against_champion"] == 1.0


def test_loss_in_a_large_state_is_detected_despite_overall_gain():
    passed = outcomes(0.2, 40, worse=largest_state)
    assert passed["slices_against_champion"] <= 0.05


# -- the ratio study's checks ---------------------------------------------------------------------

RATIO = ("ratio_median", "ratio_cod", "ratio_prb", "ratio_vei", "ratio_mki")


class SoundMarket(Market):
    """Prices with errors around the estimates of two models that know as much, but other things.

    Cheap homes have larger errors, and one house has one price. Both models are right on average
    wherever their estimates lie, as trained models are. ``spread`` is the size of their errors.
    """

    def __init__(self, seed, spread=0.3):
        super().__init__(seed)
        houses = len(self.common)
        size = spread * np.where(self.price < np.median(self.price), 1.3, 0.8)
        known, other, unknown = (
            size * share * heavy(self.rng, houses)[self.owner] for share in (0.5, 0.5, 0.7)
        )
        self.size = size
        self.estimates = [self.price * np.exp(known), self.price * np.exp(other)]
        self.actual = self.price * np.exp(known + other + unknown)

    def evaluation(self, number=0, power=1.0):
        """The evaluation of one of the models; ``power`` plants inequity."""
        estimate = self.estimates[number]
        middle = np.exp(np.log(estimate).mean())
        predicted = middle * (estimate / middle) ** power
        return Evaluation(
            actual=self.actual,
            predicted=predicted,
            key=self.key,
            state=self.state,
            low={"90": predicted * np.exp(-1.5 * self.size)},
            high={"90": predicted * np.exp(1.5 * self.size)},
        )


def ratio_faults(challenger, champion=None):
    """The ratio checks that fail."""
    checks = judge(challenger, champion, POLICY).checks
    return [check.name for check in checks if check.name in RATIO and not check.passed]


@pytest.mark.parametrize("spread", [0.2, 0.4])
def test_sound_models_pass_the_ratio_checks(spread):
    markets = [SoundMarket(seed, spread) for seed in range(30)]
    rejected = [faults for market in markets if (faults := ratio_faults(market.evaluation()))]
    # A confidence of 95 % over all checks and states.
    assert len(rejected) <= 3, rejected


def test_equally_sound_models_pass_the_ratio_checks_against_each_other():
    markets = [SoundMarket(seed) for seed in range(20)]
    pairs = [(market.evaluation(0), market.evaluation(1)) for market in markets]
    rejected = [faults for pair in pairs if (faults := ratio_faults(*pair))]
    assert len(rejected) <= 3, rejected


@pytest.mark.parametrize("power", [0.85, 1.25])
def test_planted_inequity_is_rejected_with_prb_named(power):
    for seed in range(5):
        market = SoundMarket(seed)
        assert "ratio_prb" in ratio_faults(market.evaluation(power=power))
        assert "ratio_prb" in ratio_faults(market.evaluation(power=power), market.evaluation(1))


def test_champion_that_is_less_fair_does_not_stay():
    # Regressive, but less than the champion: a rejection would keep the worse model.
    markets = [SoundMarket(seed) for seed in range(5)]
    pairs = [(market.evaluation(0, 0.85), market.evaluation(1, 0.6)) for market in markets]
    assert sum("ratio_prb" in ratio_faults(*pair) for pair in pairs) <= 1
