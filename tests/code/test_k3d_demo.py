"""k3d:demo starts each ingest, waits for what the events start, and requests a price."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from cluster.k3d import applications, demo
from cluster.k3d.runner import CommandFailed
from cluster.k3d.settings import Settings


class Cluster:
    """A runner whose ingest adds a batch, as long as the source has one."""

    dry = False

    def __init__(self, batches=0, source=6, phases=("Succeeded",)):
        self.batches, self.source, self.phases = batches, source, list(phases)
        self.triggered = 0
        self.commands = []

    def run(self, *command, stdin="", about=""):
        self.commands.append(" ".join(command))

    def output(self, *command, stdin="", check=True):
        text = " ".join(command)
        if "argo-workflows trigger" in text:
            self.triggered += 1
            self.batches = min(self.batches + 1, self.source)
        elif "batch list --json" in text:
            return json.dumps([{}] * self.batches)
        elif "get workflows" in text:
            phase = self.phases[0] if len(self.phases) == 1 else self.phases.pop(0)
            status = {"phase": phase, "message": "out of memory"}
            return json.dumps({"items": [{"metadata": {"name": "w"}, "status": status}]})
        return "text"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pauses, and a price without a cluster."""
    monkeypatch.setattr(demo.time, "sleep", lambda seconds: None)
    waits = demo.wait_until_quiet
    monkeypatch.setattr(
        demo, "wait_until_quiet", lambda read, seconds: waits(read, seconds, quiet_seconds=0)
    )
    monkeypatch.setattr(demo, "price", lambda: {"prediction_id": "p1", "price": 1})


def test_all_batches_are_played_and_the_prediction_is_traced():
    cluster = Cluster()
    demo.demo(cluster, Settings())
    assert cluster.triggered == 6
    assert sum("tasador batch list" in command for command in cluster.commands) == 6
    assert cluster.commands[-1].endswith("tasador lineage p1")


def test_batches_that_were_ingested_before_are_not_played_again():
    cluster = Cluster(batches=4)
    demo.demo(cluster, Settings())
    assert cluster.triggered == 2


def test_a_source_with_fewer_batches_ends_the_demo(capsys):
    cluster = Cluster(source=2)
    demo.demo(cluster, Settings())
    assert cluster.triggered == 3
    assert "no further batch" in capsys.readouterr().err


def test_a_failed_flow_ends_the_demo_with_its_reason():
    cluster = Cluster(phases=["Running", "Failed"])
    with pytest.raises(CommandFailed, match="w failed: out of memory"):
        demo.demo(cluster, Settings())


def test_a_flow_that_failed_earlier_does_not_count():
    cluster = Cluster(batches=5, phases=["Failed"])
    demo.demo(cluster, Settings())
    assert cluster.triggered == 1


def workflows(*phases):
    """A function that returns the phases of one workflow, one after the other."""
    left = list(phases)

    def read():
        phase = left.pop(0) if len(left) > 1 else left[0]
        return [{"metadata": {"name": "w"}, "status": {"phase": phase}}]

    return read


def clock():
    """A clock that advances a second at each look."""
    now = 0.0

    def tick():
        nonlocal now
        now += 1
        return now

    return tick


def test_an_event_on_its_way_is_waited_for(monkeypatch):
    monkeypatch.undo()
    read = workflows("Running", "Succeeded", "Succeeded", "Running", "Succeeded")
    demo.wait_until_quiet(read, 1000, quiet_seconds=20, pause=0, clock=clock())
    assert read()[0]["status"]["phase"] == "Succeeded"


def test_a_flow_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(CommandFailed, match="longer than 20 s"):
        demo.wait_until_quiet(workflows("Running"), 20, pause=0, clock=clock())


@pytest.fixture
def ingress():
    """A server that has no route at first; it notes the Host header."""

    class Handler(BaseHTTPRequestHandler):
        requests: ClassVar[list[str]] = []

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.requests.append(self.headers["Host"])
            found = len(self.requests) > 1
            body = b'{"prediction_id": "p1"}' if found else b"404 page not found"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/predict", Handler.requests
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_route_that_is_not_ready_is_tried_again(ingress, monkeypatch):
    monkeypatch.undo()
    address, requests = ingress
    assert demo.price(address, pause=0) == {"prediction_id": "p1"}
    assert requests == ["predict.tasador.localhost"] * 2


def test_no_price_is_an_error_with_the_answer(ingress, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(CommandFailed, match="404 404 page not found"):
        demo.price(ingress[0], attempts=1)


def state(name, sync="Synced", health="Healthy", revision="abc"):
    return applications.State(name, sync, health, revision, "")


def test_an_application_of_an_earlier_commit_is_not_finished():
    found = [state("root", revision="old"), state("web", revision="old")]
    assert not applications.finished(found, "abc")
    assert applications.finished(found, "old")
    assert applications.finished(found, "")


def test_nothing_is_finished_before_the_root_has_created_applications():
    assert not applications.finished([], "")
    assert not applications.finished([state("root")], "")
    assert not applications.finished([state("web"), state("flows")], "")


def test_waiting_prints_each_change_once(capsys):
    answers = [
        [state("root", health="Progressing"), state("web", health="Missing")],
        [state("root", health="Progressing"), state("web")],
        [state("root"), state("web")],
    ]
    applications.wait(lambda: answers.pop(0), "abc", 100, pause=0)
    printed = capsys.readouterr().err.splitlines()
    assert printed == [
        "root: Synced, Progressing",
        "web: Synced, Missing",
        "web: Synced, Healthy",
        "root: Synced, Healthy",
    ]
