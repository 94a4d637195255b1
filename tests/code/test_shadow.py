"""A version that shadows: what reload does, what is compared, and what the report says."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from functions import shadow as function
from tasador.errors import RolloutError, ServiceUnavailable
from tasador.events import build
from tasador.events.comparisons import comparisons_of, prediction_compared
from tasador.events.event import PREDICTION_COMPARED, EventError
from tasador.model.model_ref import CANDIDATE
from tasador.records.shadow import ShadowRecord
from tasador.rollout import plan
from tasador.rollout import shadow as shadows
from tasador.rollout.backend import Target
from tasador.rollout.knative_objects import mirror_trigger
from tasador.rollout.shadow_report import shadow_report
from tasador.settings import Settings
from tests.code.test_rollout_verbs import outcomes, world  # noqa: F401
from tests.kit.records import WHEN, make_comparison, make_decision, make_prediction

MODEL = make_decision(version=8, digest="8" * 64).model
NAME = "predict-shadow-00008-88888888"


def shadowing(world):  # noqa: F811
    """The world with a version that is to shadow promotion 5."""
    world.serve(5)
    world.records.shadow = ShadowRecord(
        **MODEL.write(CANDIDATE), started_by="ana", shadow_id=1, started_at=WHEN
    )
    return world


def traffic(world):  # noqa: F811
    return world.platform.states["predict"].traffic


def test_reload_starts_the_shadow_without_traffic_and_mirrors_last(world):  # noqa: F811
    shadowing(world)
    assert world.rollout.reconcile() == []
    assert traffic(world) == (Target("predict-00005", 100), Target(NAME, 0, "shadow"))
    assert world.platform.started[-1] == ("predict", NAME, "shadow")
    assert world.platform.mirrored == "shadow"
    assert world.records.shadow.mirroring_at is not None
    assert world.platform.states["explain"].traffic == (Target("explain-00005", 100),)
    before = (dict(world.platform.states), len(world.platform.started))
    assert world.rollout.reconcile() == []
    assert outcomes(world.rollout.roll_out(plan.promoted_by_decision(world.records.decisions[0])))
    assert (dict(world.platform.states), len(world.platform.started)) == before


def test_a_rollout_ends_the_shadow(world):  # noqa: F811
    shadowing(world)
    world.rollout.reconcile()
    assert outcomes(world.rollout.roll_out(world.promote(6))) == ["serving", "serving"]
    assert world.records.shadow.reason == "tasador-price@1 is rolled out"
    assert world.platform.mirrored == ""
    assert world.traffic() == (("00006", 100, ""),)
    assert not plan.shadows(world.platform.states["predict"])


def test_a_stopped_shadow_is_removed_and_another_replaces_it(world):  # noqa: F811
    shadowing(world)
    world.rollout.reconcile()
    other = replace(MODEL, version=9, digest="9" * 64)
    world.records.shadow = ShadowRecord(**other.write(CANDIDATE), started_by="ben", shadow_id=2)
    world.rollout.reconcile()
    assert [t.revision for t in traffic(world)] == [
        "predict-00005",
        "predict-shadow-00009-99999999",
    ]
    assert plan.shadows(world.platform.states["predict"]) == ["predict-shadow-00009-99999999"]
    world.records.end_shadow("ben", "stopped by ben")
    world.rollout.reconcile()
    assert traffic(world) == (Target("predict-00005", 100),)
    assert world.platform.mirrored == ""


@pytest.mark.parametrize(
    ("operation", "error"), [("start", "the digest differs"), ("mirror", RolloutError("forbidden"))]
)
def test_a_shadow_that_cannot_run_ends_with_the_reason(world, operation, error):  # noqa: F811
    shadowing(world)
    world.platform.refuses[operation, "predict"] = error
    if operation == "mirror":
        mirror = world.platform.mirror
        world.platform.mirror = lambda service, tag: mirror(service, tag) if tag else None
    world.rollout.reconcile()
    assert str(error) in world.records.shadow.reason
    assert world.records.shadow.mirroring_at is None
    assert traffic(world) == (Target("predict-00005", 100),)
    assert not plan.shadows(world.platform.states["predict"])


def test_a_platform_that_does_not_answer_leaves_the_shadow_for_the_next_check(world):  # noqa: F811
    shadowing(world)
    world.platform.refuses["mirror", "predict"] = ServiceUnavailable("no answer")
    assert world.rollout.reconcile() == []
    assert world.records.open_shadow() is not None
    world.platform.refuses.clear()
    world.rollout.reconcile()
    assert world.records.shadow.mirroring_at is not None


def test_a_hand_made_split_keeps_its_shares(world):  # noqa: F811
    shadowing(world)
    split = (Target("predict-00005", 60), Target("predict-00004", 40, "old"))
    state = replace(world.platform.states["predict"], traffic=split)
    assert plan.with_shadow(state, NAME) == (*split, Target(NAME, 0, "shadow"))
    shadowed = replace(state, traffic=plan.with_shadow(state, NAME))
    assert plan.without_shadow(shadowed).traffic == split


def test_a_version_with_the_bundle_that_serves_cannot_shadow_it(monkeypatch, tmp_path):
    class History:
        """The gate rejected version 2, which a training on the same data made again."""

        def __init__(self, _url):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def model_history(self, *_args, **_options):
            return [make_decision(version=2, decision="rejected", promotion=2)]

        def latest_promotion(self, _name):
            return make_decision(version=1)

    monkeypatch.setattr("tasador.warehouse.warehouse.Warehouse", History)
    nowhere = dict.fromkeys(("broker_url", "s3_endpoint", "mlflow_url"), "http://127.0.0.1:9")
    settings = Settings(home=tmp_path, database_url="postgresql://127.0.0.1:9/x", **nowhere)
    with pytest.raises(RolloutError, match="version 2 has the same bundle as version 1"):
        shadows.start(settings, 2)


def test_trigger_on_a_cluster_mirrors_predictions():
    spec = mirror_trigger("http://shadow-predict.tasador.svc.cluster.local")["spec"]
    assert spec["filter"] == {"attributes": {"type": "tasador.prediction.made"}}
    assert spec["subscriber"] == {"uri": "http://shadow-predict.tasador.svc.cluster.local"}
    assert spec["delivery"]["retry"] == 1


class Bundle:
    """A model that prices a bedroom, and cannot price 13 of them."""

    manifest = None

    def predict_one(self, listing):
        if listing.bed == 13:
            raise ValueError("bed is\n13")
        return {"price": 100_000.0 * listing.bed}


@pytest.fixture
def served(monkeypatch):
    columns = {"model_name": "m", "model_version": 8, "model_digest": "8" * 64}
    monkeypatch.setattr(function.model, "served", lambda _: SimpleNamespace(columns=columns))
    monkeypatch.setattr(function.model, "revision", lambda: NAME)
    sent = []
    monkeypatch.setattr(function, "reply_event", lambda event: sent.append(event) or "reply")
    return sent


def prediction(bed, **changes):
    inputs = make_prediction().listing
    listing = {**dict.fromkeys(inputs, None), "bed": float(bed)}
    return make_prediction(
        **{"prediction_id": f"p-{bed}", "listing": listing, "price": 300_000.0, **changes}
    )


def test_shadow_replies_with_its_prices_and_errors(served):
    made = build.prediction_made([prediction(2), prediction(13), prediction(4)])
    assert function.compare(made, Bundle()) == "reply"
    (event,) = served
    assert (event.type, event.id) == (PREDICTION_COMPARED, made.id)
    records = comparisons_of(event.data)
    assert [r.price for r in records] == [200_000.0, None, 400_000.0]
    assert [r.error for r in records] == ["", "ValueError: bed is 13", ""]
    assert {(r.model_version, r.served_version, r.revision) for r in records} == {(8, 2, NAME)}
    assert records[0].latency_ms is not None
    assert records[1].latency_ms is None


def test_shadow_does_not_compare_itself(served):
    own = prediction(2, model_digest="8" * 64)
    assert function.compare(build.prediction_made([own]), Bundle()).status == 204
    assert served == []


def comparison(number=0, **changes):
    return make_comparison(prediction_id=f"p-{number}", listing={"bed": float(number)}, **changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"price": 0}, r"comparisons\[0\]\.price is not above zero"),
        ({"price": None}, "either a price or an error"),
        ({"error": "e"}, "either a price or an error"),
        ({"error": "e\n", "price": None}, "error is not a printable text"),
        ({"latency_ms": -1}, "latency_ms is not between"),
        ({"listing": []}, "listing is not a JSON object"),
        ({"served_version": "5"}, "served_version is not a version number"),
    ],
)
def test_comparisons_that_nobody_could_read_are_refused(change, message):
    event = prediction_compared([comparison()], build.prediction_made([prediction(2)]))
    (item,) = event.data["comparisons"]
    assert comparisons_of(event.data)
    with pytest.raises(EventError, match=message):
        comparisons_of({"comparisons": [{**item, **change}]})
    del item["revision"]
    with pytest.raises(EventError, match="revision is missing"):
        comparisons_of({"comparisons": [item]})
    for data in (None, [], {"comparisons": {}}, {"comparisons": [1]}):
        with pytest.raises(EventError):
            comparisons_of(data)


def test_report_counts_moves_errors_and_what_was_not_answered():
    shadow = ShadowRecord(
        **MODEL.write(CANDIDATE), started_by="ana", started_at=WHEN, mirroring_at=WHEN
    )
    moved = [comparison(n, price=260_000.0) for n in range(3)]
    wild = comparison(3, price=50_000.0, latency_ms=6.0)
    failed = [
        comparison(n, price=None, latency_ms=None, error="ValueError: no") for n in range(4, 6)
    ]
    report = shadow_report(shadow, [*moved, wild, *failed, comparison(9)], 9, 2)
    assert (report.requests, report.unanswered, report.compared, report.errors) == (9, 2, 7, 2)
    assert report.reasons == {"ValueError: no": 2}
    assert report.churn.moved == 0.8
    assert dict(report.churn.worst[0].listing) == {"bed": 3.0}
    assert report.latency_ms["p50"] == 0.6
    said = report.sentences
    assert said[1].startswith(
        "9 requests were mirrored and should be compared; 2 have no comparison, 2 of 7"
    )
    assert "80.0% of 5 values would move by more than 10%" in said[3]
    assert "compared with version 5" in said[3]
    ended = replace(shadow, ended_at=WHEN + timedelta(hours=1), reason="stopped by ana")
    nothing = shadow_report(replace(ended, mirroring_at=None), [], 0, 0)
    assert nothing.sentences[0].endswith("never started")
    assert nothing.sentences[1].endswith("stopped by ana")
    assert (nothing.churn, nothing.latency_ms) == (None, {})
