"""The metrics of the functions: Prometheus' conventions, each function's own, on their own port."""

import httpx
import pytest

from functions.observability import _REQUEST_SECONDS
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.prometheus import check_metrics, needs
from tests.kit.waiting import wait_for

PREFIXES = {
    "predict": {"model", "prediction", "predictions", "recordings"},
    "explain": {"model", "explainer"},
    "record": {"stores", "store"},
    "reload": {"stores", "store", "rollouts"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics") / "bundle"
    make_bundle(folder, rows=400)
    return folder


@pytest.fixture(scope="module", params=sorted(PREFIXES))
def metrics(request, folder, tmp_path_factory):
    """(name, text): the metrics of a function after a request, a rejected one and probes.

    record and reload have no database, and say so.
    """
    name = request.param
    home = tmp_path_factory.mktemp(name)
    with function(name, home, MODEL_URI=str(folder)) as client:
        if name in ("predict", "explain"):
            wait_for(lambda: is_ready(client))
            assert client.post(f"/{name}", json={"bed": 3}).status_code == 200
        else:
            wait_for(lambda: "TASADOR_DATABASE_URL" in client.get("/ready").text)
        assert client.post("/nowhere", json={}).status_code == 404
        # Not on the port that the ingress reaches; and nothing else on theirs.
        assert client.get("/metrics").status_code == 404
        assert httpx.get(client.metrics_url + "/more", trust_env=False).status_code == 404
        yield name, client.metrics()


@needs("promtool")
def test_metrics_follow_the_conventions(metrics):
    check_metrics(metrics[1])


def test_a_function_exports_its_metrics_and_no_other_function_s(metrics):
    name, text = metrics
    groups = {
        line.split()[2].split("_")[1]
        for line in text.splitlines()
        if line.startswith("# TYPE tasador_")
    }
    common = {"http", "ready", "log"}
    assert groups - common == PREFIXES[name]
    assert "process_resident_memory_bytes" in text
    if name in ("predict", "explain"):
        assert "tasador_model_loaded 1.0" in text
        assert "tasador_ready 1.0" in text
        assert 'tasador_model_info{model="' in text
    else:
        assert "tasador_stores_reachable 0.0" in text
        assert "tasador_ready 0.0" in text


def test_an_error_counter_exists_before_the_first_error(metrics):
    _, text = metrics
    assert 'tasador_http_requests_total{method="POST",route="unmatched",status="5xx"} 0.0' in text


def test_buckets_reach_what_a_rollout_takes():
    # timeoutSeconds of reload in knative/reload.yaml
    assert _REQUEST_SECONDS[-1] >= 300


def test_metrics_port_that_is_taken_ends_the_process(folder, tmp_path):
    import socket

    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(AssertionError, match="METRICS_PORT"),
        function("predict", tmp_path, metrics_port=port, MODEL_URI=str(folder)),
    ):
        pass
