"""Runs on Argo, used from a laptop: the real stores behind the names of a cluster."""

import os
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tasador.machine.environment import for_child
from tasador.stores.lake import Lake
from tests.kit.cluster import long
from tests.kit.connected import Laptop
from tests.kit.ingestion import Source, own_database
from tests.kit.listings import raw_batches
from tests.kit.metaflow_service import metadata_service
from tests.kit.waiting import wait_for

RUN = "argo-ingest-x1"
READ = f"""
from metaflow import Run, namespace
namespace(None)
run = Run("IngestFlow/{RUN}")
print("status:", run["store"].task.data.status, "steps:", sorted(step.id for step in run))
print("log:", run["store"].task.stdout)
"""
NAMES = {
    "s3_endpoint": "objects",
    "database_url": "postgres",
    "mlflow_url": "mlflow",
    "metaflow_service_url": "metaflow",
    "broker_url": "broker",
}


def port_of(url):
    return urlsplit(url).port


def inside(url, service):
    """The address as the cluster's Secrets have it."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return parts._replace(
        netloc=f"{login}{at}{service}.tasador.svc.cluster.local:{parts.port}"
    ).geturl()


@pytest.fixture
def cluster(platform, tmp_path):
    """The settings of a flow's pod: the embedded stores, and a metadata service."""
    with own_database(platform) as own, metadata_service() as url:
        Lake(own).ensure_buckets()
        yield own._replace(platform="cluster", metaflow_service_url=url, bucket_metaflow="metaflow")


@pytest.fixture
def laptop(cluster, tmp_path, checkout):
    """A connected laptop."""
    values = cluster.as_environ()
    del values["TASADOR_HOME"]
    for name, service in NAMES.items():
        values[f"TASADOR_{name.upper()}"] = inside(getattr(cluster, name), service)
    services = {service: port_of(getattr(cluster, name)) for name, service in NAMES.items()}
    folder = tmp_path / "laptop"
    folder.mkdir()
    made = Laptop(folder, {"tasador-endpoints": values}, services)
    first = 20000 + os.getpid() % 12000  # below the ports of outgoing connections
    process = made.forwarding("--port", str(first))
    try:
        for number in range(1, 1 + len(NAMES)):
            wait_for(lambda n=number: connects(first + n), 60, ignored=(OSError,))
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=30)
        assert cluster.s3_secret_key not in text


def connects(port):
    socket.create_connection(("127.0.0.1", port), 1).close()
    return True


def run_on_argo(cluster, folder, checkout, source):
    """The commands of the pods of a run, but for the last step."""
    environ = {
        **for_child(cluster.home, os.environ),
        **cluster.as_environ(),
        "TASADOR_SOURCE_URL": source,
        "METAFLOW_USER": "argo-workflows",
    }
    for name in ("METAFLOW_DATASTORE_SYSROOT_LOCAL", "METAFLOW_CARD_LOCALROOT"):
        environ.pop(name, None)

    def pod(*command):
        done = subprocess.run(
            [sys.executable, str(checkout / "flows" / "ingest.py"), *command],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    top = ("--quiet", "--metadata=service", "--datastore=s3")
    pod(*top, "init", "--run-id", RUN, "--task-id", "t0")
    before = f"{RUN}/_parameters/t0"
    for number, step in enumerate(("start", "validate", "store"), 1):
        task = ("--run-id", RUN, "--task-id", f"t{number}", "--input-paths", before)
        pod(*top, "step", step, *task)
        before = f"{RUN}/{step}/t{number}"


@long
def test_run_on_argo_is_read_and_resumed_from_a_laptop(cluster, laptop, tmp_path, checkout):
    pod = tmp_path / "pod"
    pod.mkdir()
    with Source(raw_batches()).serving() as source:
        run_on_argo(cluster, pod, checkout, source.url)
        text = laptop.run("-c", READ)
        assert "status: ingested steps: ['start', 'store', 'validate']" in text
        flow = str(checkout / "flows" / "ingest.py")
        laptop.run(flow, "resume", "--origin-run-id", RUN, "--run-id-file", "resumed")
    resumed = (laptop.folder / "resumed").read_text()
    listed = laptop.run(
        "-c",
        f"from metaflow import Run, namespace; namespace(None); "
        f"print(Run('IngestFlow/{resumed}')['end'].task.id)",
    )
    task = f"{resumed}/end/{listed.split()[-1]}"
    assert "blank" in laptop.run(flow, "card", "list", task)
    card = laptop.run(flow, "card", "get", task)
    assert "__MF_DATA__" in card
