"""Prometheus, as the project installs it, finds the processes of functions at 1, 3 and 0 pods.

Its rules remember a minute here, since a test waits until an alert has ended.
"""

import json
import os
import re
import time
from urllib.parse import quote

import pytest

from tests.cluster.test_rollout import LISTING, promote, served, wait_for_outcomes  # noqa: F401
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(1200), kit.long]

MONITORING = "cluster/environments/test/monitoring"
RULES = ("alerts.yaml", "slos.yaml")
SCALE = "autoscaling.knative.dev/{}-scale"
SCRAPES = 3 * 15  # seconds; cluster/monitoring/prometheus.yml


@pytest.fixture(scope="module")
def prometheus(served, tmp_path_factory):  # noqa: F811
    """A function that returns the series of a query, each with labels and a value."""
    overlay = tmp_path_factory.mktemp("monitoring")
    for name in RULES:
        text = (kit.ROOT / "cluster" / "monitoring" / "rules" / name).read_text()
        (overlay / name).write_text(re.sub(r"(\[|offset )(10m|15m|1h|7d)", r"\g<1>1m", text))
    (overlay / "kustomization.yaml").write_text(
        "namespace: monitoring\n"
        f"resources: [{os.path.relpath(kit.ROOT / MONITORING, overlay.resolve())}]\n"
        "configMapGenerator:\n"
        f"  - {{name: prometheus-rules, behavior: replace, files: {list(RULES)}}}\n"
    )
    kit.kubectl("apply", "-k", str(overlay))
    for name in ("prometheus", "alertmanager"):
        kit.kubectl("-n", "monitoring", "rollout", "status", f"sts/{name}", "--timeout=180s")

    def query(expression):
        answer = ask("prometheus:9090", f"api/v1/query?query={quote(expression)}")
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    yield query
    kit.kubectl("delete", "--ignore-not-found", "--wait=false", "-k", str(overlay))


def ask(service, path):
    """The answer of a service of the namespace monitoring, through Kubernetes' API."""
    address = f"/api/v1/namespaces/monitoring/services/{service}/proxy/{path}"
    return json.loads(kit.kubectl("get", "--raw", address))


def firing():
    """The names of the alerts that Alertmanager has."""
    return {each["labels"]["alertname"] for each in ask("alertmanager:9093", "api/v2/alerts")}


def between(least, most):
    """Promote version 1 to a revision of predict with so many processes; its name."""
    annotations = {SCALE.format("min"): str(least), SCALE.format("max"): str(most)}
    kit.patch("podtemplate", "predict", {"template": {"metadata": {"annotations": annotations}}})
    promotion = promote()
    results, _ = wait_for_outcomes(promotion)
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    return f"predict-{promotion:05d}"


def value(series):
    """The value of the only series."""
    ((_, text),) = [each["value"] for each in series]
    return float(text)


def test_every_process_is_found_and_asking_starts_none(prometheus, measured):
    template = kit.get("podtemplate", "predict")["template"]
    most = template["metadata"]["annotations"][SCALE.format("max")]
    try:
        for number in (1, 3):
            revision = between(number, number)
            up = f'up{{job="functions",function="predict",revision="{revision}"}} == 1'
            _, seconds = kit.until(
                f"{number} targets", lambda n=number, q=up: len(prometheus(q)) == n, 240, pause=5
            )
            measured[f"Prometheus scrapes predict at {number} pods after"] = f"{seconds:.0f} s"
            pods = {each["metric"]["pod"] for each in prometheus(up)}
            assert pods == set(running(revision))
            # Each process has its own counter; one that answers for another would be missed here.
            for _ in range(30):
                assert kit.request("POST", "/predict", LISTING).status_code == 200
            asked = f'sum(tasador_predictions_total{{revision="{revision}"}})'
            kit.until("30 predictions", lambda q=asked: value(prometheus(q)) >= 30, 120, pause=5)
    finally:
        between(0, most)
    kit.until("predict at zero", lambda: not kit.pods("predict"), 300, pause=3)
    up = 'up{job="functions",function="predict"}'
    kit.until("no target", lambda: prometheus(up) == [], 400, pause=5)
    before = value(prometheus("sum(tasador_recorded_predictions)"))
    began = time.monotonic()
    while time.monotonic() - began < SCRAPES:
        assert kit.pods("predict") == []
        time.sleep(3)
    # At zero the warehouse still tells what was predicted, and nothing is taken for a fault.
    assert value(prometheus("sum(tasador_recorded_predictions)")) >= before > 0
    names = "TargetDown|ModelNotLoaded|MetricsMissing"
    alerts = prometheus(f'ALERTS{{alertname=~"{names}",alertstate="firing"}}')
    assert [each for each in alerts if each["metric"].get("job") == "functions"] == []
    assert [each for each in alerts if each["metric"]["alertname"] != "TargetDown"] == []


def running(revision):
    """The names of a revision's pods."""
    found = kit.get("pod", "", "-l", f"serving.knative.dev/revision={revision}")
    return [p["metadata"]["name"] for p in found if "deletionTimestamp" not in p["metadata"]]


def knative_exports():
    """Whether Knative exports metrics, as cluster/addons has it; by default it exports none."""
    data = [
        json.loads(kit.kubectl("-n", space, "get", "cm", "config-observability", "-o", "json"))[
            "data"
        ]
        for space in ("knative-serving", "knative-eventing")
    ]
    return all(each.get("metrics-protocol") == "prometheus" for each in data)


def test_every_part_of_the_platform_is_scraped_once(prometheus):
    wanted = {"functions", "platform", "argo-workflows", "argo-events", "kubelet"}
    wanted |= {"prometheus", "alertmanager", *(["knative"] if knative_exports() else [])}
    assert kit.request("POST", "/predict", LISTING).status_code == 200

    def all_up():
        up = {each["metric"]["job"] for each in prometheus("up == 1")}
        assert wanted <= up, wanted - up
        return True

    kit.until("all jobs", all_up, 180, pause=5)
    found = ask("prometheus:9090", "api/v1/targets?state=active")["data"]["activeTargets"]
    urls = [each["scrapeUrl"] for each in found]
    assert len(urls) == len(set(urls)), sorted(urls)


def test_a_workflow_that_fails_raises_an_alert_which_ends(prometheus, measured):
    kit.until("Alertmanager has the watchdog", lambda: "Watchdog" in firing(), 120, pause=3)
    assert "FlowFailed" not in firing()
    kit.until("the controller's metrics", lambda: prometheus("argo_workflows_gauge"), 120, pause=3)
    # It names no step, so the controller refuses it and no pod is started.
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "wrong", "namespace": kit.NAMESPACE},
        "spec": {"entrypoint": "missing", "templates": []},
    }
    kit.kubectl("apply", "-f", "-", stdin=json.dumps(workflow))
    try:
        _, seconds = kit.until("FlowFailed", lambda: "FlowFailed" in firing(), 180, pause=3)
        measured["a workflow that failed: in Alertmanager after"] = f"{seconds:.0f} s"
    finally:
        kit.kubectl("-n", kit.NAMESPACE, "delete", "workflow.argoproj.io", "wrong")
    kit.until("its end", lambda: "FlowFailed" not in firing(), 600, pause=5)
