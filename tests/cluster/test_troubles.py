"""Processes are killed in the middle of their work; retries and reconciliation recover."""

import time

import pytest

from tests.cluster.test_loop import SOURCE
from tests.cluster.test_rollout import promote, revisions, traffic, wait_for_outcomes
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(2400), kit.long]


@pytest.fixture(scope="module")
def served(loop):
    """A model is in service (test_loop.py runs first)."""
    assert kit.python("report(bool(warehouse.latest_promotion(settings.model_name)))"), (
        "run test_loop.py first"
    )


def all_to(number):
    """Whether the promotion gets all traffic."""
    return all(
        targets == [(f"{service}-{number:05d}", 100, "")] for service, targets in traffic().items()
    )


def kill_labelled(namespace, label):
    """Kill the pods with this label."""
    kit.kubectl(
        *("-n", namespace, "delete", "pod", "-l", label),
        *("--grace-period=0", "--force", "--wait=false"),
    )


def test_reload_killed_in_the_middle_of_a_rollout(served, healed):
    number = promote()
    kit.until("the candidate", lambda: f"predict-{number:05d}" in revisions(), 60, pause=0.2)
    kit.kill(*kit.pods("reload"))
    _, seconds = kit.until("all traffic moved", lambda: all_to(number), 300, pause=2)
    healed("reload killed in a rollout", seconds)
    wait_for_outcomes(number)


def test_broker_killed_with_a_promotion_in_it(served, healed):
    number = promote()
    kill_labelled("knative-eventing", "messaging.knative.dev/role=dispatcher")
    _, seconds = kit.until("all traffic moved", lambda: all_to(number), 300, pause=2)
    healed("the Broker's channel killed with a promotion in it", seconds)


def test_loop_completes_when_each_component_is_killed_once(served, measured):
    """Flow pods, Postgres, the event bus, the Broker, Argo's controller: the batch arrives."""
    before = len(kit.workflows("trainflow")), len(kit.workflows("driftflow"))
    promoted = kit.python("report(warehouse.latest_promotion(settings.model_name).promotion)")
    began = time.monotonic()
    workflow = kit.trigger("ingest", source_url=SOURCE)

    def running(name, step):
        nodes = (
            kit.get("workflow.argoproj.io", name).get("status", {}).get("nodes") or {}
        ).values()
        for node in nodes:
            if (node["type"], node.get("templateName"), node["phase"]) == ("Pod", step, "Running"):
                return f"{name}-{step}-{node['id'].rpartition('-')[2]}"
        return None

    def started(template, number):
        workflows = kit.workflows(template)
        return workflows[number]["metadata"]["name"] if len(workflows) > number else None

    pod, _ = kit.until("the pod of start", lambda: running(workflow, "start"), 180, pause=0.5)
    kit.kill(pod)
    kit.until("end runs", lambda: running(workflow, "end"), 300, pause=0.5)
    kit.kill("eventbus-default-js-0")
    for role in ("ingress", "filter"):
        kill_labelled("knative-eventing", f"eventing.knative.dev/brokerRole={role}")
    kit.until("ingested", lambda: kit.finished(kit.get("workflow.argoproj.io", workflow)), 400)
    drift, _ = kit.until("drift started", lambda: started("driftflow", before[1]), 300)
    kit.until("its judge runs", lambda: running(drift, "judge"), 180, pause=0.5)
    kit.kill("postgres-0")
    kit.until("drift judged", lambda: kit.finished(kit.get("workflow.argoproj.io", drift)), 600)
    train, _ = kit.until("training started", lambda: started("trainflow", before[0]), 300)
    pod, _ = kit.until("the pod of search", lambda: running(train, "search"), 180, pause=0.5)
    kit.kill(pod)
    kill_labelled("argo", "app=workflow-controller")
    kit.until("the pod of judge", lambda: running(train, "judge"), 400, pause=0.5)
    kit.kill(*kit.pods("reload"))
    kit.until("trained", lambda: kit.finished(kit.get("workflow.argoproj.io", train)), 600)
    decided = kit.python("report(dataclasses.asdict(warehouse.model_history(limit=1)[0]))")
    assert decided["promotion"] > promoted, decided
    if decided["decision"] == "promoted":
        kit.until("it serves", lambda: all_to(decided["promotion"]), 300, pause=2)
    measured["a batch on whose way everything was killed once"] = (
        f"{decided['decision']} after {time.monotonic() - began:.0f} s"
    )
    # One batch, one verdict, one decision: nothing was done twice.
    assert len(kit.workflows("driftflow")) == before[1] + 1
    batches = kit.python("report([b.correlation_id for b in warehouse.batches()])")
    assert decided["correlation_id"] == batches[-1]
