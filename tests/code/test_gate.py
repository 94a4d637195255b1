"""The gate: each check can fail alone, says so with its numbers, and all are always kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tasador.gate.checks import judge
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation

CHECKS = [
    "r2",
    "rmse",
    "golden_parity",
    "coverage_90",
    "better_than_champion",
    "log_error_against_champion",
    "r2_against_champion",
    "slices_against_champion",
    "holdout_covers_champion",
]
ROWS = 3000
_draw = np.random.default_rng(1)
ACTUAL = np.exp(_draw.normal(12.7, 0.7, ROWS))
NOISE = _draw.normal(size=ROWS)
OTHER_NOISE = _draw.normal(size=ROWS)
KEYS = np.array([f"{n // 2}|town|00001" for n in range(ROWS)], dtype=object)
STATES = np.array(["Ohio", "Texas", "Maine", None], dtype=object)[_draw.integers(0, 4, ROWS)]


def evaluation(spread=0.25, *, noise=NOISE, half=None, shift=0.0, **other):
    predicted = ACTUAL * np.exp(spread * noise + shift)
    half = 1.645 * spread if half is None else half
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


def test_a_good_first_model_is_promoted():
    decision = judge(evaluation(), None)
    assert failed(decision) == []
    assert "no champion yet" in decision.reasons[0]


def test_a_clearly_better_challenger_is_promoted():
    decision = judge(evaluation(0.2), evaluation(0.3, noise=OTHER_NOISE))
    assert failed(decision) == []
    assert "Better than the champion" in decision.reasons[0]


def test_low_r2_alone():
    # Right for the many cheap houses, wrong for the dear ones, with small errors in dollars.
    actual = np.full(ROWS, 200_000.0) + _draw.normal(0, 1000, ROWS)
    predicted = actual + _draw.normal(0, 2000, ROWS)
    ends = {"low": {"90": predicted - 3290}, "high": {"90": predicted + 3290}}
    decision = judge(evaluation(actual=actual, predicted=predicted, **ends), None)
    assert failed(decision) == ["r2"]
    assert "at least 0.35" in decision.reasons[0]


def test_high_rmse_alone():
    actual = ACTUAL * 10
    predicted = actual * np.exp(0.25 * NOISE)
    ends = {
        "low": {"90": predicted * np.exp(-0.41)},
        "high": {"90": predicted * np.exp(0.41)},
    }
    decision = judge(evaluation(actual=actual, predicted=predicted, **ends), None)
    assert failed(decision) == ["rmse"]
    assert "at most $700,000" in decision.reasons[0]


@pytest.mark.parametrize("difference", [2e-4, float("inf"), float("nan")])
def test_golden_difference_alone(difference):
    assert failed(judge(evaluation(golden_difference=difference), None)) == ["golden_parity"]


@pytest.mark.parametrize("half", [0.25 * 1.2, 0.25 * 2.6])
def test_coverage_alone_too_narrow_or_too_wide(half):
    decision = judge(evaluation(half=half), None)
    assert failed(decision) == ["coverage_90"]
    assert "90 %" in decision.reasons[0]


def test_coverage_on_few_properties_is_judged_with_its_noise():
    def of(rows):
        half = 0.25 * 1.43  # covers about 85 %
        model = evaluation(half=half)
        picked = slice(0, rows)
        parts = {n: getattr(model, n)[picked] for n in ("actual", "predicted", "key", "state")}
        ends = {n: {"90": getattr(model, n)["90"][picked]} for n in ("low", "high")}
        return replace(model, **parts, **ends)

    assert failed(judge(of(200), None)) == []
    assert failed(judge(of(ROWS), None)) == ["coverage_90"]


def test_the_same_model_again_is_no_better():
    decision = judge(evaluation(), evaluation())
    assert failed(decision) == ["better_than_champion"]
    assert "No better than the champion" in decision.reasons[0]
    assert "+0.0000" in decision.reasons[0]


def test_a_difference_within_noise_is_no_better():
    close = 0.25 * (NOISE + 0.05 * OTHER_NOISE) / np.sqrt(1 + 0.05**2)
    decision = judge(evaluation(noise=close / 0.25), evaluation())
    assert failed(decision) == ["better_than_champion"]


def test_log_error_against_champion_alone():
    # Better where dollars count (dear houses), worse for every other house.
    dear = np.quantile(ACTUAL, 0.8) < ACTUAL
    predicted = np.where(dear, ACTUAL * np.exp(0.08 * NOISE), ACTUAL * np.exp(0.27 * NOISE))
    half = np.where(dear, 0.08, 0.27) * 1.645
    ends = {"low": {"90": predicted * np.exp(-half)}, "high": {"90": predicted * np.exp(half)}}
    champion = np.where(dear, ACTUAL * np.exp(0.3 * NOISE), ACTUAL * np.exp(0.18 * NOISE))
    policy = Policy(slice_loss=9.0)
    decision = judge(
        evaluation(predicted=predicted, **ends), evaluation(predicted=champion), policy
    )
    assert failed(decision) == ["log_error_against_champion"]


def test_r2_against_champion_alone():
    dear = np.quantile(ACTUAL, 0.9) < ACTUAL
    predicted = np.where(dear, ACTUAL * np.exp(0.45 * NOISE), ACTUAL * np.exp(0.15 * NOISE))
    half = np.where(dear, 0.45, 0.15) * 1.645
    ends = {"low": {"90": predicted * np.exp(-half)}, "high": {"90": predicted * np.exp(half)}}
    policy = Policy(slice_loss=9.0)
    decision = judge(evaluation(predicted=predicted, **ends), evaluation(0.25), policy)
    assert failed(decision) == ["r2_against_champion"]


def test_a_ruined_big_state_alone_is_named():
    maine = STATES == "Maine"
    spread = np.where(maine, 0.4, 0.1)
    predicted = ACTUAL * np.exp(spread * NOISE)
    ends = {
        "low": {"90": predicted * np.exp(-1.645 * spread)},
        "high": {"90": predicted * np.exp(1.645 * spread)},
    }
    decision = judge(evaluation(predicted=predicted, **ends), evaluation(0.32))
    assert failed(decision) == ["slices_against_champion"]
    assert "Maine" in decision.reasons[0]
    assert "Ohio" not in decision.reasons[0]
    # The same loss in a state of a few rows decides nothing.
    few = np.where(maine & (np.cumsum(maine) > 40), "Ohio", STATES)
    small = np.where(few == "Maine", 0.4, 0.1)
    challenger = evaluation(
        predicted=ACTUAL * np.exp(small * NOISE),
        state=few,
        low={"90": ACTUAL * np.exp(small * NOISE - 1.645 * small)},
        high={"90": ACTUAL * np.exp(small * NOISE + 1.645 * small)},
    )
    assert failed(judge(challenger, evaluation(0.32, state=few))) == []


def spoilt(rows, spread=0.4, elsewhere=0.1, **other):
    """An evaluation that is bad on some rows and good on the others, with honest intervals."""
    each = np.where(rows, spread, elsewhere)
    predicted = ACTUAL * np.exp(each * NOISE)
    ends = {
        "low": {"90": predicted * np.exp(-1.645 * each)},
        "high": {"90": predicted * np.exp(1.645 * each)},
    }
    return evaluation(predicted=predicted, **ends, **other)


def test_a_ruined_price_band_is_named():
    decision = judge(spoilt(ACTUAL < 150_000, spread=0.6), evaluation(0.32))
    assert failed(decision) == ["slices_against_champion"]
    assert "$0 to $150,000 (log error" in decision.reasons[0]
    assert "$150,000 to" not in decision.reasons[0]


def test_a_champion_that_knows_cheap_houses_alone_is_not_kept_for_them():
    cheap = ACTUAL < 150_000
    challenger = spoilt(cheap, spread=0.15, elsewhere=0.15)
    specialist = spoilt(cheap, spread=0.12, elsewhere=0.9)
    assert failed(judge(challenger, specialist)) == []
    # Where the whole gains little, as much is a ruined band.
    decision = judge(challenger, spoilt(cheap, spread=0.12, elsewhere=0.16))
    assert failed(decision) == ["slices_against_champion"]
    assert "$0 to $150,000 (log error" in decision.reasons[0]


def test_many_small_states_cannot_be_given_up_for_a_large_one():
    small = np.arange(ROWS) % 10 == 0
    # 30 states of 10 rows each: none can be judged alone.
    states = np.where(small, [f"small {n % 300 // 10}" for n in range(ROWS)], "Texas")
    decision = judge(spoilt(small, state=states), evaluation(0.32, state=states))
    assert failed(decision) == ["slices_against_champion"]
    assert "the smaller states together (log error" in decision.reasons[0]
    assert "300 rows" in decision.reasons[0]


def test_a_state_of_many_rows_is_large_whatever_its_share():
    policy = Policy(slice_share=0.5, slice_enough=100)
    states = np.where(np.arange(ROWS) % 20 == 0, "Maine", "Texas")
    decision = judge(
        spoilt(states == "Maine", state=states), evaluation(0.32, state=states), policy
    )
    assert failed(decision) == ["slices_against_champion"]
    assert "Maine" in decision.reasons[0]


def test_a_holdout_without_the_champions_country_decides_nothing_for_the_challenger():
    known = ("Ohio", "Texas", "Maine", "Utah", "Iowa")
    champion = evaluation(0.3, noise=OTHER_NOISE, knows=known)
    assert failed(judge(evaluation(0.2), champion)) == []
    narrow = np.where(np.arange(ROWS) % 2 == 0, "Ohio", None)
    decision = judge(
        evaluation(0.2, state=narrow),
        evaluation(0.3, noise=OTHER_NOISE, state=narrow, knows=known),
    )
    assert failed(decision) == ["holdout_covers_champion"]
    assert "rows of 1 of the 5 states" in decision.reasons[0]


def test_everything_that_fails_is_told_at_once():
    hopeless = evaluation(2.5, half=0.01, golden_difference=1.0)
    elsewhere = ("Utah", "Iowa", "Oregon")
    assert failed(judge(hopeless, evaluation(0.2, knows=elsewhere))) == CHECKS


def test_a_model_that_answers_no_number_is_rejected():
    nothing = np.full(ROWS, np.nan)
    ends = {"low": {"90": nothing}, "high": {"90": nothing}}
    names = failed(judge(evaluation(predicted=nothing, **ends), evaluation()))
    assert {"r2", "rmse", "coverage_90", "better_than_champion"} <= set(names)


def test_other_rows_cannot_be_compared():
    with pytest.raises(ValueError, match="same holdout rows"):
        judge(evaluation(), evaluation(actual=ACTUAL[::-1]))


def test_a_decision_repeats_itself():
    pair = evaluation(0.24, noise=OTHER_NOISE), evaluation(0.25)
    assert judge(*pair) == judge(*pair)
