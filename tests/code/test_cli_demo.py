"""`tasador demo` on stand-ins for the platform, the flows, the functions and the database."""

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import httpx
import pytest
from rich.console import Console

from tasador.cli import demo
from tasador.cli.demo import MARKER, Demo
from tasador.errors import ConfigurationError, ServiceUnavailable, TasadorError
from tasador.local.platform import PartStatus
from tasador.operations.lineage import Lineage
from tasador.operations.pipeline import FlowRun
from tasador.settings import Settings
from tests.kit.http_server import serving
from tests.kit.network import free_port
from tests.kit.records import make_batch, make_decision, make_prediction
from tests.kit.warehouse import OpenWarehouse

MODEL = {"name": "tasador-price", "version": 1, "digest": "d"}
ANSWERS = {
    "/model": {"version": 1},
    "/predict": {
        "price": 250_000.4,
        "intervals": {"90": {"low": 200_000.0, "high": 300_000.0}},
        "model": MODEL,
        "revision": "predict-00001",
        "prediction_id": "p1",
    },
    "/explain": {"sentence": "Priced at $250,000, mostly for its size."},
}
BATCH = {"batch_number": 0, "rows_raw": 10, "rows_clean": 9, "rows_quarantined": 1}


@contextmanager
def functions(answers):
    """An HTTP server with these JSON answers by path; any other path is a 503."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            body = json.dumps(answers.get(self.path, {"detail": "no model"})).encode()
            self.send_response(200 if self.path in answers else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield url


class Platform:
    """A stand-in that notes the calls of all its instances."""

    calls: ClassVar[list[tuple[object, ...]]] = []
    running = False

    def __init__(self, home):
        self.home = home

    def up(self, *, web, progress):
        progress("starting")
        (self.home / "log").mkdir(exist_ok=True)
        self.calls.append(("up", web))
        return Settings.load()

    def down(self):
        self.calls.append(("down",))

    def status(self):
        return [PartStatus("gateway", self.running, "", self.home / "log")]


class Warehouse(OpenWarehouse):
    def prediction(self, prediction_id):
        return make_prediction(prediction_id=prediction_id)


def trace(prediction_id, warehouse):
    return Lineage(
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        prediction=warehouse.prediction(prediction_id),
        rollouts=[],
        decision=make_decision(version=1),
        drift=[],
        checks=[],
        batches=[make_batch()],
    )


def run(flow, **artifacts):
    return FlowRun(flow=flow, run_id="1", seconds=1.0, artifacts=artifacts)


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Stand-ins in place of everything that the demo starts; yields the printed text's buffer."""
    screen = Console(file=io.StringIO(), width=200)
    rounds = iter(
        [
            [
                run("ingest", status="ingested", batch=BATCH),
                run("train", decision="promoted", version=1, reasons=["first"]),
            ],
            [run("ingest", status="exhausted", batch=None)],
        ]
    )
    monkeypatch.setattr(Platform, "calls", [])
    for name, value in {
        "console": screen,
        "Platform": Platform,
        "Warehouse": Warehouse,
        "trace": trace,
        "follow": lambda *_, **__: next(rounds),
        "print_addresses": lambda settings: screen.print(f"addresses {settings.home.name}"),
    }.items():
        monkeypatch.setattr(demo, name, value)
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path / "home"))
    with functions(ANSWERS) as url:
        monkeypatch.setenv("TASADOR_FUNCTIONS_URL", url)
        yield screen.file


SIGNALLED = """
import os, signal, sys
from tasador.cli import demo, main

class Platform:
    def __init__(self, home): pass
    def up(self, **_): os.kill(os.getpid(), signal.{name})
    def down(self): print("platform is down", flush=True)

demo.Platform = Platform
main.main()
"""


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_signal_ends_the_demo_and_its_platform(tmp_path, name, status):
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED.format(name=name), "demo", "--once"],
        env={**os.environ, "TASADOR_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    assert "platform is down" in done.stdout
    assert "Traceback" not in done.stderr


def small_demo(**changes):
    return replace(Demo(csv=None, order="course", seed=3, trials=1), **changes)


def test_demo_plays_until_the_source_is_exhausted(played):
    small_demo().play(stay=False)
    text = played.getvalue()
    for part in (
        "batch 0: 10 rows, 9 clean, 1 in quarantine",
        "version 1 promoted",
        "version 1 serves",
        "predict $250,000 (90 %: $200,000 to $300,000) by tasador-price@1, revision predict-00001",
        "explain Priced at $250,000",
        "the source is exhausted",
        "prediction p1",
        "The platform is stopped; its data is in",
    ):
        assert part in text, text
    assert "http" not in text.partition("done in")[2]
    assert Platform.calls == [("up", False), ("down",)]


def test_demo_stays_until_ctrl_c(played, monkeypatch):
    def interrupted(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(Platform, "running", True)
    monkeypatch.setattr(demo.time, "sleep", interrupted)
    small_demo().play(stay=True)
    text = played.getvalue()
    for part in ("addresses home", "Try, in another terminal", "lineage p1", "press Ctrl-C"):
        assert part in text
    assert text.index("The platform is stopped") > text.index("press Ctrl-C")
    assert Platform.calls == [("up", False), ("up", True), ("down",)]


def test_demo_ends_when_its_platform_is_stopped_elsewhere(played, monkeypatch):
    sources = []

    def stop(_seconds):
        source = os.environ["TASADOR_SOURCE_URL"]
        sources.append(httpx.get(f"{source}/health", trust_env=False).status_code)
        monkeypatch.setattr(Platform, "running", False)

    monkeypatch.setattr(Platform, "running", True)
    monkeypatch.setattr(demo.time, "sleep", stop)
    small_demo().play(stay=True)
    # Until then, a person may ask for the next batch.
    assert sources == [200]
    assert "The platform is stopped" in played.getvalue()


def test_demo_stops_the_platform_when_the_source_fails(played, tmp_path):
    with pytest.raises(TasadorError, match=r"nothing\.csv"):
        small_demo(csv=tmp_path / "nothing.csv").play(stay=False)
    assert Platform.calls[-1] == ("down",)


def test_demo_deletes_its_earlier_platform_and_refuses_another(tmp_path, monkeypatch):
    monkeypatch.setattr(Platform, "calls", [])
    home = tmp_path / "home"
    demo._prepare_home(Platform(home), home)
    assert [path.name for path in home.iterdir()] == [MARKER]
    (home / "data").touch()
    demo._prepare_home(Platform(home), home)
    assert [path.name for path in home.iterdir()] == [MARKER]
    assert Platform.calls == [("down",)]
    (home / MARKER).rename(home / "something")
    with pytest.raises(ConfigurationError, match="holds a platform that is not the demo's"):
        demo._prepare_home(Platform(home), home)


def test_demo_reports_a_promoted_version_that_is_not_served(monkeypatch):
    monkeypatch.setattr(demo, "_TIMEOUT", 0.0)
    promoted = run("train", decision="promoted", version=2, reasons=[])
    with functions(ANSWERS) as url:
        settings = Settings.load({"TASADOR_FUNCTIONS_URL": url})
        with pytest.raises(TasadorError, match="version 2 was promoted but is not served"):
            demo._await_serving(settings, promoted)
    nobody = Settings.load({"TASADOR_FUNCTIONS_URL": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(ServiceUnavailable, match="gateway does not answer"):
        demo._await_serving(nobody, promoted)
    with functions({}) as url, pytest.raises(TasadorError, match="POST /predict answered 503"):
        demo._predict_and_explain(Settings.load({"TASADOR_FUNCTIONS_URL": url}))
