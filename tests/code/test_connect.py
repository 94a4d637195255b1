"""`tasador connect`: what it writes, for whom, and what it says when it cannot."""

import json
import signal
import stat

import httpx
import psutil
import pytest

from tasador.errors import ConfigurationError
from tasador.operations.connect import Forward, reachable_from_here, write
from tasador.settings import CHECKOUT, Settings, read_env_file
from tests.kit.connected import Laptop
from tests.kit.listener import http_sink
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

INSIDE = "tasador.svc.cluster.local"
SECRETS = {
    "tasador-endpoints": {
        "TASADOR_PLATFORM": "cluster",
        "TASADOR_S3_ENDPOINT": f"http://objects.{INSIDE}:8333",
        "TASADOR_MLFLOW_URL": "https://company.example",
        "TASADOR_METAFLOW_SERVICE_URL": f"http://metaflow.{INSIDE}:8080",
        "TASADOR_BROKER_URL": "http://broker-ingress.knative-eventing.svc.cluster.local/tasador/default",
        "TASADOR_ARGO_EVENTS_URL": f"http://metaflow-webhook-eventsource-svc.{INSIDE}:12000/event",
    },
    "tasador-flows": {
        "TASADOR_DATABASE_URL": f"postgresql://tasador:dont-show-me@postgres.{INSIDE}:5432/tasador",
        "TASADOR_S3_ACCESS_KEY": "flows",
        "TASADOR_S3_SECRET_KEY": "dont-show-me-either",
        "AWS_SECRET_ACCESS_KEY": "dont-show-me-either",
    },
}
KEYS = {"TASADOR_S3_ACCESS_KEY": "flows", "TASADOR_S3_SECRET_KEY": "x"}
VALUES = {n: v for data in SECRETS.values() for n, v in data.items() if n.startswith("TASADOR_")}


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path, SECRETS)


def test_names_inside_the_cluster_become_ports_of_this_machine():
    values, forwards = reachable_from_here(VALUES, {}, 41000)
    assert values["TASADOR_DATABASE_URL"] == (
        "postgresql://tasador:dont-show-me@127.0.0.1:41001/tasador"
    )
    assert values["TASADOR_BROKER_URL"] == "http://127.0.0.1:41005/tasador/default"
    assert values["TASADOR_MLFLOW_URL"] == "https://company.example"
    assert Forward("broker_url", "knative-eventing", "broker-ingress", 80, 41005) in forwards
    assert {each.service for each in forwards} == {
        *("postgres", "objects", "metaflow", "broker-ingress", "metaflow-webhook-eventsource-svc")
    }


def test_ports_do_not_depend_on_other_settings():
    _, forwards = reachable_from_here({"TASADOR_S3_ENDPOINT": VALUES["TASADOR_S3_ENDPOINT"]}, {}, 9)
    assert [each.local_port for each in forwards] == [11]


def test_address_that_this_machine_reaches_needs_no_port():
    elsewhere = {"metaflow_service_url": "https://metaflow.example"}
    values, forwards = reachable_from_here(VALUES, elsewhere, 41000)
    assert values["TASADOR_METAFLOW_SERVICE_URL"] == "https://metaflow.example"
    assert "metaflow" not in {each.service for each in forwards}
    with pytest.raises(ConfigurationError, match="no setting 'metaflow'"):
        reachable_from_here(VALUES, {"metaflow": "https://metaflow.example"}, 41000)


def test_profile_is_private_and_printed_without_secrets(laptop):
    done = laptop.connect("--context", "kind-1", "--namespace", "other")
    assert done.returncode == 0, done.stderr
    assert "dont-show-me" not in done.stdout + done.stderr
    assert f"export TASADOR_HOME={laptop.home} METAFLOW_PROFILE=test" in done.stdout
    for file in (laptop.home / "endpoints.env", laptop.profile):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    settings = Settings.load({"TASADOR_HOME": str(laptop.home)})
    assert settings.platform == "cluster"
    assert settings.s3_endpoint == "http://127.0.0.1:41002"
    profile = json.loads(laptop.profile.read_text())
    assert profile["METAFLOW_SERVICE_URL"] == "http://127.0.0.1:41004"
    assert profile["METAFLOW_SERVICE_INTERNAL_URL"] == f"http://metaflow.{INSIDE}:8080"
    (call,) = (laptop.folder / "calls").read_text().splitlines()
    assert call.startswith("--context kind-1 --namespace other get secret tasador-endpoints")


def test_profile_is_replaced_by_the_next_one(laptop):
    assert laptop.connect().returncode == 0
    assert laptop.connect("--port", "42000").returncode == 0
    values = read_env_file(laptop.home / "endpoints.env")
    assert values["TASADOR_S3_ENDPOINT"] == "http://127.0.0.1:42002"
    assert [p.name for p in laptop.home.iterdir()] == ["endpoints.env"]


def test_refusal_of_the_cluster_is_the_error(laptop):
    (laptop.folder / "refused").touch()
    done = laptop.connect()
    assert done.returncode == 1
    assert 'secrets "tasador-flows" is forbidden' in done.stderr
    assert "context test" in done.stderr
    assert not laptop.home.exists()


def test_missing_kubectl_is_named(laptop):
    laptop.environ["TASADOR_KUBECTL"] = "/nowhere/kubectl"
    done = laptop.connect()
    assert done.returncode == 1
    assert "/nowhere/kubectl cannot be run" in done.stderr
    assert "Traceback" not in done.stderr


def test_url_without_a_setting_is_refused(laptop):
    done = laptop.connect("--url", "metaflow.example")
    assert done.returncode == 1
    assert "write SETTING=URL" in done.stderr


def test_keys_are_not_written_to_the_checkout(tmp_path):
    with pytest.raises(ConfigurationError, match="in the checkout"):
        write(CHECKOUT / "profile", VALUES, tmp_path / "config.json", {})
    with pytest.raises(ConfigurationError, match="in the checkout"):
        write(tmp_path, VALUES, CHECKOUT / "config.json", {})
    assert not (CHECKOUT / "profile").exists()


def test_flow_is_not_compiled_for_a_cluster_that_could_not_reach_its_data(laptop):
    assert laptop.connect().returncode == 0
    flow = str(CHECKOUT / "flows" / "ingest.py")
    text = laptop.run(flow, "argo-workflows", "create", fails=True)
    assert "The job deploy-flows compiles the flows in the cluster" in text


def test_port_forward_that_ends_is_started_again(tmp_path):
    store = {"TASADOR_S3_ENDPOINT": VALUES["TASADOR_S3_ENDPOINT"]}
    port = free_port()
    with http_sink(status=200) as (url, _):
        services = {"objects": int(url.split(":")[2].strip("/"))}
        laptop = Laptop(tmp_path, {"tasador-endpoints": store, "tasador-flows": KEYS}, services)
        process = laptop.forwarding("--port", str(port - 2))
        try:
            address = f"http://127.0.0.1:{port}/"
            wait_for(lambda: httpx.post(address, content=b"x").status_code == 200)
            (killed,) = psutil.Process(process.pid).children()
            killed.kill()
            wait_for(lambda: killed not in psutil.Process(process.pid).children())
            wait_for(lambda: httpx.post(address, content=b"x").status_code == 200)
        finally:
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=30)
    assert "objects: the port-forward ended; it is started again" in text
    assert "Traceback" not in text
