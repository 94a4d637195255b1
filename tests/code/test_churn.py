"""Churn: the recorded requests are priced again, and too many large moves reject a version."""

from types import SimpleNamespace

import numpy as np
import pytest

from tasador.errors import ConfigurationError
from tasador.gate.checks import judge
from tasador.gate.churn import churn_check, churn_of
from tasador.gate.decision import Policy
from tasador.settings import Settings
from tasador.training.card import largest_moves
from tasador.training.request_replay import replay
from tests.code.test_gate import evaluation

LISTINGS = [{"city": f"town {number}"} for number in range(100)]
BEFORE = np.full(100, 200_000.0)
# Thirty of a hundred values move by a quarter, one of them to a half.
AFTER = np.where(np.arange(100) < 30, 250_000.0, 201_000.0)
AFTER[7] = 100_000.0


def test_churn_counts_moves_and_lists_the_largest_first():
    churn = churn_of(LISTINGS, BEFORE, AFTER)
    assert (churn.requests, churn.moved, churn.threshold) == (100, 0.3, 0.1)
    assert churn.median == pytest.approx(0.005)
    assert len(churn.worst) == 20
    assert (churn.worst[0].listing, churn.worst[0].change) == ({"city": "town 7"}, -0.5)
    assert churn.worst[1].change == pytest.approx(0.25)


@pytest.mark.parametrize(("limit", "passed"), [(1.0, True), (0.3, True), (0.29, False)])
def test_limit_is_the_share_that_may_move(limit, passed):
    check = churn_check(churn_of(LISTINGS, BEFORE, AFTER), Policy(most_churn=limit))
    assert (check.passed, check.value, check.limit) == (passed, 0.3, limit)
    assert "30.0% of 100 recorded requests would move by more than 10%" in check.says
    assert ("$200,000 to $100,000" in check.says) is not passed


def test_planted_churn_rejects_a_better_model_and_is_named():
    churn = churn_of(LISTINGS, BEFORE, AFTER)
    better, champion = evaluation(0.2), evaluation(0.3)
    assert judge(better, champion, churn=churn).promote
    decision = judge(better, champion, Policy(most_churn=0.2), churn=churn)
    assert not decision.promote
    assert [reason for reason in decision.reasons if "recorded requests would move" in reason]
    assert len(decision.reasons) == 1


def test_no_request_passes_any_limit():
    assert churn_of([], np.array([]), np.array([])) is None
    check = churn_check(None, Policy(most_churn=0.0))
    assert check.passed
    assert "No request to the champion is recorded" in check.says


class Priced:
    """A bundle that prices a listing by its beds."""

    def __init__(self, per_bed):
        self.per_bed = per_bed

    def predict(self, columns):
        beds = np.nan_to_num(columns["bed"], nan=1.0)
        return SimpleNamespace(price=beds * self.per_bed)


def test_replay_prices_each_distinct_request_once_and_reads_it_by_the_rules():
    requests = [
        {"bed": 3, "state": "TX"},
        {"bed": "3", "state": "Texas"},
        {"bed": 2},
        {"bed": "many", "unknown": 1},
    ]
    churn = replay(requests, Priced(100_000.0), Priced(150_000.0), Policy())
    assert churn.requests == 3
    assert churn.moved == 1.0
    assert [dict(move.listing) for move in churn.worst] == [
        {"state": "Texas", "bed": 3.0},
        {"bed": 2.0},
        {},
    ]
    assert replay([], Priced(1.0), Priced(1.0), Policy()) is None


def test_card_lists_the_largest_moves():
    rows = largest_moves(churn_of(LISTINGS, BEFORE, AFTER))
    assert rows[0] == ["$200,000", "$100,000", "-50%", "city town 7"]
    assert len(rows) == 20


def test_setting_is_a_percentage(tmp_path):
    environ = {"TASADOR_HOME": str(tmp_path)}
    assert Settings.load(environ).churn_limit == 100
    with pytest.raises(ConfigurationError, match="TASADOR_CHURN_LIMIT is 101; it is a percentage"):
        Settings.load({**environ, "TASADOR_CHURN_LIMIT": "101"})
