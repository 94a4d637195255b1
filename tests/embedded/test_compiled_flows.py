"""Every flow as Argo Workflows will get it: what is in the template is what a pod will have."""

import json
from pathlib import Path

import pytest

from tasador.events.event import ARGO_EVENTS
from tasador.operations import pipeline
from tasador.stores.lake import Lake
from tests.kit.flows import compiled

ROOT = Path(__file__).parents[2]
FLOWS = sorted(p.stem for p in (ROOT / "flows").glob("*.py") if p.stem != "deploy")


@pytest.fixture(scope="module", params=FLOWS)
def template(request, platform, tmp_path_factory):
    """The WorkflowTemplate that `argo-workflows create` makes of one flow."""
    Lake(platform).ensure_buckets()
    return compiled(request.param, platform, tmp_path_factory.mktemp("compiled"), ROOT)


def steps(template):
    return [t for t in template["spec"]["templates"] if t["name"] in graph(template)]


def graph(template):
    """The templates of the tasks; those of a foreach are in a graph within the flow's."""
    graphs = [t for t in template["spec"]["templates"] if "dag" in t]
    tasks = {task["template"] for graph in graphs for task in graph["dag"]["tasks"]}
    return tasks - {graph["name"] for graph in graphs}


def test_workflow_template_is_in_the_namespace_of_the_manifests(template):
    assert template["kind"] == "WorkflowTemplate"
    assert template["metadata"]["namespace"] == "tasador"
    assert len(steps(template)) >= 2


def test_no_step_sends_an_event_that_the_webhook_refuses(template):
    """Metaflow's own events at the end of a run have no token."""
    text = json.dumps(template)
    assert "auto-emit-argo-events=0" in text
    assert "auto-emit-argo-events=1" not in text


def test_every_step_has_image_account_and_secrets(template):
    for step in steps(template):
        container = step["container"]
        assert container["image"] == "flows:test"
        assert step["serviceAccountName"] == "flow"
        secrets = [s["secretRef"]["name"] for s in container["envFrom"]]
        assert secrets == ["tasador-endpoints", "tasador-flows"], step["name"]


def test_workflow_template_contains_no_secret(template, platform):
    text = str(template)
    for value in (platform.s3_secret_key, platform.database_url, platform.gateway_token):
        assert value
        assert value not in text


def test_every_step_has_resource_requests_and_retries(template):
    for step in steps(template):
        requests = step["container"]["resources"]["requests"]
        assert {"cpu", "memory", "ephemeral-storage"} <= set(requests), step["name"]
        # Limits are the namespace's (argo-workflows/limits.yaml); a request must fit in them.
        assert float(requests["memory"].removesuffix("M")) <= 4096, step["name"]
        assert float(requests["cpu"]) <= 2, step["name"]
        assert step["retryStrategy"]["limit"] >= 2, step["name"]


def test_argo_sensor_events_match_the_pipeline(template):
    annotations = template["metadata"]["annotations"]
    flow = annotations["metaflow/flow_name"]
    starts = {
        ARGO_EVENTS[kind]
        for kind, name in pipeline.STARTS.items()
        if pipeline.FLOW_CLASSES[name] == flow
    }
    triggers = json.loads(annotations.get("metaflow/triggers", "[]"))
    assert {trigger["name"] for trigger in triggers} == starts
