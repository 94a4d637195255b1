"""The exporter on the embedded platform: what the warehouse holds, as Prometheus reads it."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tasador.clock import now
from tasador.operations import exporter
from tasador.records.loop import PauseRecord
from tasador.rollout.verbs import LOCK
from tasador.warehouse.overview.figures import DEAD_LETTERS
from tasador.warehouse.overview.overview import FAMILIES
from tests.kit.logins import url_of
from tests.kit.network import free_port
from tests.kit.prometheus import check_metrics, needs
from tests.kit.records import (
    make_batch,
    make_decision,
    make_drift_record,
    make_monitor_record,
    make_prediction,
    make_rollout,
)
from tests.kit.waiting import wait_for


@pytest.fixture(scope="module")
def scrape(database, warehouse):
    """Reads the metrics: {(name, {labels}): value}, or the text."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TASADOR_DATABASE_URL", url_of(database, "exporter"))
        server, thread = exporter.serve("127.0.0.1", port)

        def read(*, text=False):
            answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=30)
            content = answer.raise_for_status().text
            if text:
                return content
            return {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in text_string_to_metric_families(content)
                for sample in family.samples
            }

        yield read
        server.shutdown()
        thread.join()
        server.server_close()


def value(found, name, **labels):
    return found.get((name, tuple(sorted(labels.items()))))


def test_an_empty_warehouse_has_no_alarm(scrape):
    found = scrape()
    assert value(found, "tasador_warehouse_reachable") == 1
    for stage in ("ingest", "drift", "train", "rollout"):
        assert value(found, "tasador_stage_waiting_seconds", stage=stage) == 0
    for service in ("predict", "explain"):
        assert value(found, "tasador_rollout_behind_seconds", service=service) == 0
        assert value(found, "tasador_rollout_failed_attempts", service=service) == 0
    assert value(found, "tasador_rollout_paused_seconds") == 0
    assert value(found, "tasador_rollout_lock_held_seconds") == 0
    assert value(found, "tasador_decisions_total", decision="promoted") == 0
    assert not any(name.startswith("tasador_promotion") for name, _ in found)


def test_every_answer_of_the_on_call(scrape, warehouse):
    """Batch, verdict, decision, failed rollout, rollout: each shows what waits and what serves."""

    def waits():
        found = scrape()
        stages = ("ingest", "drift", "train", "approval", "rollout")
        return {s for s in stages if value(found, "tasador_stage_waiting_seconds", stage=s) > 0}

    begun = now() - timedelta(hours=1)
    batch = make_batch(fetched_at=begun, rows_raw=100, rows_clean=90, rows_quarantined=10)
    warehouse.save_batch(batch)
    assert waits() == {"ingest"}
    assert value(scrape(), "tasador_stage_waiting_seconds", stage="ingest") > 3500
    warehouse.save_batch(replace(batch, status="ready", ready_at=now()))
    warehouse.mark_announced("b1")
    assert waits() == {"drift"}
    scores = {"univariate": {"bed": {"value": 0.25, "limit": 0.1}, "bath": {"value": None}}}
    verdict = make_drift_record(decided_at=now(), scores=scores)
    warehouse.record_drift(verdict)
    assert waits() == {"train"}
    checks = [
        {"name": "r2", "passed": True, "value": 0.8, "limit": 0.35, "says": ""},
        {"name": "coverage", "passed": False, "value": 0.7, "limit": 0.85, "says": ""},
    ]
    rejected = make_decision(decision="rejected", checks=checks, decided_at=now(), training_id="1")
    warehouse.record_decision(rejected)
    assert waits() == set()
    waiting = make_decision(version=3, decision="waiting", decided_at=now(), training_id="0")
    warehouse.record_decision(waiting)
    assert waits() == {"approval"}
    declined = replace(waiting, decision="declined", decided_at=now())
    warehouse.record_decision(declined)
    assert waits() == set()
    promoted = warehouse.record_decision(
        make_decision(version=3, decided_at=now(), training_id="2", metrics={"r2": 0.8})
    )
    assert waits() == {"rollout"}
    tried = {"version": 3, "promotion": promoted.promotion}
    for service in ("predict", "explain"):
        warehouse.record_rollout(
            make_rollout(service=service, outcome="failed", started_at=now(), **tried)
        )
    found = scrape()
    assert value(found, "tasador_rollout_failed_attempts", service="predict") == 1
    assert value(found, "tasador_rollout_behind_seconds", service="explain") > 0
    for service in ("predict", "explain"):
        warehouse.record_rollout(
            make_rollout(service=service, started_at=now(), finished_at=now(), **tried)
        )
    assert waits() == set()
    found = scrape()
    number = str(promoted.promotion)
    newest = value(
        found, "tasador_promotion_newest_timestamp_seconds", version="3", promotion=number
    )
    serving = value(
        found,
        "tasador_promotion_serving_timestamp_seconds",
        service="predict",
        version="3",
        promotion=number,
    )
    assert begun.timestamp() < newest < serving
    assert value(found, "tasador_rollout_failed_attempts", service="predict") == 0
    assert value(found, "tasador_rollout_behind_seconds", service="explain") == 0
    assert value(found, "tasador_rollout_attempts_total", service="predict", outcome="failed") == 1
    assert value(found, "tasador_decisions_total", decision="rejected") == 1
    assert value(found, "tasador_gate_check_failures_total", check="coverage") == 1
    assert value(found, "tasador_drift_verdicts_total", verdict="drift") == 1
    assert value(found, "tasador_drift_score", column="bed") == 0.25
    assert value(found, "tasador_drift_score", column="bath") is None
    assert value(found, "tasador_rows_total", result="quarantined") == 10
    assert value(found, "tasador_last_batch_quarantined_ratio") == 0.1
    assert value(found, "tasador_batches", state="ready") == 1
    measure = {"role": "promoted", "version": "3", "measure": "r2"}
    assert value(found, "tasador_model_measure", **measure) == 0.8
    assert value(found, "tasador_decisions_total", decision="declined") == 1
    assert value(found, "tasador_database_size_bytes") > 1e6
    assert 0 < value(found, "tasador_database_connections_ratio") < 1
    assert 0 < value(found, "tasador_drift_to_service_seconds") < 60
    for stage in ("ingest", "drift", "train", "rollout"):
        assert value(found, "tasador_stage_last_duration_seconds", stage=stage) >= 0


def test_a_refused_batch_waits_for_people_and_not_for_drift(scrape, warehouse):
    warehouse.save_batch(
        make_batch(batch_id="b2", batch_number=1, status="ready", fetched_at=now(), ready_at=now())
    )
    warehouse.mark_announced("b2")
    warehouse.refuse_batch("b2")
    found = scrape()
    assert value(found, "tasador_batches", state="refused") == 1
    assert value(found, "tasador_stage_waiting_seconds", stage="drift") == 0
    warehouse.accept_batch("b2")
    assert value(scrape(), "tasador_stage_waiting_seconds", stage="drift") > 0


def test_answers_by_revision_and_the_monitoring_check(scrape, warehouse):
    warehouse.log_predictions(
        [make_prediction(predicted_at=now(), revision=r) for r in ("p-1", "p-1", "p-2")]
    )
    warehouse.record_monitoring(make_monitor_record(looked_at=now(), realised_error=0.3))
    found = scrape()
    counts = {
        dict(labels)["revision"]: count
        for (name, labels), count in found.items()
        if name == "tasador_recorded_predictions"
    }
    assert counts == {"p-1": 2, "p-2": 1}
    assert value(found, "tasador_monitor_error", kind="realised") == 0.3
    assert value(found, "tasador_monitor_hurts") == 1
    assert value(found, "tasador_stage_waiting_seconds", stage="train") > 0


def test_pause_and_lock_show_how_long(scrape, warehouse):
    begun = now() - timedelta(minutes=10)
    warehouse.pause_rollouts(PauseRecord(paused_by="ana", reason="a look", paused_at=begun))
    assert value(scrape(), "tasador_rollout_paused_seconds") >= 600
    with warehouse.lock(LOCK):
        assert wait_for(lambda: value(scrape(), "tasador_rollout_lock_held_seconds"))
    assert wait_for(lambda: value(scrape(), "tasador_rollout_lock_held_seconds") == 0)


def test_dead_letters_are_counted_where_record_stores_them(scrape, monkeypatch):
    """On one machine the gateway has them, and exports the same metric."""
    assert value(scrape(), "tasador_dead_letters") is None
    monkeypatch.setenv("TASADOR_PLATFORM", "cluster")
    assert value(scrape(), "tasador_dead_letters") == 0


@needs("promtool")
def test_metrics_follow_the_conventions(scrape):
    check_metrics(scrape(text=True))


def test_a_database_that_is_down_is_a_metric_and_not_an_error(scrape, monkeypatch):
    monkeypatch.setenv("TASADOR_DATABASE_URL", f"postgresql://x:y@127.0.0.1:{free_port()}/z")
    (metric,) = exporter.Exporter().collect()
    assert (metric.name, metric.samples[0].value) == ("tasador_warehouse_reachable", 0)


def test_every_family_is_exported_once():
    names = [family.name for family in (*FAMILIES, *DEAD_LETTERS)]
    assert len(set(names)) == len(names)
    assert all(
        name.endswith("_total") == (f.kind == "counter")
        for name, f in zip(names, (*FAMILIES, *DEAD_LETTERS), strict=True)
    )
