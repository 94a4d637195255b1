"""Rollout: every outcome, on a platform and a warehouse in memory."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tasador.clock import now
from tasador.errors import BundleError, RolloutError, ServiceUnavailable, StoreUnavailable
from tasador.records.loop import PauseRecord
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
        self.refuses, self.started, self.mirrored = {}, [], ""

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
        if traffic in [plan.all_to(r.name) for r in self.states[service].revisions[-1:]]:
            self._check("move", service)
        self.states[service] = replace(self.states[service], traffic=traffic)

    def start(self, service, revision, timeout, *, tag="candidate"):
        self.started.append((service, revision, tag))
        reason = self.refuses.get(("start", service), "")
        return not reason, reason

    def delete(self, service, revision):
        state = self.states[service]
        assert revision not in {target.revision for target in state.traffic}
        kept = tuple(r for r in state.revisions if r.name != revision)
        self.states[service] = replace(state, revisions=kept)

    def mirror(self, service, tag):
        assert service == "predict"
        self._check("mirror", service)
        self.mirrored = tag

    def address(self, service, tag):
        return f"http://{tag}-{service}"


class Records:
    """A warehouse in memory: decisions and rollouts."""

    def __init__(self):
        self.decisions, self.rollouts, self.pause, self.shadow = [], [], None, None

    @contextmanager
    def lock(self, name):
        yield

    def promotions(self, name):
        return [d for d in self.decisions[::-1] if d.model_name == name]

    def promotion(self, number):
        return next((d for d in self.decisions if d.promotion == number), None)

    def rollout_pause(self):
        return self.pause

    def open_shadow(self):
        is_open = self.shadow is not None and self.shadow.ended_at is None
        return self.shadow if is_open else None

    def mirror_to_shadow(self, shadow_id):
        assert shadow_id == self.shadow.shadow_id
        self.shadow = replace(self.shadow, mirroring_at=now())

    def end_shadow(self, by, reason):
        if self.open_shadow() is not None:
            self.shadow = replace(self.shadow, ended_at=now(), ended_by=by, reason=reason)
        return self.shadow

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
    settings = world.rollout.settings._replace(canary="10:1")
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
    state = world.platform.state("predict")
    leftover = revision_of(model, state)
    world.platform.create("predict", leftover)
    world.platform.direct("predict", plan.with_candidate(state, leftover.name))
    world.platform.refuses.clear()
    assert world.rollout.reconcile() == []
    assert world.traffic() == (("00005", 100, ""),)
    assert leftover not in world.platform.states["predict"].revisions


def later(world, **time):
    """Let time pass: every attempt of the past is that much older."""
    world.records.rollouts = [
        replace(r, finished_at=r.finished_at - timedelta(**time)) for r in world.records.rollouts
    ]


def test_forged_promotion_in_service_is_put_right(world):
    """The revision of a promotion that the history lacks has all traffic."""
    served = world.serve(5)
    forged = replace(served, digest="forged", uri="s3://elsewhere", promotion=1000)
    for service, state in world.platform.states.items():
        made = revision_of(forged, state)
        world.platform.create(service, made)
        world.platform.direct(service, plan.all_to(made.name))
    records = world.rollout.reconcile()
    assert outcomes(records) == ["serving", "serving"]
    assert (
        "predict-01000 had it with promotion 1000 of tasador-price@1, which ops.model_history "
        "does not hold"
    ) in records[0].reason
    assert world.traffic() == (("00005", 100, ""),)
    # Its revision is gone, so nobody sends traffic back to it by mistake.
    assert [r.name for r in world.platform.states["predict"].revisions] == ["predict-00005"]
    assert world.rollout.reconcile() == []


def test_promotion_after_a_restored_database_takes_over(world):
    """The numbers of the history start again, and the Services carry a later one."""
    for number in (7, 8):
        world.serve(number)
    world.records.decisions.clear()
    assert world.rollout.reconcile() == []
    model = world.promote(1)
    assert outcomes(world.rollout.roll_out(model)) == ["serving", "serving"]
    assert world.traffic() == (("00001", 100, ""),)


def test_promotion_with_a_number_that_was_given_out_before_takes_over(world):
    world.serve(7)
    world.records.decisions.clear()
    model = world.promote(7, version=9)
    assert outcomes(world.rollout.reconcile()) == ["serving", "serving"]
    serving = plan.in_service(world.platform.states["predict"])
    assert plan.model_of(serving) == model
    assert serving.name.startswith("predict-00007-")
    assert world.rollout.reconcile() == []


def test_unrecorded_model_is_not_rolled_out(world):
    model = world.serve(5)
    with pytest.raises(RolloutError, match="does not hold promotion 1000"):
        world.rollout.roll_out(replace(model, promotion=1000))
    with pytest.raises(RolloutError, match="does not hold promotion 5"):
        world.rollout.roll_out(replace(model, uri="s3://elsewhere"))


def test_other_registered_models_promotion_is_not_reconciled(world):
    world.serve(5)
    other = make_decision(promotion=6, model_name="another", training_id="t-6")
    world.records.decisions.append(other)
    assert world.rollout.reconcile() == []


@pytest.mark.parametrize("gone", [SERVICES, SERVICES[:1], SERVICES[1:]])
def test_deleted_services_come_back_although_the_newest_promotion_failed(world, gone):
    world.serve(5)
    world.promote(6)
    world.platform.refuses["start", "explain"] = "the digest differs"
    world.rollout.reconcile()
    world.platform.refuses.clear()
    for service in gone:
        world.platform.states[service] = ServiceState(name=service)
    later(world, minutes=1)
    records = world.rollout.reconcile()
    assert {record.outcome for record in records} <= {"serving", "unchanged"}
    assert world.traffic()[0][1] == 100
    rows = len(world.records.rollouts)
    assert world.rollout.reconcile() == []
    assert len(world.records.rollouts) == rows


def test_older_promotion_serves_if_the_newest_never_can(world):
    """Nothing serves and the newest bundle is lost: three attempts, then the one before."""
    world.serve(5)
    world.promote(6, version=2)
    for service in SERVICES:
        world.platform.states[service] = ServiceState(name=service)
    start = world.platform.start

    def only_five(service, revision, timeout):
        ready = revision.endswith("5")
        return start(service, revision, timeout) if ready else (False, "the bundle is gone")

    world.platform.start = only_five
    attempts = []
    while not world.platform.states["predict"].traffic:
        attempts += world.rollout.reconcile()
        later(world, minutes=2)
        assert len(attempts) < 20
    assert [r.promotion for r in attempts if r.service == "predict"] == [6, 6, 6, 5]
    assert "promotion 6 (tasador-price@2) failed 3 times" in attempts[-1].reason
    assert "the bundle is gone" in attempts[-1].reason
    assert world.traffic() == (("00005", 100, ""),)
    # The newest is tried again later, and serves once it can.
    world.platform.start = start
    assert world.rollout.reconcile() == []
    later(world, hours=6)
    assert outcomes(world.rollout.reconcile()) == ["serving", "serving"]
    assert world.traffic() == (("00006", 100, ""),)


def test_services_with_different_promotions_end_with_one(world):
    """The rollout of 6 was interrupted after one service had moved, and 6 fails in the other."""
    world.serve(5)
    model = world.promote(6, version=2)
    made = revision_of(model, world.platform.state("predict"))
    world.platform.create("predict", made)
    world.platform.direct("predict", plan.all_to(made.name))
    world.platform.refuses["start", "explain"] = "no room"
    promotions = []
    while len({s.traffic[0].revision[-1] for s in world.platform.states.values()}) > 1:
        promotions += [record.promotion for record in world.rollout.reconcile()]
        later(world, minutes=10)
        assert len(promotions) < 20
    assert world.traffic() == (("00005", 100, ""),)


def test_rollout_that_died_before_its_row_is_recorded(world):
    world.serve(5)
    world.records.rollouts.clear()
    world.published.clear()
    records = world.rollout.reconcile()
    assert outcomes(records) == ["serving", "serving"]
    assert "its rollout was interrupted" in records[0].reason
    assert world.events() == [("tasador.model.serving", name) for name in SERVICES]
    assert world.rollout.reconcile() == []


def test_bundle_that_the_store_does_not_give_leads_to_the_older_promotion(world, monkeypatch):
    """A broker repeats the event; nobody repeats reconcile, so it counts as a failure there."""
    world.serve(5)
    model = world.promote(6, version=2)
    down = failing(StoreUnavailable("HTTP 503"))
    monkeypatch.setattr(verbs, "fetch_bundle", down)
    with pytest.raises(StoreUnavailable):
        world.rollout.roll_out(model)
    for service in SERVICES:
        world.platform.states[service] = ServiceState(name=service)
    assert outcomes(world.rollout.reconcile()) == ["failed", "failed"]
    later(world, minutes=20)
    monkeypatch.setattr(verbs, "fetch_bundle", lambda uri, *_: Path(uri))
    assert outcomes(world.rollout.reconcile()) == ["serving", "serving"]
    assert world.traffic() == (("00006", 100, ""),)


def test_revision_of_the_same_bundle_at_another_address_serves_its_promotion(world):
    """The digest names the content, so a copied bundle is no other model."""
    model = world.promote(5)
    for service, state in world.platform.states.items():
        made = revision_of(replace(model, uri="s3://copy", correlation_id=""), state)
        world.platform.create(service, made)
        world.platform.direct(service, plan.all_to(made.name))
    assert outcomes(world.rollout.roll_out(model)) == ["unchanged", "unchanged"]


def split(world, *shares):
    for service in SERVICES:
        targets = tuple(Target(f"{service}-{n:05d}", percent) for n, percent in shares)
        world.platform.direct(service, targets)


def test_pause_leaves_a_split_made_by_hand(world):
    world.serve(5)
    world.serve(6)
    world.records.pause = PauseRecord(paused_by="ana", reason="a test")
    split(world, (5, 50), (6, 50))
    assert world.rollout.reconcile() == []
    records = world.rollout.roll_out(world.promote(7))
    assert outcomes(records) == ["paused", "paused"]
    assert "paused by ana" in records[0].reason
    assert "a test" in records[0].reason
    assert world.traffic() == (("00005", 50, ""), ("00006", 50, ""))
    world.records.pause = None
    assert outcomes(world.rollout.reconcile()) == ["serving", "serving"]
    assert world.traffic() == (("00007", 100, ""),)


def test_split_made_by_hand_is_undone_without_a_pause(world):
    world.serve(5)
    world.serve(6)
    split(world, (5, 50), (6, 50))
    world.rollout.reconcile()
    assert world.traffic()[0][1] == 100


def test_forced_rollback_is_rolled_out_once_during_a_pause(world):
    world.serve(5)
    world.serve(6)
    world.promote(7)
    world.records.pause = PauseRecord(paused_by="ana", reason="a test", forced_promotion=7)
    assert outcomes(world.rollout.reconcile()) == ["serving", "serving"]
    split(world, (6, 50), (7, 50))
    assert world.rollout.reconcile() == []
    assert world.traffic() == (("00006", 50, ""), ("00007", 50, ""))
