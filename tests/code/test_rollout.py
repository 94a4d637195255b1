"""The decisions of a rollout: plan and canary, without a platform."""

import itertools
from dataclasses import replace
from functools import partial

import httpx
import pytest

from tasador.errors import ConfigurationError, TasadorError
from tasador.events.build import model_promoted
from tasador.events.event import Event, EventError
from tasador.rollout import canary, plan
from tasador.rollout.backend import Revision, ServiceState, Target
from tasador.rollout.plan import promoted_by_decision, promotion_in, revision_of
from tests.kit.records import make_decision

EMPTY = ServiceState(name="predict")
DECISION = make_decision(version=3, digest="d3", promotion=7)


def promoted(number, version=3):
    return promoted_by_decision(replace(DECISION, promotion=number, version=version))


def state(*numbers, traffic=(), extra=()):
    """A predict service with the revisions of these promotions."""
    revisions = tuple(revision_of(promoted(n), EMPTY) for n in numbers)
    return ServiceState(name="predict", revisions=(*revisions, *extra), traffic=tuple(traffic))


def serving(number, percent=100, tag=""):
    return Target(f"predict-{number:05d}", percent, tag)


@pytest.mark.parametrize("change", [{}, {"digest": "forged"}, {"version": "x", "model_uri": None}])
def test_only_the_number_is_read_from_an_event(change):
    event = model_promoted(DECISION)
    assert promotion_in(replace(event, data={**event.data, **change})) == 7


@pytest.mark.parametrize("number", [None, "7", True, 7.0, 0, -1, 2**63])
def test_promotion_event_without_a_number_is_refused(number):
    event = model_promoted(DECISION)
    with pytest.raises(EventError, match=r"data\.promotion"):
        promotion_in(replace(event, data={**event.data, "promotion": number}))


def test_other_events_and_rejections_promote_nothing():
    with pytest.raises(EventError, match=r"com\.other"):
        promotion_in(Event(type="com.other", source="s", id="1", data={}))
    with pytest.raises(EventError, match="object"):
        promotion_in(replace(model_promoted(DECISION), data=[]))
    with pytest.raises(TasadorError, match="was rejected"):
        promoted_by_decision(replace(DECISION, decision="rejected"))


def test_revision_has_promotion_number_and_model():
    made = revision_of(promoted(7), ServiceState(name="explain"))
    assert made.name == "explain-00007"
    assert made.env["MODEL_DIGEST"] == "d3"
    assert made == revision_of(promoted(7), ServiceState(name="explain"))
    assert plan.promotion_of(made) == 7
    assert plan.promotion_of(Revision(name="predict-by-hand", env={})) == 0


@pytest.mark.parametrize(
    ("current", "number", "step"),
    [
        (state(), 1, "roll"),
        (state(5, traffic=[serving(5)]), 6, "roll"),
        (state(5, traffic=[serving(5)]), 5, "nothing"),
        (state(5, traffic=[serving(5)]), 4, "superseded"),
        # If somebody has split the traffic by hand, the larger share counts.
        (state(5, 6, traffic=[serving(5, 90), serving(6, 10)]), 6, "roll"),
        (state(5, 6, traffic=[serving(5, 10), serving(6, 90)]), 6, "settle"),
        # Interrupted with the candidate tagged, and after the traffic has moved.
        (state(5, 6, traffic=[serving(5), serving(6, 0, "candidate")]), 6, "roll"),
        (state(5, 6, traffic=[serving(6), serving(5, 0, "candidate")]), 6, "settle"),
        (state(1, 2, 3, 4, 5, traffic=[serving(5)]), 5, "settle"),
        # A candidate that never served supersedes nothing.
        (state(9, traffic=[serving(9, 0, "candidate")]), 8, "roll"),
    ],
)
def test_next_step_from_the_state_of_the_service(current, number, step):
    history = {n: promoted(n) for n in range(1, 10)}
    assert plan.next_step(current, promoted(number), plan.served(current, history)) == step


def test_rollback_rolls_an_older_version():
    current = state(5, traffic=[serving(5)])
    assert plan.next_step(current, promoted(6, version=1), 5) == "roll"


@pytest.mark.parametrize(
    "history",
    [{}, {5: replace(promoted(5), digest="another")}, {5: replace(promoted(5), name="another")}],
)
def test_revision_without_its_recorded_promotion_supersedes_nothing(history):
    """A forged promotion, or a database that was restored: the recorded one takes its place."""
    current = state(5, traffic=[serving(5)])
    assert plan.served(current, history) == 0
    for number in (3, 5, 6):
        model = promoted(number, version=9)
        assert plan.next_step(current, model, plan.served(current, history)) == "roll"


def test_older_promotion_may_replace_a_later_one_that_does_not_serve_everywhere():
    current = state(5, traffic=[serving(5)])
    assert plan.next_step(current, promoted(4), 5, over=True) == "roll"


def test_revision_gets_another_name_if_another_model_has_it():
    restored = state(5, traffic=[serving(5)])
    other = promoted(5, version=9)
    made = revision_of(other, restored)
    assert made.name.startswith("predict-00005-")
    assert made == revision_of(other, restored)
    # It keeps that name after the other one is deleted.
    later = replace(restored, revisions=(made,))
    assert revision_of(other, later) == made
    assert revision_of(promoted(5), restored).name == "predict-00005"


def test_candidate_has_no_traffic_and_replaces_a_leftover_one():
    current = state(5, 6, 7, traffic=[serving(5), serving(6, 0, "candidate")])
    assert plan.with_candidate(current, "predict-00007") == (
        serving(5),
        serving(7, 0, "candidate"),
    )
    assert plan.without_candidates(current) == (serving(5),)


def test_canary_traffic_and_its_return():
    before = state(5, 6, traffic=[serving(5)])
    shared = plan.with_canary(before, "predict-00006", 10)
    assert shared == (serving(5, 90, "stable"), serving(6, 10, "candidate"))
    interrupted = state(5, 6, traffic=plan.with_canary(before, "predict-00006", 50))
    assert plan.next_step(interrupted, promoted(6), 5) == "roll"
    assert plan.without_candidates(interrupted) == (serving(5),)
    assert plan.candidates(interrupted) == ["predict-00006"]
    assert plan.with_candidate(interrupted, "predict-00006") == (
        serving(5),
        serving(6, 0, "candidate"),
    )


def test_read_canary_steps():
    assert canary.read_steps("") == ()
    steps = canary.read_steps("10:30, 50:2.5")
    assert [(step.percent, step.seconds) for step in steps] == [(10, 30.0), (50, 2.5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10", "PERCENT:SECONDS"),
        ("ten:30", "PERCENT:SECONDS"),
        ("0:30", "from 1 to 50"),
        ("60:30", "from 1 to 50"),
        ("10:-1", "not a time"),
        ("10:nan", "not a time"),
        ("50:5,10:5", "do not grow"),
        ("10:100,20:100", "more than 150 s"),
    ],
)
def test_invalid_canary_steps_name_the_problem(text, message):
    with pytest.raises(ConfigurationError, match=message):
        canary.read_steps(text)


def responses(milliseconds, count=50, failed=0, lost=0):
    failures = ["HTTP 500"] * failed + ["ReadTimeout"] * lost
    return canary.Responses([milliseconds / 1000] * (count - len(failures)), failures, lost)


@pytest.mark.parametrize(
    ("candidate", "stable", "message"),
    [
        (responses(5), responses(5), ""),
        (responses(60), responses(5), ""),
        (responses(61), responses(5), "takes 61 ms, compared with 5 ms"),
        (responses(390), responses(200), ""),
        (responses(5, failed=1), responses(5), "2% of its 50 requests failed"),
        (responses(5, count=200, failed=1), responses(5), ""),
        # A busy network lost one, which is a tenth of them.
        (responses(5, count=10, lost=1), responses(5, count=10), ""),
        (responses(5, count=10, lost=2), responses(5, count=10), "20% of its 10 requests failed"),
        (responses(5, count=10, lost=1, failed=1), responses(5), "20% of its 10 requests failed"),
        # A problem of both revisions is not the fault of the candidate.
        (responses(5, failed=20), responses(5, failed=20), ""),
        (responses(5, failed=50), responses(5), "100% of its 50"),
        (responses(5, count=3), responses(5), "only 3 requests"),
    ],
)
def test_judge_canary_by_errors_and_latency(candidate, stable, message):
    reason = canary.judge(candidate, stable)
    assert message in reason
    assert bool(message) == bool(reason)


@pytest.mark.parametrize(
    ("seconds_each", "requests"),
    [(0.125, 15), (1.0, 10), (3.0, 5)],
)
def test_canary_step_on_a_busy_machine_lasts_until_it_has_enough_requests(
    monkeypatch, seconds_each, requests
):
    """Two seconds were given: at most 15 more, and none where the requests are enough."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=transport))
    times = itertools.count()
    candidate, stable = canary.watch(
        "predict",
        "http://candidate",
        "http://stable",
        [{"listing": {}}],
        2.0,
        pause=lambda seconds: None,
        elapsed=lambda: next(times) * seconds_each,
    )
    assert (candidate.count, stable.count) == (requests, requests)
    assert bool(canary.judge(candidate, stable)) == (requests < 10)


def test_three_newest_old_revisions_are_kept():
    by_hand = Revision(name="predict-by-hand", env={})
    current = state(1, 2, 3, 4, 5, extra=[by_hand], traffic=[serving(5)])
    assert plan.to_prune(current, "predict-00005") == ["predict-00001", "predict-by-hand"]
    assert plan.to_prune(state(4, 5), "predict-00005") == []
    # A later number than the one that serves is of another database, or of a candidate that failed.
    assert plan.to_prune(state(4, 5, 1000), "predict-00005") == ["predict-01000"]
