"""Real Prometheus and Alertmanager: every panel has data, and alerts of real faults come and go.

Prometheus scrapes the gateway, the function processes that the gateway lists, and the exporter. The
rules are the project's, with no waiting times and short windows.
"""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest

from cluster.monitoring import dashboards
from tasador.clock import now
from tasador.operations import exporter
from tasador.records.loop import DeadLetter, PauseRecord
from tasador.rollout.backend import Revision, Target
from tasador.rollout.local import LocalBackend
from tests.kit.models import make_bundle
from tests.kit.monitoring import monitoring
from tests.kit.network import free_port
from tests.kit.prometheus import needs
from tests.kit.records import (
    make_batch,
    make_decision,
    make_drift_record,
    make_monitor_record,
    make_prediction,
    make_rollout,
)
from tests.kit.scraping import targets
from tests.kit.waiting import wait_for

pytestmark = needs("prometheus", "alertmanager")

LONG_AGO = now() - timedelta(days=30)
REVISION = "predict-monitoring"


@pytest.fixture(scope="module")
def exported(database):
    """The exporter, which a test may stop and start; ``port`` is where it serves."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TASADOR_DATABASE_URL", database.database_url)
        # As on a cluster, where record stores the dead letters.
        patch.setenv("TASADOR_PLATFORM", "cluster")
        world = SimpleNamespace(port=port, running=None)

        def start():
            world.running = exporter.serve("127.0.0.1", port)

        def stop():
            server, thread = world.running
            server.shutdown()
            thread.join()
            server.server_close()

        world.start, world.stop = start, stop
        start()
        yield world
        stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("monitoring")


@pytest.fixture(scope="module")
def predicting(platform, folder):
    """predict with a model, behind the gateway."""
    make_bundle(folder / "bundle", rows=400)
    with LocalBackend(platform) as backend:
        before = backend.state("predict").traffic
        backend.create(
            "predict", Revision(name=REVISION, env={"MODEL_URI": str(folder / "bundle")})
        )
        backend.direct("predict", (Target(REVISION, 100),))
        ready, reason = backend.start("predict", REVISION, 60)
        assert ready, reason
        yield backend
        backend.direct("predict", before)
        backend.delete("predict", REVISION)


@pytest.fixture(scope="module")
def stack(platform, predicting, exported, folder):
    """Prometheus and Alertmanager; the functions have processes."""
    gateway = platform.functions_url
    with httpx.Client(base_url=gateway, timeout=60, trust_env=False) as client:
        for _ in range(3):
            assert client.post("/predict", json={"bed": 3}).status_code == 200
        for name in ("record", "reload"):
            client.get(f"/fn/{name}/ready")
        configs = [
            {
                "job_name": "functions",
                "http_sd_configs": [
                    {"url": f"{gateway}/_metrics/targets", "refresh_interval": "1s"}
                ],
            },
            {
                "job_name": "gateway",
                "metrics_path": "/_metrics/",
                "static_configs": [{"targets": [urlsplit(gateway).netloc]}],
                # Those of other tests; the exporter has this test's.
                "metric_relabel_configs": [
                    {
                        "source_labels": ["__name__"],
                        "regex": "tasador_dead_letters",
                        "action": "drop",
                    }
                ],
            },
            {
                "job_name": "exporter",
                "static_configs": [{"targets": [f"127.0.0.1:{exported.port}"]}],
            },
        ]
        with monitoring(folder, configs) as stack:
            stack.client = client
            yield stack


@pytest.fixture(scope="module")
def history(warehouse):
    """A loop that went well: a batch, a verdict, a rejection, a promotion, a rollout, a check."""
    at = now() - timedelta(minutes=10)
    batch = make_batch(fetched_at=at, rows_raw=100, rows_clean=95, rows_quarantined=5)
    warehouse.save_batch(replace(batch, status="ready", ready_at=now()))
    warehouse.mark_announced("b1")
    number = warehouse.begin_fetch("http://source", 5, "Tuesday")
    warehouse.finish_fetch(number, "received", batch, 0)
    scores = {"univariate": {"bed": {"value": 0.25}}}
    warehouse.record_drift(make_drift_record(decided_at=now(), scores=scores))
    checks = [{"name": "r2", "passed": False, "value": 0.3, "limit": 0.35, "says": ""}]
    warehouse.record_decision(
        make_decision(decision="rejected", checks=checks, decided_at=now(), training_id="1")
    )
    promoted = warehouse.record_decision(
        make_decision(
            version=3, decided_at=now(), training_id="2", checks=checks, metrics={"r2": 0.8}
        )
    )
    for service in ("predict", "explain"):
        warehouse.record_rollout(
            make_rollout(
                service=service,
                version=3,
                promotion=promoted.promotion,
                started_at=now(),
                finished_at=now(),
            )
        )
    warehouse.record_monitoring(
        make_monitor_record(
            looked_at=LONG_AGO,
            requested_training=False,
            hurts=False,
            estimated_error=0.2,
            usual_error=0.2,
        )
    )
    warehouse.log_predictions([make_prediction(predicted_at=now())])
    return promoted


def test_prometheus_finds_every_process_and_starts_none(platform, stack, history):
    def running():
        return {each["labels"]["function"] for each in targets(platform.functions_url)}

    def found():
        return {each["metric"]["function"] for each in stack.query('up{job="functions"} == 1')}

    # Other tests may have left record and reload at zero.
    wait_for(lambda: "predict" in found() and running() <= found(), 60)
    # Other tests may have left revisions of predict, and "up" may be of one of those.
    loaded = f'tasador_model_loaded{{function="predict",revision="{REVISION}"}}'
    wait_for(lambda: [each["value"][1] for each in stack.query(loaded)] == ["1"], 60)
    # Nobody has requested an explanation, so explain is at zero, and stays there.
    if "explain" not in running():
        assert "explain" not in found()


def test_every_panel_has_data(stack, history):
    """On one machine; panels of Knative, Argo and the kubelet need a cluster."""
    for _ in range(3):
        stack.client.post("/predict", json={"bed": 3})
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t"}
    headers["ce-type"] = "tasador.prediction.requested"
    assert stack.client.post("/broker", headers=headers, json={"bed": 3}).status_code == 202

    def empty():
        return [
            f"{dashboard.title}: {panel.title}: {query}"
            for dashboard in dashboards.dashboards()
            for panels in dashboard.rows.values()
            for panel in panels
            if panel.platform != "cluster"
            for query in panel.queries.values()
            if not stack.query(query.replace("$__rate_interval", "1m"))
        ]

    try:
        wait_for(lambda: not empty(), 60)
    except AssertionError:
        pytest.fail("without data: " + "\n".join(empty()))


def test_alerts_of_the_loop_come_with_their_faults_and_go_with_them(stack, warehouse, history):
    """Faults as they arise, all at once; then each is remedied as its runbook says."""
    wanted = {
        "ApprovalWaiting",
        "ChampionHurts",
        "DeadLetters",
        "FeedBroken",
        "FlowStalled",
        "NoNewBatch",
        "QuarantineHigh",
        "RolloutFailed",
        "RolloutsPaused",
    }
    wait_for(lambda: stack.query("tasador_warehouse_reachable == 1"), 60)
    assert not wanted & set(stack.alerts())
    # A batch half of which was refused, which drift found broken, and one without a verdict.
    broken = make_batch(
        batch_id="b2", batch_number=1, status="ready", rows_raw=10, rows_quarantined=5,
        fetched_at=now(), ready_at=now(),
    )  # fmt: skip
    warehouse.save_batch(broken)
    warehouse.refuse_batch("b2")
    stalled = make_batch(batch_id="b3", batch_number=2, fetched_at=now() - timedelta(hours=3))
    warehouse.save_batch(stalled)
    waiting = make_decision(
        version=4, digest="d4", decision="waiting", decided_at=LONG_AGO, training_id="3"
    )
    warehouse.record_decision(waiting)
    newest = warehouse.record_decision(
        make_decision(version=5, digest="d5", decided_at=now(), training_id="4")
    )
    failed = {"version": 5, "promotion": newest.promotion}
    # The version that waits is later than the promotion, else it would no longer wait.
    warehouse.record_decision(
        replace(waiting, version=6, digest="d6", training_id="5", promotion=None)
    )
    warehouse.record_rollout(make_rollout(outcome="failed", started_at=now(), **failed))
    warehouse.pause_rollouts(PauseRecord(paused_by="ana", reason="a test", paused_at=LONG_AGO))
    hurt = make_monitor_record(looked_at=now(), window_to=now(), requested_training=False)
    warehouse.record_monitoring(hurt)
    letter = DeadLetter(
        subscriber="record", source="/t", event_id="1", attributes={}, content_type="",
        body=b"", status=422, reason="a test", given_up_at=now(),
    )  # fmt: skip
    warehouse.save_dead_letter(letter)
    with warehouse._begin() as connection:  # nobody waits for a week
        connection.exec_driver_sql(
            "update ops.batches set announced_at = announced_at - interval '8 days'"
        )
    wait_for(lambda: wanted <= set(stack.alerts()), 150, what=f"{wanted} fire")
    for each in (alert for name in wanted for alert in stack.alerts()[name]):
        texts = each["annotations"]
        assert "error expanding" not in str(texts)
        assert texts["runbook_url"].startswith("http://docs/runbooks/#")
    # The remedies.
    warehouse.accept_batch("b2")
    fresh = make_batch(
        batch_id="b4", batch_number=3, status="ready", rows_raw=10, fetched_at=now(), ready_at=now()
    )
    warehouse.save_batch(fresh)
    warehouse.save_batch(replace(stalled, status="ready", ready_at=now()))
    for batch in ("b2", "b3", "b4"):
        warehouse.mark_announced(batch)
        warehouse.record_drift(
            make_drift_record(batch_id=batch, verdict="no_drift", decided_at=now())
        )
    warehouse.record_decision(
        replace(
            waiting, version=6, digest="d6", decision="declined", training_id="5",
            decided_at=now(), promotion=None,
        )
    )  # fmt: skip
    warehouse.record_rollout(make_rollout(started_at=now(), finished_at=now(), **failed))
    warehouse.resume_rollouts("ana")
    warehouse.record_monitoring(
        replace(hurt, hurts=False, window_to=now(), looked_at=now(), monitor_id=None)
    )
    (stored,) = warehouse.dead_letters()
    warehouse.mark_replayed(stored)
    left = wanted

    def ended():
        nonlocal left
        left = wanted & set(stack.alerts())
        return not left

    try:
        wait_for(ended, 150)
    except AssertionError:
        pytest.fail(f"still firing: {left}")


def test_a_lost_bundle_raises_an_alert_until_it_is_restored(stack, predicting, folder):
    """A process that starts without its bundle; the same one loads it once it is back."""
    broken = "predict-broken"
    away = folder / "away"
    predicting.create("predict", Revision(name=broken, env={"MODEL_URI": str(away)}))
    predicting.direct("predict", (Target(REVISION, 100), Target(broken, 0, "candidate")))
    try:
        ready, reason = predicting.start("predict", broken, 10)
        assert not ready
        assert "there is no folder" in reason

        def raised():
            """The alerts of this revision, and not of what other tests have left."""
            alerts = stack.alerts()
            revisions = [a["labels"]["revision"] for a in alerts.get("ModelNotLoaded", [])]
            return broken in revisions, "BundleBroken" in alerts

        wait_for(lambda: raised() == (True, True), 60)
        make_bundle(away, rows=400)
        wait_for(lambda: raised() == (False, False), 90)
    finally:
        predicting.direct("predict", (Target(REVISION, 100),))
        predicting.delete("predict", broken)


def test_an_exporter_that_is_down_or_blind_raises_an_alert(stack, exported, monkeypatch):
    exported.stop()
    wait_for(lambda: {"MetricsMissing", "TargetDown"} <= set(stack.alerts()), 60)
    # It runs again, but the warehouse does not answer.
    url = f"postgresql://nobody:x@127.0.0.1:{free_port()}/none"
    with monkeypatch.context() as patch:
        patch.setenv("TASADOR_DATABASE_URL", url)
        exported.start()
        wait_for(lambda: "WarehouseUnreachable" in stack.alerts(), 60)
        wait_for(lambda: "MetricsMissing" not in stack.alerts(), 60)
    exported.stop()
    exported.start()
    wait_for(lambda: not {"WarehouseUnreachable", "TargetDown"} & set(stack.alerts()), 60)


def test_the_watchdog_always_fires(stack):
    wait_for(lambda: "Watchdog" in stack.alerts(), 60)
