"""Which promotion reconcile tries next, and when: pure, on histories of every shape."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tasador.rollout.choice import ENOUGH, choose, failures_of
from tests.kit.records import WHEN, make_decision, make_rollout

MINUTE = timedelta(minutes=1)


def promotion(number, version=None, **changes):
    version = version or number
    return make_decision(
        promotion=number, version=version, digest=f"d{version}", training_id=f"t{number}", **changes
    )


def attempt(number, outcome="failed", ago=MINUTE, service="predict", **changes):
    return make_rollout(
        promotion=number,
        outcome=outcome,
        service=service,
        reason="it is broken",
        started_at=WHEN - ago,
        finished_at=WHEN - ago,
        **changes,
    )


def chosen(promotions, attempts, serving):
    """The number of the chosen promotion, or None. Histories are given oldest first."""
    choice = choose(promotions[::-1], attempts[::-1], serving, WHEN)
    return choice and choice.decision.promotion


ONE_TO_THREE = [promotion(1), promotion(2), promotion(3)]


def test_newest_promotion_is_chosen_until_it_serves():
    assert chosen(ONE_TO_THREE, [], [0, 0]) == 3
    assert chosen(ONE_TO_THREE, [], [2, 2]) == 3
    assert chosen(ONE_TO_THREE, [], [3, 3]) is None
    assert chosen([], [], [0, 0]) is None


def test_failed_promotion_waits_while_an_older_one_serves_and_is_tried_again():
    fresh = [attempt(3)]
    assert chosen(ONE_TO_THREE[:2] + ONE_TO_THREE[2:], fresh, [2, 2]) is None
    assert chosen(ONE_TO_THREE, [attempt(3, ago=6 * MINUTE)], [2, 2]) == 3
    twice = [attempt(3, ago=60 * MINUTE), attempt(3, ago=6 * MINUTE)]
    assert chosen(ONE_TO_THREE, twice, [2, 2]) is None


def test_candidate_that_failed_with_traffic_is_not_tried_again_by_itself():
    steps = [{"step": "give it 10 % of the traffic", "seconds": 1.0, "says": "it failed"}]
    assert chosen(ONE_TO_THREE, [attempt(3, ago=600 * MINUTE, steps=steps)], [2, 2]) is None
    # Unless there is no model at all.
    assert chosen(ONE_TO_THREE, [attempt(3, ago=600 * MINUTE, steps=steps)], [0, 0]) == 3


def test_promotion_that_failed_once_and_served_later_comes_back():
    history = [attempt(3, ago=9 * MINUTE), attempt(3, "serving", ago=8 * MINUTE)]
    assert chosen(ONE_TO_THREE, history, [0, 0]) == 3


def test_older_promotion_serves_in_the_end_where_nothing_does():
    attempts = [attempt(3, ago=10 * MINUTE)]
    assert chosen(ONE_TO_THREE, attempts, [0, 0]) == 3
    attempts += [attempt(3, ago=5 * MINUTE)] * (ENOUGH - 1)
    assert chosen(ONE_TO_THREE, attempts, [0, 0]) == 2
    choice = choose(ONE_TO_THREE[::-1], attempts[::-1], [0, 0], WHEN)
    assert choice.over
    assert choice.why == (
        "promotion 3 (tasador-price@3) failed 3 times, the last time because it is broken"
    )


def test_one_deleted_service_comes_back_with_what_the_other_serves():
    assert chosen(ONE_TO_THREE, [], [0, 3]) == 3
    assert chosen(ONE_TO_THREE, [attempt(3)], [0, 2]) == 2
    assert chosen(ONE_TO_THREE, [attempt(3, ago=99 * MINUTE)], [0, 2]) == 2


def test_version_that_was_rolled_back_from_is_no_fallback():
    left = [
        promotion(1),
        promotion(2),
        promotion(3, version=1, decision="rolled_back", champion_version=2, champion_digest="d2"),
    ]
    failing = [attempt(3, ago=20 * MINUTE)] * ENOUGH
    assert chosen(left, failing, [0, 0]) == 3


numbers = st.integers(1, 6)
histories = st.lists(
    st.tuples(
        numbers,
        st.sampled_from(["failed", "serving", "superseded", "paused", "unchanged"]),
        st.sampled_from(["predict", "explain"]),
    ),
    max_size=25,
)


@given(st.integers(1, 6), histories, st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_every_state_heals(count, events, serving):
    """Whatever happened, some promotion is tried within the longest pause unless the newest serves.

    With the choice in service everywhere, nothing older is chosen next, so it does not flap.
    """
    promotions = [promotion(n) for n in range(1, count + 1)]
    serving = [number if number <= count else 0 for number in serving]
    attempts = [attempt(n, outcome, ago=400 * MINUTE, service=s) for n, outcome, s in events]
    choice = choose(promotions[::-1], attempts[::-1], serving, WHEN)
    if serving == [count, count]:
        assert choice is None
        return
    assert choice is not None
    number = choice.decision.promotion
    whole = serving[0] == serving[1] != 0
    if whole:
        assert number > serving[0]
    elif not failures_of(count, attempts[::-1]).count:
        assert number == count
    after = choose(promotions[::-1], attempts[::-1], [number, number], WHEN)
    assert after is None or after.decision.promotion > number
