"""Rollouts from the event to the traffic, on the embedded platform with real models."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest

from tasador.clock import now
from tasador.errors import RolloutError, ServiceUnavailable, TasadorError
from tasador.events import build
from tasador.events.event import MODEL_REJECTED, MODEL_SERVING, ROLLOUT_FAILED
from tasador.events.publish import publish as publish_event
from tasador.model.bundle_writer import stamp_version
from tasador.model.model_ref import CANDIDATE
from tasador.operations.doctor import diagnose
from tasador.records.shadow import ShadowRecord
from tasador.rollout import pause as pauses
from tasador.rollout import plan
from tasador.rollout.backend import Target
from tasador.rollout.local import LocalBackend
from tasador.rollout.plan import promoted_by_decision, revision_of
from tasador.rollout.rollback import choose, roll_back
from tasador.rollout.shadow_report import read_shadow_report
from tasador.rollout.verbs import Rollout
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.records import make_decision
from tests.kit.scraping import scraped
from tests.kit.waiting import wait_for

SERVICES = plan.SERVICES


@pytest.fixture(scope="module")
def bundles(platform, tmp_path_factory):
    """Two models in the object store: version -> (manifest, uri); 9 is damaged there."""
    folder = tmp_path_factory.mktemp("bundles")
    lake, stored = Lake(platform), {}
    for version in (1, 2):
        manifest = make_bundle(folder / str(version), version=version, rows=400, seed=version)
        uri = f"s3://{platform.bucket_mlflow}/rollout/{version}/bundle"
        lake.upload_folder(folder / str(version), uri)
        stored[version] = (manifest, uri)
    manifest = stamp_version(folder / "2", "tasador-price", 9)
    model = folder / "2" / "model.ubj"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    uri = f"s3://{platform.bucket_mlflow}/rollout/9/bundle"
    lake.upload_folder(folder / "2", uri)
    stored[9] = (manifest, uri)
    return stored


@pytest.fixture(scope="module")
def world(platform, bundles):
    """All that a rollout needs, and shorthands for the tests."""
    with Warehouse(platform.database_url) as warehouse, LocalBackend(platform) as backend:
        publish = partial(publish_event, broker_url=platform.broker_url)
        rollout = Rollout(backend=backend, warehouse=warehouse, settings=platform, publish=publish)

        def decide(version, claimed=None):
            """A promotion as the train flow would store it."""
            manifest, uri = bundles[version]
            return warehouse.record_decision(
                make_decision(
                    version=claimed or version,
                    digest=manifest.digest,
                    model_uri=uri,
                    correlation_id=f"c-{version}",
                    training_id=uuid4().hex,
                )
            )

        def roll_back(version):
            """As ``tasador rollback`` does it, without a registry."""
            history = warehouse.model_history(1000, name=platform.model_name)
            decided = warehouse.record_decision(choose(history, version))
            publish(build.model_promoted(decided))
            return decided

        def outcomes(promotion, count=2):
            """The rollout records of a promotion, once there are ``count``."""

            def finished():
                rows = [r for r in warehouse.rollout_history(50) if r.promotion == promotion]
                return rows if len(rows) >= count else None

            return wait_for(finished, 90)

        with httpx.Client(base_url=platform.functions_url, timeout=60, trust_env=False) as client:
            yield SimpleNamespace(
                rollout=rollout,
                backend=backend,
                warehouse=warehouse,
                publish=publish,
                client=client,
                settings=platform,
                decide=decide,
                roll_back=roll_back,
                outcomes=outcomes,
            )


def changes(records):
    """The records that changed something. An event may start reload, which reconciles when it
    starts; the second of the two finds the service unchanged."""
    return [record for record in records if record.outcome != "unchanged"]


def in_service(world):
    """The promotion that serves, checked to be the same in both services, without tags."""
    promotions = set()
    for service in SERVICES:
        state = world.backend.state(service)
        assert [(t.percent, t.tag) for t in state.traffic] == [(100, "")]
        promotions.add(plan.promotion_of(plan.in_service(state)))
    assert len(promotions) == 1
    return promotions.pop()


def published(world, kind, promotion):
    """The events of a type about a promotion that reached the broker."""
    answer = httpx.get(
        f"{world.settings.gateway_admin_url}/events?limit=500",
        headers={"authorization": f"Bearer {world.settings.gateway_token}"},
        trust_env=False,
    )
    return [
        e for e in answer.json() if e["type"] == kind and e["data"].get("promotion") == promotion
    ]


def ensure(world):
    """Bring a model into service if none is; returns the number of its promotion."""
    if plan.in_service(world.backend.state("explain")) is None:
        serve(world, 1)
    return in_service(world)


def serve(world, version):
    """Bring a version into service."""
    decision = world.decide(version)
    records = world.rollout.roll_out(promoted_by_decision(decision))
    assert [r.outcome for r in records] == ["serving", "serving"], records
    return decision


def test_promoted_event_rolls_out_to_all_services(world, bundles):
    decision = world.decide(1)
    world.publish(build.model_promoted(decision))
    records = changes(world.outcomes(decision.promotion))
    assert {(r.service, r.outcome) for r in records} == {(s, "serving") for s in SERVICES}
    assert in_service(world) == decision.promotion
    answer = world.client.post("/predict", json={"bed": 3, "house_size": 1500}).json()
    assert answer["model"]["digest"] == bundles[1][0].digest
    assert answer["revision"] == f"predict-{decision.promotion:05d}"
    assert answer["correlation_id"] == "c-1"
    explanation = world.client.post("/explain", json={"bed": 3, "house_size": 1500}).json()
    assert explanation["price"] == pytest.approx(answer["price"])
    # The prediction is recorded; the trials of the candidate are not.
    wait_for(lambda: world.warehouse.prediction(answer["prediction_id"]))
    revisions = [p.revision for p in world.warehouse.predictions(500)]
    assert revisions.count(answer["revision"]) == 1
    for record in records:
        steps = [step["step"] for step in record.steps]
        assert steps[-4:] == ["start it", "smoke test", "move the traffic", "tidy up"]
        assert all(step["seconds"] >= 0 for step in record.steps)
    assert len(published(world, MODEL_SERVING, decision.promotion)) == 2


def test_replayed_promotion_is_unchanged_and_older_one_superseded(world):
    older, newer = world.decide(1), world.decide(2)
    for decision in (newer, older, newer):
        world.publish(build.model_promoted(decision))
    assert {r.outcome for r in world.outcomes(older.promotion)} == {"superseded"}
    outcomes = [r.outcome for r in world.outcomes(newer.promotion, 4)]
    assert sorted(outcomes) == ["serving", "serving", "unchanged", "unchanged"]
    assert in_service(world) == newer.promotion


def test_canary_steps_end_with_all_traffic(world):
    ensure(world)
    rollout = replace(world.rollout, settings=world.settings._replace(canary="10:2.5,50:2.5"))
    decision = world.decide(2)
    records = rollout.roll_out(promoted_by_decision(decision))
    assert [r.outcome for r in records] == ["serving", "serving"], records
    assert in_service(world) == decision.promotion
    for record in records:
        summaries = {step["step"]: step["says"] for step in record.steps}
        for percent in (10, 50):
            assert "candidate: 0 of" in summaries[f"give it {percent} % of the traffic"]


class UnreachableCandidate(LocalBackend):
    """The candidate cannot be reached once it has a share of the traffic."""

    shared = False

    def direct(self, service, traffic):
        self.shared = any(t.tag == plan.CANDIDATE and t.percent for t in traffic)
        super().direct(service, traffic)

    def address(self, service, tag):
        if self.shared and tag == plan.CANDIDATE:
            return f"http://127.0.0.1:{free_port()}"
        return super().address(service, tag)


def test_failing_canary_gives_its_traffic_back(world):
    good = ensure(world)
    with UnreachableCandidate(world.settings) as backend:
        settings = world.settings._replace(canary="20:3")
        rollout = replace(world.rollout, settings=settings, backend=backend)
        records = rollout.roll_out(promoted_by_decision(world.decide(2)))
    assert {r.outcome for r in records} == {"failed"}
    assert "at 20 % of the traffic 100% of its" in records[0].reason
    assert in_service(world) == good


def test_damaged_bundle_keeps_the_old_model_serving(world):
    good = ensure(world)
    version = world.client.get("/model").json()["version"]
    bad = world.decide(9)
    world.publish(build.model_promoted(bad))
    for record in world.outcomes(bad.promotion):
        assert record.outcome == "failed"
        assert "model.ubj" in record.reason
    assert in_service(world) == good
    assert world.client.post("/predict", json={}).json()["model"]["version"] == version
    events = wait_for(lambda: published(world, ROLLOUT_FAILED, bad.promotion))
    assert "model.ubj" in events[0]["data"]["reason"]
    # A failed promotion is not tried again automatically, only on request.
    assert world.rollout.reconcile() == []
    answer = world.client.post("/reload")
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert "model.ubj" in answer.json()["detail"]
    assert world.client.get("/ready").status_code == 200
    attempts = len(world.outcomes(bad.promotion))
    assert pauses.retry(world.settings).promotion == bad.promotion
    assert wait_for(lambda: len(world.outcomes(bad.promotion)) > attempts)
    assert in_service(world) == good


def test_candidate_that_never_becomes_ready_is_withdrawn(world):
    good = ensure(world)
    # The bundle is whole, but names another version than the promotion.
    bad = world.decide(1, claimed=77)
    records = world.rollout.roll_out(promoted_by_decision(bad))
    assert {r.outcome for r in records} == {"failed"}
    assert "MODEL_VERSION is 77" in records[0].reason
    assert in_service(world) == good
    for service in SERVICES:
        names = [r.name for r in world.backend.state(service).revisions]
        assert f"{service}-{bad.promotion:05d}" not in names


def test_reconcile_removes_leftover_candidates(world):
    good = ensure(world)
    model = promoted_by_decision(world.decide(1, claimed=77))
    world.rollout.roll_out(model)
    before = world.backend.state("predict")
    leftover = revision_of(model, before)
    world.backend.create("predict", leftover)
    world.backend.direct("predict", plan.with_candidate(before, leftover.name))
    assert world.rollout.reconcile() == []
    assert world.backend.state("predict") == before
    assert in_service(world) == good


def test_failure_in_one_service_keeps_all_on_the_old_model(world):
    good = ensure(world)
    decision = world.decide(2)

    class Refusing(LocalBackend):
        def start(self, service, revision, timeout, **options):
            if service == "explain":
                return False, "it refuses"
            return super().start(service, revision, timeout, **options)

    with Refusing(world.settings) as backend:
        records = replace(world.rollout, backend=backend).roll_out(promoted_by_decision(decision))
    assert {r.outcome for r in records} == {"failed"}
    assert "it refuses" in records[0].reason
    assert in_service(world) == good


@pytest.mark.parametrize("interrupted_at", ["direct", "address", "delete"])
def test_interrupted_rollout_is_finished_by_the_next_call(world, interrupted_at):
    ensure(world)
    decision = world.decide(2)
    model = promoted_by_decision(decision)

    class Interrupted(LocalBackend):
        """Fails at the second call of one operation, in the middle of the rollout."""

        calls = 0

    def interrupted(self, *args):
        self.calls += 1
        if self.calls == 2:
            raise ServiceUnavailable("the gateway is gone")
        return getattr(LocalBackend, interrupted_at)(self, *args)

    setattr(Interrupted, interrupted_at, interrupted)
    with Interrupted(world.settings) as backend:
        try:
            replace(world.rollout, backend=backend).roll_out(model)
        except ServiceUnavailable:
            pass
        else:
            assert interrupted_at == "delete"
    assert world.client.post("/predict", json={}).status_code == 200
    records = world.rollout.roll_out(model)
    assert {r.outcome for r in records} <= {"serving", "unchanged"}
    assert in_service(world) == decision.promotion


def test_rollout_completes_when_one_service_has_moved_already(world):
    ensure(world)
    decision = world.decide(2)
    model = promoted_by_decision(decision)
    revision = revision_of(model, world.backend.state("predict"))
    world.backend.create("predict", revision)
    world.backend.direct("predict", plan.all_to(revision.name))
    records = {r.service: r.outcome for r in world.rollout.roll_out(model)}
    assert records["explain"] == "serving"
    assert in_service(world) == decision.promotion


def test_reconcile_and_reload_make_up_for_a_lost_event(world):
    ensure(world)
    assert world.rollout.reconcile() == []
    lost = world.decide(2)
    assert [r.outcome for r in world.rollout.reconcile()] == ["serving", "serving"]
    assert in_service(world) == lost.promotion
    by_hand = world.decide(1)
    answer = world.client.post("/reload")
    assert answer.status_code == 200, answer.text
    assert answer.json()["promotion"] == by_hand.promotion
    assert {r["outcome"] for r in answer.json()["rollouts"]} <= {"serving", "unchanged"}
    assert in_service(world) == by_hand.promotion


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ('{"version": "2"}', 422, "version"),
        ('{"version": true}', 422, "version"),
        ('{"version": 123456}', 404, "123456"),
        ("{", 400, "JSON"),
        ("[1]", 422, "JSON object"),
    ],
)
def test_reload_refuses_bad_requests(world, body, status, message):
    answer = world.client.post("/reload", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    assert message in answer.text


def test_rollback_promotes_the_previous_version(world):
    first, second = serve(world, 1), serve(world, 2)
    back = world.roll_back(None)
    assert (back.decision, back.version, back.champion_version) == ("rolled_back", 1, 2)
    assert back.promotion > second.promotion
    assert back.digest == first.digest
    assert {r.outcome for r in changes(world.outcomes(back.promotion))} == {"serving"}
    assert world.client.post("/predict", json={}).json()["model"]["version"] == 1
    with pytest.raises(RolloutError, match="in service already"):
        world.roll_back(1)
    with pytest.raises(RolloutError, match="version 4321"):
        world.roll_back(4321)
    forward = world.roll_back(2)
    world.outcomes(forward.promotion)
    assert in_service(world) == forward.promotion


def test_rejected_version_cannot_serve_again(world):
    rejected = world.warehouse.record_decision(
        replace(
            world.decide(1),
            version=555,
            decision="rejected",
            reasons=["no better than noise"],
            training_id=uuid4().hex,
            decided_at=now() + timedelta(seconds=1),
            promotion=None,
        )
    )
    with pytest.raises(RolloutError, match="no better than noise"):
        world.roll_back(rejected.version)
    answer = world.client.post("/reload", json={"version": 555})
    assert answer.status_code == 409
    assert "rejected" in answer.text


def test_three_newest_old_revisions_are_kept(world):
    ensure(world)
    decisions = [world.decide(1) for _ in range(5)]
    for decision in decisions[:4]:
        model = promoted_by_decision(decision)
        world.backend.create("predict", revision_of(model, world.backend.state("predict")))
    world.rollout.roll_out(promoted_by_decision(decisions[-1]))
    kept = {r.name for r in world.backend.state("predict").revisions}
    assert kept == {f"predict-{d.promotion:05d}" for d in decisions[-4:]}


def test_malformed_promotion_events_are_refused(world):
    event = build.model_promoted(world.decide(1))
    for spoilt in (
        replace(event, data={}),
        replace(event, data={**event.data, "promotion": "x"}),
        replace(event, type=MODEL_REJECTED),
    ):
        answer = world.client.post(
            "/fn/reload/", content=json.dumps(spoilt.data), headers=spoilt.headers()
        )
        assert answer.status_code == 400


def test_local_backend_reports_an_unreachable_gateway(world):
    away = world.settings._replace(gateway_admin_url=f"http://127.0.0.1:{free_port()}/_admin")
    with LocalBackend(away) as backend, pytest.raises(ServiceUnavailable, match="did not answer"):
        backend.state("predict")
    stranger = world.settings._replace(gateway_token="wrong")
    with LocalBackend(stranger) as backend, pytest.raises(RolloutError, match="401"):
        backend.state("predict")


def test_forged_promotion_event_changes_nothing(world):
    """Only the number is believed, and a number that the history lacks is refused for good."""
    good = serve(world, 1).promotion
    forged = make_decision(promotion=1_000_000, model_uri="s3://elsewhere/bundle")
    event = build.model_promoted(forged)
    answer = world.client.post(
        "/fn/reload/", content=json.dumps(event.data), headers=event.headers()
    )
    assert answer.status_code == 422
    assert "promotion 1000000 is not in ops.model_history" in answer.json()["detail"]
    assert in_service(world) == good
    text = scraped(str(world.client.base_url), "reload")
    assert 'tasador_events_total{outcome="refused",type="tasador.model.promoted"} 1.0' in text
    # Other values under a recorded number: the recorded ones are rolled out.
    decision = world.decide(1)
    spoilt = build.model_promoted(replace(decision, digest="0" * 64, model_uri="s3://elsewhere"))
    world.publish(spoilt)
    assert {r.outcome for r in changes(world.outcomes(decision.promotion))} == {"serving"}
    answer = world.client.post("/predict", json={}).json()
    assert answer["model"]["digest"] == decision.digest


def test_service_with_a_forged_promotion_is_put_right(world):
    good = ensure(world)
    served = plan.model_of(plan.in_service(world.backend.state("predict")))
    forged = replace(served, promotion=900_000)
    for service in SERVICES:
        made = revision_of(forged, world.backend.state(service))
        world.backend.create(service, made)
        world.backend.direct(service, plan.all_to(made.name))
    newest = world.decide(2)
    answer = world.client.post("/reconcile")
    assert answer.status_code == 200, answer.text
    rows = answer.json()["rollouts"]
    assert {row["outcome"] for row in rows} == {"serving"}
    assert "promotion 900000" in rows[0]["reason"]
    assert in_service(world) == newest.promotion > good


def delete_traffic(world, *services):
    """As if the Service had been deleted: no traffic and no revision."""
    for service in services:
        world.backend.direct(service, ())
        for revision in world.backend.state(service).revisions:
            world.backend.delete(service, revision.name)


@pytest.mark.parametrize("gone", [SERVICES, ("predict",)])
def test_deleted_service_comes_back_although_the_newest_promotion_failed(world, gone):
    ensure(world)
    good = serve(world, 1).promotion
    # The bundle names another version than the promotion, so no candidate becomes ready.
    bad = world.decide(2, claimed=78)
    assert {r.outcome for r in world.rollout.roll_out(promoted_by_decision(bad))} == {"failed"}
    delete_traffic(world, *gone)
    attempts = []
    # Earlier attempts count as if they had been an hour ago, instead of waiting.
    patient = replace(world.rollout, clock=lambda: now() + timedelta(hours=len(attempts) + 1))
    while plan.in_service(world.backend.state("predict")) is None:
        attempts += patient.reconcile()
        assert len(attempts) < 10
    assert in_service(world) == good
    assert attempts[-1].promotion == good
    assert f"promotion {bad.promotion}" in attempts[-2].reason + attempts[-1].reason
    rows = len(world.warehouse.rollout_history(1000))
    assert world.rollout.reconcile() == []
    assert len(world.warehouse.rollout_history(1000)) == rows


def test_pause_leaves_a_hand_made_split_and_is_shown(world):
    older, newer = serve(world, 1), serve(world, 2)
    pauses.pause(world.settings, "a split by hand", by="ana")
    try:
        with pytest.raises(TasadorError, match="paused by ana"):
            pauses.pause(world.settings, "again")
        with pytest.raises(TasadorError, match=r"paused by ana.*rollout resume"):
            pauses.retry(world.settings)
        for service in SERVICES:
            names = [f"{service}-{d.promotion:05d}" for d in (older, newer)]
            world.backend.direct(service, tuple(Target(name, 50) for name in names))
        split = world.backend.state("predict").traffic
        assert world.client.post("/reconcile").json() == {"rollouts": []}
        waiting = world.decide(1)
        world.publish(build.model_promoted(waiting))
        assert {r.outcome for r in world.outcomes(waiting.promotion)} == {"paused"}
        answer = world.client.post("/reload")
        assert (answer.status_code, answer.json()["title"]) == (409, "Rollouts paused")
        assert world.backend.state("predict").traffic == split
        with pytest.raises(RolloutError, match=r"paused by ana.*--force"):
            roll_back(world.settings)
        rollouts = world.client.get("/metrics/summary").json()["rollouts"]
        assert rollouts["paused"]
        assert "a split by hand" in rollouts["message"]
        (shown,) = [d for d in diagnose(world.settings) if d.part == "rollouts"]
        assert shown.healthy
        assert "a split by hand" in shown.message
    finally:
        pauses.resume(world.settings)
    # The resumption announces the newest promotion again.
    assert wait_for(lambda: in_service_or_none(world) == waiting.promotion, 60)
    with pytest.raises(TasadorError, match="not paused"):
        pauses.resume(world.settings)


def test_shadow_prices_what_the_champion_answers_and_ends_with_the_next_rollout(world, bundles):
    serve(world, 1)
    manifest, uri = bundles[2]
    model = make_decision(version=2, digest=manifest.digest, model_uri=uri).model
    wanted = ShadowRecord(**model.write(CANDIDATE), started_by="ana")
    shadow = world.warehouse.start_shadow(wanted)
    assert world.warehouse.start_shadow(replace(wanted, digest="other")).digest == model.digest
    assert world.rollout.reconcile() == []
    state = world.backend.state("predict")
    assert [(t.percent, t.tag) for t in state.traffic] == [(100, ""), (0, "shadow")]
    # Neither the next check nor the promotion that serves ends it.
    assert world.rollout.reconcile() == []
    assert world.backend.state("predict") == state

    listings = [{"bed": 2 + number, "house_size": 900.0 + 200 * number} for number in range(4)]
    answers = [world.client.post("/predict", json=listing).json() for listing in listings]
    batch = world.client.post("/batch_predict", json={"listings": listings}).json()
    ids = {a["prediction_id"] for a in [*answers, *batch["predictions"]]}
    assert {a["model"]["version"] for a in answers} == {1}

    def report():
        found = read_shadow_report(world.warehouse)
        return found if found.compared >= len(ids) else None

    found = wait_for(report, 60)
    assert (found.compared, found.errors, found.served_versions) == (8, 0, (1,))
    assert found.churn.requests == 8
    assert found.latency_ms["p50"] > 0
    compared = world.warehouse.comparisons(shadow.digest, shadow.started_at, now(), 100)
    assert {each.prediction_id for each in compared} == ids
    direct = world.client.post("/fn/shadow-predict/predict", json=listings[0]).json()
    first = next(c for c in compared if c.prediction_id == answers[0]["prediction_id"])
    assert (first.served_price, first.price) == (answers[0]["price"], direct["price"])
    # The shadow does not compare what it answers itself at its address, and what it
    # said of others is no prediction.
    made = [p for p in world.warehouse.predictions(50) if p.prediction_id in ids]
    assert {p.model_version for p in made} == {1}

    serve(world, 2)
    ended = world.warehouse.newest_shadow()
    assert (ended.ended_by, ended.reason) == ("reload", "tasador-price@2 is rolled out")
    in_service(world)  # without a tag
    assert not plan.shadows(world.backend.state("predict"))
    assert read_shadow_report(world.warehouse).compared == 8


def test_shadow_that_cannot_load_its_bundle_ends_with_the_reason(world, bundles):
    serve(world, 1)
    manifest, uri = bundles[9]
    model = make_decision(version=9, digest=manifest.digest, model_uri=uri).model
    world.warehouse.start_shadow(ShadowRecord(**model.write(CANDIDATE), started_by="ana"))
    world.rollout.reconcile()
    ended = world.warehouse.newest_shadow()
    assert ended.mirroring_at is None
    assert "did not become ready" in ended.reason
    in_service(world)
    assert not plan.shadows(world.backend.state("predict"))


def in_service_or_none(world):
    numbers = {plan.promotion_of(plan.in_service(world.backend.state(s))) for s in SERVICES}
    return numbers.pop() if len(numbers) == 1 else None
