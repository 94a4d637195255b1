"""Rollout: every outcome, on a platform and a warehouse in memory."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tasador.errors import BundleError, RolloutError, ServiceUnavailable
from tasador.rollout import canary, plan, service_rollout, verbs
from tasador.rollout.backend import ServiceState, Target
from tasador.rollout.canary import Responses
from tasador.rollout.plan import SERVICES, promoted_by_decision, revision_of
from tasador.rollout.verbs import Rollout
from tasador.settings import Settings
from tests.kit.records import make_decision


class Platform:
    """A backend in memory. ``refuses`` maps (operation, service) to the error that it raises."""

    def __init__(self):
        self.states = {name: ServiceState(name=name) for name in SERVICES}
        self.refuses = {}

    def _check(self, operation, service):
        if error := self.refuses.get((operation, service)):
            raise error

    def state(self, service):
        self._check("state", service)
        return self.states[service]

    def create(self, service, revision):
        self._check("create", service)
        state = self.states[service]
        if revision not in state.revisions:
            self.states[service] = replace(state, revisions=(*state.revisions, revision))

    def direct(self, service, traffic):
        if traffic == plan.all_to(self.states[service].revisions[-1].name):
            self._check("move", service)
        self.states[service] = replace(self.states[service], traffic=traffic)

    def start(self, service, revision, timeout):
        reason = self.refuses.get(("start", service), "")
        return not reason, reason

    def delete(self, service, revision):
        state = self.states[service]
        assert revision not in {target.revision for target in state.traffic}
        kept = tuple(r for r in state.revisions if r.name != revision)
        self.states[service] = replace(state, revisions=kept)

    def address(self, service, tag):
        return f"http://{tag}-{service}"


class Records:
    """A warehouse in memory: decisions and rollouts."""

    def __init__(self):
        self.decisions, self.rollouts = [], []

    @contextmanager
    def lock(self, name):
        yield

    def latest_promotion(self):
        return self.decisions[-1] if self.decisions else None

    def rollout_history(self, limit):
        return self.rollouts[::-1][:limit]

    def record_rollout(self, record):
        self.rollouts.append(record)
        return record


class World:
    """A Rollout with everything that it works with."""

    def __init__(self, home):
        self.platform, self.records, self.published = Platform(), Records(), []
        self.rollout = Rollout(
            backend=self.platform,
            warehouse=self.records,
            settings=Settings(home=home),
            publish=self.published.append,
        )

    def promote(self, number, version=1):
        """A stored promotion, and the model that it names."""
        decision = make_decision(promotion=number, version=version, training_id=f"t-{number}")
        self.records.decisions.append(decision)
        return promoted_by_decision(decision)

    def serve(self, number):
        model = self.promote(number)
        assert outcomes(self.rollout.roll_out(model)) == ["serving", "serving"]
        return model

    def traffic(self):
        """The traffic of both services, which must be the same except for the service's name."""
        shares = {
            tuple((t.revision.rpartition("-")[2], t.percent, t.tag) for t in state.traffic)
            for state in self.platform.states.values()
        }
        assert len(shares) == 1, shares
        return shares.pop()

    def events(self):
        return [(event.type, event.data["service"]) for event in self.published]


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(verbs, "fetch_bundle", lambda uri, digest, into, settings: Path(uri))
    monkeypatch.setattr(verbs, "golden_of", lambda bundle: [{"listing": {}, "price": 1.0}])
    monkeypatch.setattr(service_rollout, "smoke_test", lambda *_: "passed")
    return World(tmp_path)


def outcomes(records):
    return [record.outcome for record in records]


def test_promoted_model_gets_all_traffic(world):
    records = world.rollout.roll_out(world.promote(5))
    assert outcomes(records) == ["serving", "serving"]
    assert world.traffic() == (("00005", 100, ""),)
    assert world.records.rollouts == records
    assert world.events() == [("tasador.model.serving", name) for name in SERVICES]
    assert [step["step"] for step in records[0].steps] == [
        "fetch and verify the bundle",
        "create the revision",
        "tag it as candidate at 0 %",
        "start it",
        "smoke test",
        "move the traffic",
        "tidy up",
    ]


def test_repeated_rollout_is_unchanged(world):
    model = world.serve(5)
    world.published.clear()
    assert outcomes(world.rollout.roll_out(model)) == ["unchanged", "unchanged"]
    assert world.published == []


def test_older_promotion_is_superseded(world):
    older = world.promote(4)
    world.serve(5)
    records = world.rollout.roll_out(older)
    assert outcomes(records) == ["superseded", "superseded"]
    assert "predict-00005" in records[0].reason
    assert world.traffic() == (("00005", 100, ""),)


def test_promotion_superseded_in_one_service_rolls_nowhere(world):
    world.serve(5)
    world.platform.states["explain"] = ServiceState(name="explain")
    records = world.rollout.roll_out(world.promote(4))
    assert outcomes(records) == ["superseded", "superseded"]
    assert records[1].reason == "a later promotion is in service elsewhere"


@pytest.mark.parametrize("service", SERVICES)
def test_candidate_that_does_not_start_is_withdrawn_everywhere(world, service):
    world.serve(5)
    world.published.clear()
    world.platform.refuses["start", service] = "the digest differs"
    records = world.rollout.roll_out(world.promote(6))
    assert outcomes(records) == ["failed", "failed"]
    assert records[0].reason == f"{service}-00006 did not become ready: the digest differs"
    assert world.traffic() == (("00005", 100, ""),)
    assert [r.name for r in world.platform.states[service].revisions] == [f"{service}-00005"]
    assert world.events() == [("tasador.rollout.failed", name) for name in SERVICES]


def failing(error):
    def fail(*_):
        raise error

    return fail


def test_failed_smoke_test_keeps_the_old_model(world, monkeypatch):
    world.serve(5)
    error = RolloutError("13 of 14 golden rows")
    monkeypatch.setattr(service_rollout, "smoke_test", failing(error))
    records = world.rollout.roll_out(world.promote(6))
    assert outcomes(records) == ["failed", "failed"]
    smoke = next(step for step in records[0].steps if step["step"] == "smoke test")
    assert smoke["says"] == "13 of 14 golden rows"
    assert world.traffic() == (("00005", 100, ""),)


def test_damaged_bundle_keeps_the_old_model(world, monkeypatch):
    world.serve(5)
    monkeypatch.setattr(verbs, "fetch_bundle", failing(BundleError("model.ubj is damaged")))
    records = world.rollout.roll_out(world.promote(6))
    assert outcomes(records) == ["failed", "failed"]
    assert world.traffic() == (("00005", 100, ""),)


def test_traffic_moves_in_all_services_or_in_none(world):
    world.serve(5)
    world.platform.refuses["move", "explain"] = RolloutError("the route did not change")
    records = world.rollout.roll_out(world.promote(6))
    assert outcomes(records) == ["failed", "failed"]
    assert world.traffic() == (("00005", 100, ""),)


def test_unavailable_platform_is_not_a_failed_rollout(world):
    world.serve(5)
    model = world.promote(6)
    world.platform.refuses["create", "explain"] = ServiceUnavailable("no answer")
    with pytest.raises(ServiceUnavailable):
        world.rollout.roll_out(model)
    world.platform.refuses.clear()
    assert outcomes(world.rollout.roll_out(model)) == ["serving", "serving"]


def test_unavailable_broker_does_not_undo_a_rollout(world):
    rollout = replace(world.rollout, publish=failing(ServiceUnavailable("no broker")))
    assert outcomes(rollout.roll_out(world.promote(5))) == ["serving", "serving"]


def with_canary(world, monkeypatch, candidate):
    """A rollout with one canary step at 10 %; returns it and the traffic of that step."""
    traffic = []

    def watch(service, *_):
        traffic.append(world.platform.states[service].traffic)
        return candidate, Responses([0.01] * 20)

    monkeypatch.setattr(canary, "watch", watch)
    settings = replace(world.rollout.settings, canary="10:1")
    return replace(world.rollout, settings=settings), traffic


def test_canary_step_shares_the_traffic(world, monkeypatch):
    world.serve(5)
    rollout, traffic = with_canary(world, monkeypatch, Responses([0.01] * 20))
    assert outcomes(rollout.roll_out(world.promote(6))) == ["serving", "serving"]
    assert traffic[0] == (
        Target("predict-00005", 90, "stable"),
        Target("predict-00006", 10, "candidate"),
    )
    assert world.traffic() == (("00006", 100, ""),)


def test_failed_canary_step_returns_the_traffic(world, monkeypatch):
    world.serve(5)
    rollout, _ = with_canary(world, monkeypatch, Responses([], ["HTTP 500"] * 20))
    records = rollout.roll_out(world.promote(6))
    assert outcomes(records) == ["failed", "failed"]
    assert "at 10 % of the traffic 100% of its 20 requests failed" in records[0].reason
    assert world.traffic() == (("00005", 100, ""),)


def test_first_rollout_has_no_canary_steps(world, monkeypatch):
    rollout, traffic = with_canary(world, monkeypatch, Responses())
    assert outcomes(rollout.roll_out(world.promote(5))) == ["serving", "serving"]
    assert traffic == []


def test_old_revisions_are_pruned(world):
    for number in range(1, 7):
        world.serve(number)
    names = [revision.name for revision in world.platform.states["predict"].revisions]
    assert names == [f"predict-{number:05d}" for number in (3, 4, 5, 6)]


def test_reconcile_brings_in_a_promotion_whose_event_was_lost(world):
    assert world.rollout.reconcile() == []
    world.promote(5)
    assert outcomes(world.rollout.reconcile()) == ["serving", "serving"]
    assert world.rollout.reconcile() == []


def test_reconcile_leaves_a_failed_promotion_and_removes_its_candidates(world):
    world.serve(5)
    model = world.promote(6)
    world.platform.refuses["start", "explain"] = "the digest differs"
    world.rollout.roll_out(model)
    # As if the rollout had been interrupted before it withdrew its candidate.
    leftover = revision_of(model, "predict")
    world.platform.create("predict", leftover)
    state = world.platform.state("predict")
    world.platform.direct("predict", plan.with_candidate(state, leftover.name))
    world.platform.refuses.clear()
    assert world.rollout.reconcile() == []
    assert world.traffic() == (("00005", 100, ""),)
    assert leftover not in world.platform.states["predict"].revisions
