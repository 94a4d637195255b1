"""The gate's error rates, measured on simulated pairs of models whose difference is known.

Errors have heavy tails (Student's t of 4), houses are listed more than once, states are of very
different sizes: what makes a naive comparison fail.
"""

import numpy as np
import pytest

from tasador.gate.checks import judge
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation
from tasador.gate.slices import slices_of

ROWS, STATES = 1500, 25
POLICY = Policy(resamples=400)


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
        for check in judge(challenger, champion, POLICY).checks:
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
