"""The gate: each check can fail alone and gives its numbers, and all checks are stored."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tasador.gate.checks import judge
from tasador.gate.churn import churn_of
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation
from tasador.ratio_study.limits import IDEAL, Limits

CHECKS = [
    "r2",
    "rmse",
    "golden_parity",
    "coverage_90",
    "better_than_champion",
    "log_error_against_champion",
    "r2_against_champion",
    "slices_against_champion",
    "newest_batch_against_champion",
    "holdout_covers_champion",
    "ratio_median",
    "ratio_cod",
    "ratio_prb",
    "ratio_vei",
    "ratio_mki",
    "churn",
]
ROWS = 3000
# For errors that depend on the price or are added to it, which are no model's: they have a trend.
ANY_RATIO = Limits(**dict.fromkeys([*IDEAL, "cod_land"], (-np.inf, np.inf)))
_draw = np.random.default_rng(1)
ACTUAL = np.exp(_draw.normal(12.7, 0.7, ROWS))
NOISE = _draw.normal(size=ROWS)
OTHER_NOISE = _draw.normal(size=ROWS)
KEYS = np.array([f"{n // 2}|town|00001" for n in range(ROWS)], dtype=object)
STATES = np.array(["Ohio", "Texas", "Maine", None], dtype=object)[_draw.integers(0, 4, ROWS)]


def shrunk(spread, noise=NOISE, actual=ACTUAL):
    """Estimates from a signal with noise of this size, and the size of their errors.

    A model that knows a price only by such a signal leans back to the mean of all log prices. So
    its estimates are right on average wherever they lie, as those of a trained model are.
    """
    middle, variance = np.log(actual).mean(), np.log(actual).var()
    trust = variance / (variance + np.square(spread))
    signal = np.log(actual) - middle + spread * noise
    return np.exp(middle + trust * signal), spread * np.sqrt(trust)


def evaluation(spread=0.25, *, noise=NOISE, half=None, **other):
    predicted, error = shrunk(spread, noise)
    half = 1.645 * error if half is None else half
    values = {
        "actual": ACTUAL,
        "predicted": predicted,
        "key": KEYS,
        "state": STATES,
        "low": {"90": predicted * np.exp(-half)},
        "high": {"90": predicted * np.exp(half)},
        "golden_difference": 1e-7,
    }
    return Evaluation(**{**values, **other})


def failed(decision):
    assert [check.name for check in decision.checks] == CHECKS
    names = [check.name for check in decision.checks if not check.passed]
    assert decision.promote == (not names)
    if names:
        assert decision.reasons == [c.says for c in decision.checks if not c.passed]
    assert decision.reasons
    json.dumps([check.as_dict() for check in decision.checks], allow_nan=False)
    return names


def test_judge_promotes_a_good_first_model():
    decision = judge(evaluation(), None)
    assert failed(decision) == []
    assert "no champion yet" in decision.reasons[0]


def test_judge_promotes_a_better_challenger():
    decision = judge(evaluation(0.2), evaluation(0.3, noise=OTHER_NOISE))
    assert failed(decision) == []
    assert "Better than the champion" in decision.reasons[0]


def test_judge_rejects_low_r2():
    # Good in dollars, but the prices hardly vary.
    predicted = np.full(ROWS, 200_000.0) + _draw.normal(0, 1000, ROWS)
    actual = predicted + _draw.normal(0, 2000, ROWS)
    ends = {"low": {"90": predicted - 3290}, "high": {"90": predicted + 3290}}
    decision = judge(evaluation(actual=actual, predicted=predicted, **ends), None)
    assert failed(decision) == ["r2"]
    assert "at least 0.35" in decision.reasons[0]


def test_judge_rejects_high_rmse():
    actual = ACTUAL * 10
    predicted, error = shrunk(0.25, actual=actual)
    ends = {
        "low": {"90": predicted * np.exp(-1.645 * error)},
        "high": {"90": predicted * np.exp(1.645 * error)},
    }
    decision = judge(evaluation(actual=actual, predicted=predicted, **ends), None)
    assert failed(decision) == ["rmse"]
    assert "at most $700,000" in decision.reasons[0]


@pytest.mark.parametrize("difference", [2e-4, float("inf"), float("nan")])
def test_judge_rejects_golden_difference(difference):
    assert failed(judge(evaluation(golden_difference=difference), None)) == ["golden_parity"]


@pytest.mark.parametrize("half", [0.25 * 1.2, 0.25 * 2.6])
def test_judge_rejects_wrong_coverage(half):
    decision = judge(evaluation(half=half), None)
    assert failed(decision) == ["coverage_90"]
    assert "90 %" in decision.reasons[0]


def test_judge_coverage_allows_for_noise_of_few_properties():
    def of(rows):
        half = 0.235 * 1.43  # covers about 85 %
        model = evaluation(half=half)
        picked = slice(0, rows)
        parts = {n: getattr(model, n)[picked] for n in ("actual", "predicted", "key", "state")}
        ends = {n: {"90": getattr(model, n)["90"][picked]} for n in ("low", "high")}
        return replace(model, **parts, **ends)

    assert failed(judge(of(200), None)) == []
    assert failed(judge(of(ROWS), None)) == ["coverage_90"]


def test_judge_rejects_the_same_model():
    decision = judge(evaluation(), evaluation())
    assert failed(decision) == ["better_than_champion"]
    assert decision.reasons == [
        "Not better than the champion: it predicts the same price for every row of the holdout. A "
        "training on the same data with the same settings gives the same model."
    ]


def test_judge_rejects_a_difference_within_noise():
    close = 0.25 * (NOISE + 0.05 * OTHER_NOISE) / np.sqrt(1 + 0.05**2)
    decision = judge(evaluation(noise=close / 0.25), evaluation())
    assert failed(decision) == ["better_than_champion"]
    assert "Not better than the champion on the same rows beyond noise" in decision.reasons[0]


def test_judge_rejects_higher_log_error():
    # Better on expensive houses, which dominate R², and worse on all others.
    expensive = np.quantile(ACTUAL, 0.8) < ACTUAL
    predicted = np.where(expensive, ACTUAL * np.exp(0.08 * NOISE), ACTUAL * np.exp(0.27 * NOISE))
    half = np.where(expensive, 0.08, 0.27) * 1.645
    ends = {"low": {"90": predicted * np.exp(-half)}, "high": {"90": predicted * np.exp(half)}}
    champion = np.where(expensive, ACTUAL * np.exp(0.3 * NOISE), ACTUAL * np.exp(0.18 * NOISE))
    policy = Policy(slice_loss=9.0)
    decision = judge(
        evaluation(predicted=predicted, **ends), evaluation(predicted=champion), policy
    )
    assert failed(decision) == ["log_error_against_champion"]


def test_judge_rejects_lower_r2():
    expensive = np.quantile(ACTUAL, 0.9) < ACTUAL
    predicted = np.where(expensive, ACTUAL * np.exp(0.45 * NOISE), ACTUAL * np.exp(0.15 * NOISE))
    half = np.where(expensive, 0.45, 0.15) * 1.645
    ends = {"low": {"90": predicted * np.exp(-half)}, "high": {"90": predicted * np.exp(half)}}
    policy = Policy(slice_loss=9.0, ratio_limits=ANY_RATIO)
    decision = judge(evaluation(predicted=predicted, **ends), evaluation(0.25), policy)
    assert failed(decision) == ["r2_against_champion"]


def test_judge_names_a_large_state_that_got_worse():
    maine = STATES == "Maine"
    spread = np.where(maine, 0.4, 0.1)
    predicted = ACTUAL * np.exp(spread * NOISE)
    ends = {
        "low": {"90": predicted * np.exp(-1.645 * spread)},
        "high": {"90": predicted * np.exp(1.645 * spread)},
    }
    policy = Policy(ratio_limits=ANY_RATIO)
    decision = judge(evaluation(predicted=predicted, **ends), evaluation(0.32), policy)
    assert failed(decision) == ["slices_against_champion"]
    assert "Maine" in decision.reasons[0]
    assert "Ohio" not in decision.reasons[0]
    # The same loss in a state with few rows is ignored.
    few = np.where(maine & (np.cumsum(maine) > 40), "Ohio", STATES)
    small = np.where(few == "Maine", 0.4, 0.1)
    challenger = evaluation(
        predicted=ACTUAL * np.exp(small * NOISE),
        state=few,
        low={"90": ACTUAL * np.exp(small * NOISE - 1.645 * small)},
        high={"90": ACTUAL * np.exp(small * NOISE + 1.645 * small)},
    )
    assert failed(judge(challenger, evaluation(0.32, state=few), policy)) == []


def worse_on(rows, spread=0.4, elsewhere=0.1, **other):
    """An evaluation that is bad on some rows and good on the others, with calibrated intervals."""
    spreads = np.where(rows, spread, elsewhere)
    predicted = ACTUAL * np.exp(spreads * NOISE)
    ends = {
        "low": {"90": predicted * np.exp(-1.645 * spreads)},
        "high": {"90": predicted * np.exp(1.645 * spreads)},
    }
    return evaluation(predicted=predicted, **ends, **other)


def test_judge_names_a_price_band_that_got_worse():
    policy = Policy(ratio_limits=ANY_RATIO)
    decision = judge(worse_on(ACTUAL < 150_000, spread=0.6), evaluation(0.32), policy)
    assert failed(decision) == ["slices_against_champion"]
    assert "$0 to $150,000 (log error" in decision.reasons[0]
    assert "$150,000 to" not in decision.reasons[0]


def test_judge_replaces_a_champion_trained_on_cheap_houses_only():
    cheap = ACTUAL < 150_000
    challenger = worse_on(cheap, spread=0.15, elsewhere=0.15)
    specialist = worse_on(cheap, spread=0.12, elsewhere=0.9)
    assert failed(judge(challenger, specialist)) == []
    # With a small overall gain, the same loss in the band is too much.
    decision = judge(challenger, worse_on(cheap, spread=0.12, elsewhere=0.16))
    assert failed(decision) == ["slices_against_champion"]
    assert "$0 to $150,000 (log error" in decision.reasons[0]


def test_judge_groups_small_states():
    small = np.arange(ROWS) % 10 == 0
    # 30 states of 10 rows each: none can be judged alone.
    states = np.where(small, [f"small {n % 300 // 10}" for n in range(ROWS)], "Texas")
    policy = Policy(ratio_limits=ANY_RATIO)
    decision = judge(worse_on(small, state=states), evaluation(0.32, state=states), policy)
    assert failed(decision) == ["slices_against_champion"]
    assert "the smaller states together (log error" in decision.reasons[0]
    assert "300 rows" in decision.reasons[0]


def test_slice_with_enough_rows_is_judged_whatever_its_share():
    policy = Policy(slice_share=0.5, slice_enough=100, ratio_limits=ANY_RATIO)
    states = np.where(np.arange(ROWS) % 20 == 0, "Maine", "Texas")
    decision = judge(
        worse_on(states == "Maine", state=states), evaluation(0.32, state=states), policy
    )
    assert failed(decision) == ["slices_against_champion"]
    assert "Maine" in decision.reasons[0]


def test_challenger_much_worse_on_the_newest_batch_only():
    policy = Policy(ratio_limits=ANY_RATIO)
    newest = np.arange(ROWS) % 10 == 0
    worse = worse_on(newest, newest=newest)
    decision = judge(worse, evaluation(0.32), policy)
    assert failed(decision) == ["newest_batch_against_champion"]
    assert "on the newest batch: log error" in decision.reasons[0]
    assert "on 300 rows that no model was trained on" in decision.reasons[0]
    # The same rows are as bad if nobody says that they are a batch; then no slice shows it.
    assert failed(judge(replace(worse, newest=None), evaluation(0.32), policy)) == []
    few = replace(worse, newest=np.arange(ROWS) < 49)
    (check,) = [c for c in judge(few, evaluation(0.32), policy).checks if "newest" in c.name]
    assert check.passed
    assert "too few rows" in check.says


def test_judge_rejects_if_holdout_lacks_the_champions_states():
    known = ("Ohio", "Texas", "Maine", "Utah", "Iowa")
    champion = evaluation(0.3, noise=OTHER_NOISE, known_states=known)
    assert failed(judge(evaluation(0.2), champion)) == []
    narrow = np.where(np.arange(ROWS) % 2 == 0, "Ohio", None)
    decision = judge(
        evaluation(0.2, state=narrow),
        evaluation(0.3, noise=OTHER_NOISE, state=narrow, known_states=known),
    )
    assert failed(decision) == ["holdout_covers_champion"]
    assert "rows of 1 of the 5 states" in decision.reasons[0]


def test_judge_reports_every_failed_check():
    # Too low, regressive, and with errors that no noise explains.
    predicted = 30_000 * (ACTUAL / 300_000) ** -0.6 * np.exp(2.5 * NOISE)
    ends = {"low": {"90": predicted}, "high": {"90": predicted * 1.01}}
    hopeless = evaluation(predicted=predicted, golden_difference=1.0, **ends)
    elsewhere = ("Utah", "Iowa", "Oregon")
    moved = churn_of([{"bed": 3}], np.array([200_000.0]), np.array([400_000.0]))
    newest = np.arange(ROWS) >= ROWS - 500
    hopeless = replace(hopeless, newest=newest)
    champion = evaluation(0.2, known_states=elsewhere)
    assert failed(judge(hopeless, champion, Policy(most_churn=0.5), churn=moved)) == CHECKS


def test_judge_rejects_nan_predictions():
    no_prices = np.full(ROWS, np.nan)
    ends = {"low": {"90": no_prices}, "high": {"90": no_prices}}
    names = failed(judge(evaluation(predicted=no_prices, **ends), evaluation()))
    assert {"r2", "rmse", "coverage_90", "better_than_champion"} <= set(names)


def test_judge_refuses_evaluations_of_different_rows():
    with pytest.raises(ValueError, match="same holdout rows"):
        judge(evaluation(), evaluation(actual=ACTUAL[::-1]))


def test_judge_is_deterministic():
    pair = evaluation(0.24, noise=OTHER_NOISE), evaluation(0.25)
    assert judge(*pair) == judge(*pair)
