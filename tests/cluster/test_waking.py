"""The first request to a function without a process, compared with an empty one's in one run."""

import json
import statistics
import time

import pytest

from tests.cluster.test_rollout import LISTING, served, traffic  # noqa: F401
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(3000), kit.long]

TRIES = 10
AT_MOST = 1.3


@pytest.fixture(scope="module")
def empty(served):  # noqa: F811
    """A Service like predict's, of an image with an empty function."""
    name = traffic()["predict"][0][0]
    revision = kit.get("revision.serving.knative.dev", name)
    spec = revision["spec"]
    image = kit.build("empty", "tests/cluster/empty.Dockerfile", spec["containers"][0]["image"])
    container = {
        **spec["containers"][0],
        "name": "empty",
        "image": image,
        "readinessProbe": {"httpGet": {"path": "/health/readiness", "port": 8080}}
        | {k: v for k, v in spec["containers"][0]["readinessProbe"].items() if k != "httpGet"},
        "livenessProbe": {"httpGet": {"path": "/health/liveness", "port": 8080}},
    }
    scale = {
        name: value
        for name, value in revision["metadata"]["annotations"].items()
        if name.startswith("autoscaling.knative.dev/")
    }
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "empty"},
        "spec": {
            "template": {
                "metadata": {"annotations": scale},
                "spec": {**spec, "containers": [container]},
            }
        },
    }
    kit.kubectl("-n", kit.NAMESPACE, "apply", "-f", "-", stdin=json.dumps(service))
    kit.until(
        "the empty function",
        lambda: kit.condition(kit.get("services.serving.knative.dev", "empty"), "Ready") == "True",
        120,
    )
    yield
    kit.kubectl("-n", kit.NAMESPACE, "delete", "services.serving.knative.dev", "empty")


def cold(service, path):
    """Seconds of one request that has to start a process."""
    began = time.monotonic()
    answer = kit.request("POST", path, LISTING, service=service)
    seconds = time.monotonic() - began
    assert answer.status_code == 200, f"{service}: {answer.status_code} {answer.text[:200]}"
    return seconds


def any_pod(service):
    """Whether a process of the service is there, be it on its way in or out."""
    return bool(kit.get("pod", "", "-l", f"serving.knative.dev/service={service}"))


def test_cold_start_compared_with_an_empty_function(empty, measured):
    services = [("predict", "/predict"), ("empty", "/")]
    seconds = {"predict": [], "empty": []}
    for number in range(TRIES):
        # None at all, not even one that is about to end: it would take from the other.
        kit.until("no process", lambda: not any(map(any_pod, seconds)), 300)
        # The second request meets a busier machine, so the two take turns.
        for service, path in services if number % 2 else reversed(services):
            seconds[service].append(cold(service, path))
    for service, tries in seconds.items():
        measured[f"first request, {service} at zero"] = (
            f"median {statistics.median(tries):.2f} s ({min(tries):.2f} to {max(tries):.2f},"
            f" {len(tries)} tries)"
        )
    ratio = statistics.median(seconds["predict"]) / statistics.median(seconds["empty"])
    measured["first request, predict to empty"] = f"{ratio:.2f} times"
    assert ratio <= AT_MOST
