"""Whole states left out: what is trained on, what is judged, and that the bounds hold."""

import pytest

from tasador.errors import TrainingError
from tasador.training.leave_out import leave_states_out
from tests.kit.listings import simulated_frame
from tests.kit.models import QUICK

PARAMS = QUICK.params


@pytest.fixture(scope="module")
def left_out(market):
    return leave_states_out(market, PARAMS, rotations=3, rows=3_000)


def test_every_state_is_left_out_once(market, left_out):
    names = [state for turn in left_out.rotations for state in turn.states]
    assert sorted(names) == sorted(set(market["state"].dropna()))
    assert sorted(len(turn.states) for turn in left_out.rotations) == [8, 9, 9]
    assert set(left_out.states) == set(names)


def test_the_bounds_hold_and_every_row_is_judged_once(left_out):
    assert 2_800 <= left_out.rows <= 3_000
    assert sum(turn.rows_judged for turn in left_out.rotations) == left_out.rows
    assert left_out.metrics["rows"] == left_out.rows
    assert sum(told["rows"] for told in left_out.states.values()) == left_out.rows
    for turn in left_out.rotations:
        # Neither the judged rows nor the permanent holdout were trained on.
        unseen = left_out.rows - turn.rows_judged
        assert 0.85 * unseen < turn.rows_trained < 0.95 * unseen
        assert 0.2 < turn.rows_judged / left_out.rows < 0.5


def test_a_state_never_met_is_priced_worse_than_one_that_was(trained, left_out):
    known = trained.manifest.metrics["median_error"]
    assert known * 1.1 < left_out.metrics["median_error"] < 0.8
    assert left_out.metrics["r2"] < trained.manifest.metrics["r2"] - 0.05


def test_a_seed_decides_everything(market, left_out):
    assert leave_states_out(market, PARAMS, rotations=3, rows=3_000) == left_out
    other = leave_states_out(market, PARAMS, rotations=3, rows=3_000, seed=1)
    assert [turn.states for turn in other.rotations] != [turn.states for turn in left_out.rotations]


def test_one_state_cannot_be_left_out():
    market = simulated_frame(2_000)
    with pytest.raises(TrainingError, match="only where there are two"):
        leave_states_out(market[market["state"] == "Texas"], PARAMS)
