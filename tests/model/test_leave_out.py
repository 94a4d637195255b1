"""Leaving states out: the rows trained on, the rows judged, and the bounds."""

import pytest

from tasador.errors import TrainingError
from tasador.training.leave_out import leave_states_out
from tests.kit.listings import simulated_frame
from tests.kit.models import QUICK

PARAMS = QUICK.params


@pytest.fixture(scope="module")
def left_out(market):
    return leave_states_out(market, PARAMS, rotations=3, rows=1_500)


def test_leave_states_out_covers_every_state_once(market, left_out):
    names = [state for rotation in left_out.rotations for state in rotation.states]
    assert sorted(names) == sorted(set(market["state"].dropna()))
    assert sorted(len(rotation.states) for rotation in left_out.rotations) == [8, 9, 9]
    assert set(left_out.states) == set(names)


def test_leave_states_out_judges_every_row_once(left_out):
    assert 1_400 <= left_out.rows <= 1_500
    assert sum(rotation.rows_judged for rotation in left_out.rotations) == left_out.rows
    assert left_out.metrics["rows"] == left_out.rows
    assert sum(metrics["rows"] for metrics in left_out.states.values()) == left_out.rows
    for rotation in left_out.rotations:
        # Neither the judged rows nor the permanent holdout were trained on.
        unseen = left_out.rows - rotation.rows_judged
        assert 0.85 * unseen < rotation.rows_trained < 0.95 * unseen
        assert 0.2 < rotation.rows_judged / left_out.rows < 0.5


def test_leave_states_out_error_exceeds_the_holdout_error(trained, left_out):
    known = trained.manifest.metrics["median_error"]
    assert known * 1.1 < left_out.metrics["median_error"] < 0.8
    assert left_out.metrics["r2"] < trained.manifest.metrics["r2"] - 0.05


def test_leave_states_out_is_deterministic(market):
    one, again, other = (
        leave_states_out(market, PARAMS, rotations=2, rows=1_000, seed=seed) for seed in (0, 0, 1)
    )
    assert again == one
    assert sorted(other.states) == sorted(one.states) == sorted(set(market["state"].dropna()))
    assert [rotation.states for rotation in other.rotations] != [
        rotation.states for rotation in one.rotations
    ]


def test_leave_states_out_needs_two_states():
    market = simulated_frame(2_000)
    with pytest.raises(TrainingError, match="needs at least two states"):
        leave_states_out(market[market["state"] == "Texas"], PARAMS)
