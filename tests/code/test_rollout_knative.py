"""KnativeBackend on an API server in memory that enforces the rules of Knative."""

import json

import httpx
import pytest

from tasador.errors import ConfigurationError, RolloutError, ServiceUnavailable
from tasador.records.shadow import SUBSCRIBERS
from tasador.rollout import plan
from tasador.rollout.backend import Revision, Target
from tasador.rollout.knative import KnativeBackend
from tasador.rollout.kube import KubeClient
from tasador.rollout.plan import CANDIDATE
from tests.kit.records import make_decision

NAMESPACE = "tasador"
SERVICES = f"/apis/serving.knative.dev/v1/namespaces/{NAMESPACE}/services"
REVISIONS = f"/apis/serving.knative.dev/v1/namespaces/{NAMESPACE}/revisions"
TEMPLATES = f"/api/v1/namespaces/{NAMESPACE}/podtemplates"
TRIGGERS = f"/apis/eventing.knative.dev/v1/namespaces/{NAMESPACE}/triggers"
ANNOTATIONS = {"autoscaling.knative.dev/initial-scale": "1"}


def template(image="predict:1"):
    """A PodTemplate as the API server returns it, with its defaults."""
    return {
        "metadata": {"name": "predict"},
        "template": {
            "metadata": {"annotations": ANNOTATIONS},
            "spec": {
                "containers": [
                    {
                        "name": "predict",
                        "image": image,
                        "env": [{"name": "K_SINK", "valueFrom": {"secretKeyRef": {}}}],
                    }
                ],
                "serviceAccountName": "function",
                "enableServiceLinks": False,
                "restartPolicy": "Always",
                "dnsPolicy": "ClusterFirst",
                "schedulerName": "default-scheduler",
                "securityContext": {},
            },
        },
    }


class Cluster:
    """Services and Revisions, with Knative's rules about names and traffic."""

    def __init__(self):
        self.templates = {"predict": template()}
        self.services, self.revisions, self.triggers, self.requests = {}, {}, {}, []
        self.ready = {}  # revision -> condition of its readiness, else ready at once
        self.failures = []

    def client(self):
        transport = httpx.MockTransport(self.answer)
        return KubeClient(httpx.Client(transport=transport, base_url="https://api"), NAMESPACE)

    def backend(self, probe=lambda url: (200, "")):
        return KnativeBackend(self.client(), probe=probe, pause=0.001)

    def answer(self, request):
        path, body = request.url.path, json.loads(request.content) if request.content else None
        self.requests.append((request.method, path, body))
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        kind, _, name = path.rpartition("/")
        if path == REVISIONS:
            return httpx.Response(200, json={"items": list(self.revisions.values())})
        objects = {
            SERVICES: self.services,
            REVISIONS: self.revisions,
            TEMPLATES: self.templates,
            TRIGGERS: self.triggers,
        }[kind]
        if request.method == "GET":
            return self.one(objects, name)
        if request.method == "DELETE":
            known = name in objects
            objects.pop(name, None)
            if kind == SERVICES:
                self.revisions.clear()
            elif kind == REVISIONS:
                self.reconcile()
            return httpx.Response(200 if known else 404, json={})
        if request.headers["content-type"] == "application/apply-patch+yaml":
            objects[name] = {**body, "metadata": {**body["metadata"], "generation": 1}}
        elif name not in objects:
            return httpx.Response(404, json={})
        else:
            assert request.headers["content-type"] == "application/json-patch+json"
            for operation in body:
                assert operation["op"] == "add"
                objects[name]["spec"][operation["path"].removeprefix("/spec/")] = operation["value"]
            objects[name]["metadata"]["generation"] += 1
        if kind == TRIGGERS:
            return httpx.Response(200, json=objects[name])
        total = sum(t["percent"] for t in objects[name]["spec"]["traffic"])
        if total != 100:
            return httpx.Response(400, json={"message": f"traffic sums to {total}, not 100"})
        self.reconcile()
        return httpx.Response(200, json=objects[name])

    def one(self, objects, name):
        return (
            httpx.Response(200, json=objects[name])
            if name in objects
            else httpx.Response(404, json={})
        )

    def reconcile(self):
        """Knative's controllers: create the revision that the template names, set the route."""
        for service in self.services.values():
            wanted = service["spec"]["template"]
            name = wanted["metadata"]["name"]
            if name not in self.revisions:
                condition = {"type": "Ready", **self.ready.get(name, {"status": "True"})}
                self.revisions[name] = {
                    "metadata": {"name": name, "annotations": wanted["metadata"]["annotations"]},
                    "spec": json.loads(json.dumps(wanted["spec"])),
                    "status": {"conditions": [condition]},
                }
            assert self.revisions[name]["spec"] == wanted["spec"], "name taken by another spec"
            service["status"] = {
                "observedGeneration": service["metadata"]["generation"],
                "conditions": [{"type": "RoutesReady", "status": "True"}],
                "traffic": service["spec"]["traffic"],
                "latestCreatedRevisionName": name,
            }


def revision(number):
    name = f"predict-{number:05d}"
    return Revision(name=name, env={"MODEL_PROMOTION": str(number), "MODEL_DIGEST": f"d{number}"})


def rolled(cluster, *numbers):
    """The cluster after these promotions, one after the other."""
    backend = cluster.backend()
    for number in numbers:
        before = backend.state("predict")
        made = revision(number)
        backend.create("predict", made)
        backend.direct("predict", plan.with_candidate(before, made.name))
        assert backend.start("predict", made.name, 5) == (True, "")
        backend.direct("predict", plan.all_to(made.name))
    return backend


def changes(cluster):
    return [(method, body) for method, _, body in cluster.requests if method != "GET"]


def test_state_before_the_first_promotion_is_empty():
    state = Cluster().backend().state("predict")
    assert (state.revisions, state.traffic) == ((), ())


def test_revision_is_the_pod_template_plus_the_model():
    cluster = Cluster()
    cluster.backend().create("predict", revision(1))
    spec = cluster.services["predict"]["spec"]["template"]["spec"]
    assert set(spec) == {
        "containers",
        "serviceAccountName",
        "enableServiceLinks",
        "timeoutSeconds",
    }
    assert spec["timeoutSeconds"] == 30
    assert spec["containers"][0]["image"] == "predict:1"
    assert [e["name"] for e in spec["containers"][0]["env"]] == [
        "K_SINK",
        "MODEL_PROMOTION",
        "MODEL_DIGEST",
    ]
    assert cluster.services["predict"]["spec"]["template"]["metadata"] == {
        "name": "predict-00001",
        "labels": {},
        "annotations": ANNOTATIONS,
    }


def test_annotation_of_the_pod_template_becomes_the_timeout_of_the_revision():
    cluster = Cluster()
    metadata = {"annotations": {**ANNOTATIONS, "tasador/timeout-seconds": "45"}}
    cluster.templates["predict"]["template"]["metadata"] = metadata
    cluster.backend().create("predict", revision(1))
    made = cluster.services["predict"]["spec"]["template"]
    assert made["spec"]["timeoutSeconds"] == 45
    # The annotation has become a field.
    assert made["metadata"]["annotations"] == ANNOTATIONS
    metadata["annotations"]["tasador/timeout-seconds"] = "soon"
    with pytest.raises(RolloutError, match="timeout-seconds of the PodTemplate predict is 'soon'"):
        cluster.backend().create("predict", revision(2))


def test_first_candidate_counts_as_having_no_traffic():
    cluster = Cluster()
    backend = cluster.backend()
    backend.create("predict", revision(1))
    backend.direct("predict", (Target("predict-00001", 0, CANDIDATE),))
    state = backend.state("predict")
    assert plan.in_service(state) is None
    assert state.traffic == (Target("predict-00001", 0, CANDIDATE),)
    backend.direct("predict", plan.all_to("predict-00001"))
    assert backend.state("predict").traffic == (Target("predict-00001", 100),)


def test_candidate_next_to_the_serving_revision():
    cluster = Cluster()
    backend = rolled(cluster, 1)
    before = backend.state("predict")
    backend.create("predict", revision(2))
    assert backend.state("predict").traffic == before.traffic
    backend.direct("predict", plan.with_candidate(before, "predict-00002"))
    state = backend.state("predict")
    assert state.traffic == (Target("predict-00001", 100), Target("predict-00002", 0, CANDIDATE))
    assert [(r.name, r.env["MODEL_DIGEST"]) for r in state.revisions] == [
        ("predict-00001", "d1"),
        ("predict-00002", "d2"),
    ]


def test_repeated_operations_change_nothing():
    cluster = Cluster()
    backend = rolled(cluster, 1, 2)
    cluster.requests.clear()
    backend.create("predict", revision(2))
    backend.direct("predict", plan.all_to("predict-00002"))
    assert changes(cluster) == []
    backend.delete("predict", "predict-00001")
    backend.delete("predict", "predict-00001")
    assert list(cluster.revisions) == ["predict-00002"]


def test_withdrawn_candidate_is_not_created_again():
    cluster = Cluster()
    backend = rolled(cluster, 1)
    before = backend.state("predict")
    backend.create("predict", revision(2))
    backend.direct("predict", plan.with_candidate(before, "predict-00002"))
    backend.direct("predict", plan.without_candidates(before))
    backend.delete("predict", "predict-00002")
    assert backend.state("predict") == before
    template = cluster.services["predict"]["spec"]["template"]
    assert template["metadata"]["name"] == "predict-00001"


def test_withdrawing_the_first_candidate_deletes_the_service():
    cluster = Cluster()
    backend = cluster.backend()
    backend.create("predict", revision(1))
    backend.direct("predict", ())
    backend.delete("predict", "predict-00001")
    assert (cluster.services, cluster.revisions) == ({}, {})


def test_revision_with_all_traffic_is_not_deleted():
    cluster = Cluster()
    backend = rolled(cluster, 1)
    with pytest.raises(RolloutError, match="predict-00001 is the only revision of predict"):
        backend.delete("predict", "predict-00001")
    assert list(cluster.revisions) == ["predict-00001"]


def test_failed_revision_reports_its_reason():
    cluster = Cluster()
    cluster.ready["predict-00001"] = {
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "the model cannot be loaded",
    }
    backend = cluster.backend()
    backend.create("predict", revision(1))
    ready, reason = backend.start("predict", "predict-00001", 5)
    assert not ready
    assert reason == "ProgressDeadlineExceeded: the model cannot be loaded"


@pytest.mark.parametrize(
    ("status", "reason"), [("Unknown", "Deploying"), ("False", "Unschedulable")]
)
def test_slow_revision_times_out(status, reason):
    cluster = Cluster()
    cluster.ready["predict-00001"] = {"status": status, "reason": reason}
    backend = cluster.backend()
    backend.create("predict", revision(1))
    assert backend.start("predict", "predict-00001", 0.05) == (False, f"after 0 s: {reason}")


def test_start_waits_until_the_tag_answers():
    cluster, probed = Cluster(), []

    def probe(url):
        probed.append(url)
        return (200, "") if len(probed) == 3 else (404, "")

    backend = cluster.backend(probe)
    backend.create("predict", revision(1))
    assert backend.start("predict", "predict-00001", 5) == (True, "")
    assert probed == ["http://candidate-predict.tasador.svc.cluster.local/ready"] * 3


def test_reason_of_an_unready_candidate_is_reported():
    cluster = Cluster()
    backend = cluster.backend(lambda url: (503, "the model is not loaded yet: HTTP 403"))
    backend.create("predict", revision(1))
    is_ready, reason = backend.start("predict", "predict-00001", 0.05)
    assert not is_ready
    assert reason.endswith("/ready answers 503 the model is not loaded yet: HTTP 403")


def test_token_that_was_replaced_is_read_again(tmp_path):
    cluster, token, seen = Cluster(), tmp_path / "token", []
    token.write_text("old")

    def answer(request):
        seen.append(request.headers["authorization"])
        if seen[-1] != "Bearer new":
            token.write_text("new")
            return httpx.Response(401, json={"message": "Unauthorized"})
        return cluster.answer(request)

    transport = httpx.MockTransport(answer)
    client = httpx.Client(base_url="https://api", transport=transport)
    with KnativeBackend(KubeClient(client, NAMESPACE, token), pause=0.001) as backend:
        assert backend.state("predict").traffic == ()
    assert seen == ["Bearer old", "Bearer new"]


def test_missing_pod_template_has_a_hint():
    cluster = Cluster()
    cluster.templates.clear()
    with pytest.raises(RolloutError, match="apply the manifests"):
        cluster.backend().create("predict", revision(1))


def test_api_refusal_raises_and_unavailability_is_retried():
    cluster = Cluster()
    backend = rolled(cluster, 1)
    cluster.failures = [httpx.Response(503), httpx.ConnectError("gone")]
    assert backend.state("predict").traffic == (Target("predict-00001", 100),)
    cluster.failures = [httpx.Response(403, json={"message": "reload may not"})]
    with pytest.raises(RolloutError, match=r"403: reload may not"):
        backend.state("predict")
    cluster.failures = [httpx.ConnectError("gone")] * 3
    with pytest.raises(ServiceUnavailable, match="gone"):
        backend.state("predict")


def test_client_outside_a_pod_is_refused(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigurationError, match="not in a pod"):
        KubeClient.of_this_pod()


def test_shadow_has_a_tag_without_traffic_and_a_trigger_that_names_it():
    cluster = Cluster()
    urls = []
    rolled(cluster, 7)
    backend = cluster.backend(probe=lambda url: urls.append(url) or (200, ""))
    before = backend.state("predict")
    model = make_decision(version=8, digest="8" * 64).model
    made = plan.shadow_revision(model, before)
    backend.create("predict", made)
    backend.direct("predict", plan.with_shadow(before, made.name))
    assert backend.start("predict", made.name, 5, tag=plan.SHADOW) == (True, "")
    assert urls == ["http://shadow-predict.tasador.svc.cluster.local/ready"]
    for _ in range(2):
        backend.mirror("predict", plan.SHADOW)
    (trigger,) = cluster.triggers.values()
    assert trigger["metadata"]["name"] == "shadow"
    assert trigger["spec"]["subscriber"] == {
        "uri": "http://shadow-predict.tasador.svc.cluster.local"
    }
    # record knows what it does not keep by these.
    assert {trigger["metadata"]["name"], "shadow-predict"} == SUBSCRIBERS
    state = backend.state("predict")
    assert state.traffic == (Target("predict-00007", 100), Target(made.name, 0, "shadow"))
    assert plan.without_shadow(state) == before
    for _ in range(2):
        backend.mirror("predict", "")
        backend.direct("predict", plan.without_shadow(state).traffic)
        backend.delete("predict", made.name)
    assert cluster.triggers == {}
    # Knative would create the revision again if the template still named it.
    assert backend.state("predict") == before
