"""Failures of serving: damaged bundles, killed processes, overload.

The real gateway, functions, database and object store; real models.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tasador.local.gateway.daemon import FUNCTION_PROCESSES
from tasador.local.process import Running
from tasador.model.bundle_writer import stamp_version
from tasador.rollout.backend import Revision, Target
from tasador.rollout.local import LocalBackend
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse
from tests.kit.checkout import ROOT
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "bundle"
    return folder, make_bundle(folder, rows=400)


def logged(client, level):
    """The messages of a level in a function's log."""
    lines = [json.loads(line) for line in client.log.read_text().splitlines()]
    return [line["message"] for line in lines if line["level"] == level]


# -- damaged bundles in the real object store -----------------------------------------------------


def flip(name):
    """Spoil a file by one bit: of the manifest, which also holds labels, by one of its digest."""

    def spoil(folder):
        content = bytearray((folder / name).read_bytes())
        labels = name == "manifest.json"
        content[content.index(b'"digest": "') + 15 if labels else len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return spoil


def files_of(bundle):
    return [path.name for path in sorted(bundle[0].iterdir()) if path.is_file()]


@pytest.fixture(scope="module")
def stored(platform, bundle, tmp_path_factory):
    """Uploads a spoilt copy of the bundle; the environment that names it."""
    numbers = itertools.count()
    store = {
        f"TASADOR_{name.upper()}": getattr(platform, name)
        for name in ("s3_endpoint", "s3_access_key", "s3_secret_key", "s3_region")
    }

    def upload(spoil=lambda folder: None, **env):
        number = next(numbers)
        copy = tmp_path_factory.mktemp("spoilt") / "bundle"
        shutil.copytree(bundle[0], copy)
        spoil(copy)
        uri = f"s3://{platform.bucket_mlflow}/failures/{number}/bundle"
        Lake(platform).upload_folder(copy, uri)
        model = {"MODEL_URI": uri, "MODEL_DIGEST": bundle[1].digest, "MODEL_VERSION": "3"}
        return {**store, **model, **env}

    return upload


def unready(env, home, reason, name="predict"):
    """The function reports the reason, to its callers too, and goes on trying."""
    with function(name, home, **env) as client:
        wait_for(lambda: reason in client.get("/ready").text)
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["final"]) == (503, False)
        assert answer.headers["retry-after"]
        answer = client.post(f"/{name}", json=LISTING)
        assert answer.status_code == 503
        assert reason in answer.json()["detail"]
        warnings = wait_for(lambda: logged(client, "warning"))
        assert all(reason in warning for warning in warnings), warnings
        assert client.get("/health").status_code == 200
        metrics = client.metrics()
        assert "tasador_model_loaded 0.0" in metrics
        assert "tasador_model_load_failures_total{" in metrics


def test_flipped_bit_in_any_bundle_file_keeps_predict_unready(stored, bundle, tmp_path):
    for name in files_of(bundle):
        reason = name if name != "manifest.json" else "the bundle with digest"
        unready(stored(flip(name)), tmp_path, reason)


def test_missing_bundle_file_keeps_predict_unready(stored, bundle, tmp_path):
    for name in files_of(bundle):
        unready(stored(lambda f, name=name: (f / name).unlink()), tmp_path, name)


@pytest.mark.parametrize("name", ["predict", "explain"])
def test_wrong_digest_or_version_keeps_the_function_unready(stored, bundle, tmp_path, name):
    unready(stored(MODEL_DIGEST="0" * 64), tmp_path, "0" * 64, name)
    other = stored(lambda f: stamp_version(f, "tasador-price", 4))
    unready(other, tmp_path, "MODEL_VERSION is 3", name)


def test_rejected_s3_key_is_reported_to_callers(stored, tmp_path):
    unready(stored(TASADOR_S3_SECRET_KEY="wrong"), tmp_path, "HTTP 403")


def test_objects_that_are_removed_and_restored_need_no_restart(stored, bundle, platform, tmp_path):
    """A missing object, a damaged one and another model's: the same process serves in the end."""
    env = stored()
    lake = Lake(platform)
    bucket, prefix = env["MODEL_URI"].removeprefix("s3://").split("/", 1)
    lake.put_bytes(bucket, f"{prefix}/model.ubj", b"half of it")
    with function("predict", tmp_path, **env) as client:
        wait_for(lambda: "model.ubj is damaged" in client.get("/ready").text)
        manifest = (bundle[0] / "manifest.json").read_bytes()
        other = manifest.replace(bundle[1].digest.encode(), b"0" * 64)
        lake.put_bytes(bucket, f"{prefix}/manifest.json", other)
        wait_for(lambda: "holds the bundle with digest 0000" in client.get("/ready").text)
        lake.upload_folder(bundle[0], env["MODEL_URI"])
        wait_for(lambda: is_ready(client))
        assert client.post("/predict", json=LISTING).status_code == 200


def test_unreachable_store_is_retried_until_it_answers(stored, platform, tmp_path):
    env, port = stored(), free_port()
    env["TASADOR_S3_ENDPOINT"] = f"http://127.0.0.1:{port}"
    with function("predict", tmp_path, **env) as client:
        wait_for(lambda: "gave no answer" in client.get("/ready").text)
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["final"]) == (503, False)
        assert answer.headers["retry-after"]
        assert client.post("/predict", json=LISTING).status_code == 503
        wait_for(lambda: len(logged(client, "warning")) >= 2)
        assert all("gave no answer" in warning for warning in logged(client, "warning"))
        assert logged(client, "error") == []
        with relay(port, urlsplit(platform.s3_endpoint).port):
            wait_for(lambda: is_ready(client))
        assert client.post("/predict", json=LISTING).status_code == 200


@contextmanager
def relay(port, to):
    """Pass connections on: a store that comes up late."""
    server = socket.create_server(("127.0.0.1", port))
    server.settimeout(0.1)
    ended = threading.Event()

    def pump(source, sink):
        while piece := source.recv(65_536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)

    def serve():
        with ThreadPoolExecutor() as pool:
            while not ended.is_set():
                try:
                    near, _ = server.accept()
                except TimeoutError:
                    continue
                near.settimeout(10)
                far = socket.create_connection(("127.0.0.1", to), timeout=10)
                there, back = pool.submit(pump, near, far), pool.submit(pump, far, near)
                there.result()
                back.result()
                near.close()
                far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        server.close()


# -- processes that are killed --------------------------------------------------------------------


@pytest.fixture(scope="module")
def backend(platform):
    with LocalBackend(platform) as backend:
        yield backend


@pytest.fixture
def serving(platform, backend, bundle):
    """A revision of predict that records in mode ``required``, behind the gateway; its name."""
    name = f"predict-{time.time_ns() % 10**8:08d}"
    env = {
        "MODEL_URI": str(bundle[0]),
        "MODEL_DIGEST": bundle[1].digest,
        "TASADOR_RECORDING": "required",
    }
    backend.create("predict", Revision(name=name, env=env))
    backend.direct("predict", (Target(name, 100, ""),))
    assert backend.start("predict", name, 30) == (True, "")
    return name


class Callers:
    """Threads that request predictions through the gateway until the block ends."""

    def __init__(self, url, count=8):
        self.answers = []
        self._url, self._stop = url, threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self):
        with httpx.Client(base_url=self._url, timeout=60, trust_env=False) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/predict", json=LISTING)
                except httpx.TransportError as error:
                    self.answers.append((0, repr(error)))
                    time.sleep(0.05)
                else:
                    self.answers.append((answer.status_code, answer.json()))

    def more(self, count=50):
        """Wait until so many more are answered."""
        wanted = len(self.answers) + count
        wait_for(lambda: len(self.answers) >= wanted, 60)

    @property
    def predicted(self):
        """The ids of all answered predictions."""
        return [body["prediction_id"] for status, body in self.answers if status == 200]

    @property
    def failed(self):
        """Every other answer."""
        return [answer for answer in self.answers if answer[0] != 200]


def pids(platform, name):
    """The processes of a revision or a function."""
    files = (platform.home / FUNCTION_PROCESSES).glob(f"{name}-*.json")
    return [running.pid for file in files if (running := Running.read(file)) is not None]


def all_recorded(platform, ids):
    """Every one of the predictions is, in time, in raw.inference_logs."""
    assert ids
    left = set(ids)
    with Warehouse(platform.database_url) as warehouse:

        def recorded():
            left.difference_update([i for i in left if warehouse.prediction(i) is not None])
            return not left

        wait_for(recorded, 60)


def test_sigterm_under_load_fails_no_request_and_loses_no_recording(platform, serving):
    with Callers(platform.functions_url) as callers:
        for _ in range(4):
            callers.more()
            for pid in pids(platform, serving):
                os.kill(pid, signal.SIGTERM)
        callers.more()
    assert callers.failed == []
    all_recorded(platform, callers.predicted)


def test_sigkill_under_load_loses_no_answered_prediction(platform, serving):
    with Callers(platform.functions_url) as callers:
        for number in range(6):
            callers.more()
            # predict three times, record three times, in the middle of their work.
            for pid in pids(platform, serving if number % 2 else "record"):
                os.kill(pid, signal.SIGKILL)
        callers.more()
    failures = Counter((status, str(body)[:300]) for status, body in callers.failed)
    assert len(callers.failed) <= len(callers.answers) // 20, failures
    all_recorded(platform, callers.predicted)


def test_sigkill_of_the_broker_loses_no_answered_prediction(platform, serving, checkout):
    from tasador.local.platform import Platform

    gateway = json.loads((platform.home / "run" / "gateway.json").read_text())
    with Callers(platform.functions_url) as callers:
        callers.more(200)
        os.kill(gateway["pid"], signal.SIGKILL)
        Platform(platform.home).up(web=False)
        callers.more(200)
    all_recorded(platform, callers.predicted)


# -- overload -------------------------------------------------------------------------------------


@contextmanager
def crowd(client, path, bodies, seconds):
    """100 connections that send the next request once they are answered, in another process."""
    script = ROOT / "benchmarks" / "serving" / "load.py"
    arguments = [str(client.base_url.port), path, str(bodies), "100", str(seconds)]
    process = subprocess.Popen([sys.executable, script, *arguments], stdout=subprocess.PIPE)
    result = {}
    try:
        yield process, result
        out, _ = process.communicate(timeout=seconds + 45)
        result.update(json.loads(out))
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["predict", "explain"])
def test_overload_is_200_or_503_with_bounded_memory(bundle, tmp_path, name):
    """100 connections, 4 workers: 200 or 503 for each request, probes answer, memory is bounded."""
    bodies = tmp_path / "bodies"
    bodies.write_text(json.dumps(LISTING))
    env = {"MODEL_URI": str(bundle[0]), "THREADS": "4"}
    with function(name, tmp_path, **env) as client:
        wait_for(lambda: is_ready(client))
        process = psutil.Process(client.process.pid)
        # The first turn grows every buffer; the second must not grow them further.
        for turn in ("first", "second"):
            memory = process.memory_info().rss
            with crowd(client, f"/{name}", bodies, 6) as (callers, result):
                while callers.poll() is None:
                    for path in ("/ready", "/health"):
                        assert client.get(path).status_code == 200, (turn, path)
                    answer = client.post(f"/{name}", json=LISTING)
                    if answer.status_code == 503:
                        assert answer.headers["content-type"] == "application/problem+json"
                        assert int(answer.headers["retry-after"]) > 0
                    time.sleep(0.1)
            assert result["broken"] == 0
            assert set(result["statuses"]) <= {"200", "503"}
            assert result["statuses"]["200"] > 100
        assert process.memory_info().rss - memory < 8e6
        assert client.post(f"/{name}", json=LISTING).status_code == 200
