"""Faults of functions, of the gateway and of the database: each raises its alert, which then ends.

As in test_monitoring_stack.py the rules wait for nothing and remember ten seconds, for which every
test waits: two minutes in all, so they run before a release only. The functions are processes of
this test, which Prometheus knows by address.
"""

import os
import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg2
import pytest
from sqlalchemy import text

from tasador.clock import now
from tasador.operations import exporter
from tasador.rollout.backend import Revision, Target
from tasador.rollout.local import LocalBackend
from tests.kit import monitoring as kit
from tests.kit.broker import adjustable_broker
from tests.kit.cluster import long
from tests.kit.functions import function
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.prometheus import needs
from tests.kit.records import make_decision, make_rollout
from tests.kit.waiting import wait_for

pytestmark = [needs("prometheus", "alertmanager"), long]

# Nobody waits twenty minutes for a lock.
LOCKED = ("tasador_rollout_lock_held_seconds > 1200", "tasador_rollout_lock_held_seconds > 1")
LISTING = {"bed": 3}


def rules(content):
    """The rules with short windows, those of the objectives as well."""
    content = content.replace(*LOCKED)
    return re.sub(r"\[\d+[mhd]\]", "[10s]", kit.shortened(content))


@pytest.fixture(scope="module")
def world(platform, database, tmp_path_factory):
    """The functions, a gateway and the exporter, under Prometheus; no alert fires yet."""
    folder = tmp_path_factory.mktemp("faults")
    make_bundle(folder / "bundle", rows=400)
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "TASADOR_DATABASE_URL").write_text(database.database_url)
    model = {"MODEL_URI": str(folder / "bundle")}
    unread, silent = os.pipe()
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        stack.callback(os.close, unread)
        stack.callback(os.close, silent)
        patch.setenv("TASADOR_DATABASE_URL", database.database_url)
        broker = stack.enter_context(adjustable_broker())
        sink = {"K_SINK": broker.url}
        clients = {
            "record": function("record", folder, TASADOR_SETTINGS=str(secrets)),
            "predict": function("predict", folder, **model, **sink),
            "required": function("predict", folder, **model, **sink, TASADOR_RECORDING="required"),
            "unread": function("explain", folder, **model, stdout=silent),
        }
        clients = {name: stack.enter_context(each) for name, each in clients.items()}
        port = free_port()
        server, thread = exporter.serve("127.0.0.1", port)
        stack.callback(server.server_close)
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        for client in clients.values():
            wait_for(lambda c=client: c.get("/ready").status_code == 200)
        for name in ("predict", "required"):
            assert clients[name].post("/predict", json=LISTING).status_code == 200
        backend = stack.enter_context(LocalBackend(platform))
        configs = [
            {
                "job_name": "functions",
                "static_configs": [
                    {
                        "targets": [urlsplit(client.metrics_url).netloc],
                        "labels": {
                            "function": {"required": "predict", "unread": "explain"}.get(
                                name, name
                            ),
                            "revision": name,
                        },
                    }
                    for name, client in clients.items()
                ],
            },
            {
                "job_name": "gateway",
                "metrics_path": "/_metrics/",
                "static_configs": [{"targets": [urlsplit(platform.functions_url).netloc]}],
            },
            {"job_name": "exporter", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
        ]
        monitoring = stack.enter_context(kit.monitoring(folder, configs, rules))
        wait_for(lambda: monitoring.query("tasador_warehouse_reachable == 1"), 60)
        yield SimpleNamespace(
            alerts=monitoring.alerts,
            query=monitoring.query,
            backend=backend,
            bundle=folder / "bundle",
            broker=broker,
            database_url=database.database_url,
            secrets=secrets,
            silent=unread,
            **clients,
        )


@contextmanager
def raised(world, *names, seconds=60):
    """The fault is in the body: its alerts are not there before it, come with it, go after it."""
    assert not set(names) & set(world.alerts())
    yield
    wait_for(lambda: not set(names) & set(world.alerts()), seconds, what=f"{names} end")


def fires(world, *names, act=lambda: None):
    """Wait until these alerts are in Alertmanager; ``act`` is repeated meanwhile."""

    def all_there():
        act()
        return set(names) <= set(world.alerts())

    wait_for(all_there, 60, pause=0.3, what=f"{names} fire")
    for each in (alert for name in names for alert in world.alerts()[name]):
        assert "error expanding" not in str(each["annotations"])
        assert each["annotations"]["runbook_url"].startswith("http://docs/runbooks/#")


def burning(world):
    """The objectives whose error budget burns."""
    return {each["labels"]["slo"] for each in world.alerts().get("ErrorBudgetBurn", [])}


def test_a_database_that_record_cannot_reach(world):
    secret = world.secrets / "TASADOR_DATABASE_URL"
    with raised(world, "FunctionNotReady", "StoreUnreachable"):
        secret.write_text(f"postgresql://nobody:x@127.0.0.1:{free_port()}/none")
        fires(world, "FunctionNotReady", "StoreUnreachable", act=lambda: world.record.get("/ready"))
        secret.write_text(world.database_url)
        wait_for(lambda: world.record.get("/ready").status_code == 200, 60)


def test_an_event_that_record_refuses(world):
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t"}
    headers["ce-type"] = "tasador.prediction.made"
    with raised(world, "EventsRefused"):
        fires(
            world,
            "EventsRefused",
            act=lambda: world.record.post("/", headers=headers, json={"price": "much"}),
        )


def test_a_broker_that_refuses_predictions(world):
    """Best-effort predictions are lost; where they must be recorded, callers get no price."""
    with raised(world, "PredictionsLost", "ErrorBudgetBurn"):
        assert burning(world) == set()
        world.broker.status = 503
        try:

            def ask():
                assert world.predict.post("/predict", json=LISTING).status_code == 200
                assert world.required.post("/predict", json=LISTING).status_code == 503

            fires(world, "PredictionsLost", "ErrorBudgetBurn", act=ask)
            assert "predict-availability" in burning(world)
        finally:
            world.broker.status = 202

        def answered():
            assert world.required.post("/predict", json=LISTING).status_code == 200
            return "predict-availability" not in burning(world)

        wait_for(answered, 60, pause=0.2)


def test_a_log_that_nobody_reads(world):
    with raised(world, "LogLinesDropped"):
        address = urlsplit(str(world.unread.base_url))

        def ask():
            with socket.create_connection((address.hostname, address.port), 10) as connection:
                connection.sendall(b"GET /model HTTP/1.1\r\nHost: t\r\n\r\n" * 200)
                connection.settimeout(10)
                answers = b""
                while answers.count(b"HTTP/1.1 ") < 200:
                    answers += connection.recv(1 << 20)

        fires(world, "LogLinesDropped", act=ask)
        stop = threading.Event()

        def read():
            while not stop.is_set():
                with suppress(BlockingIOError):
                    os.read(world.silent, 1 << 20)
                time.sleep(0.01)

        os.set_blocking(world.silent, False)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            wait_for(lambda: "LogLinesDropped" not in world.alerts(), 60)
        finally:
            stop.set()
            reader.join()


def test_a_process_that_takes_long_to_start(world, tmp_path):
    names = ("predict-quick", "predict-slow")
    before = world.backend.state("predict").traffic
    away = tmp_path / "away"
    for name, uri in zip(names, (world.bundle, away), strict=True):
        world.backend.create("predict", Revision(name=name, env={"MODEL_URI": str(uri)}))
    world.backend.direct("predict", (Target(names[0], 100), Target(names[1], 0, "candidate")))
    try:
        assert world.backend.start("predict", names[0], 60) == (True, "")
        started = 'sum(tasador_gateway_cold_start_seconds_count{function="predict"}) > 0'
        wait_for(lambda: world.query(started), 30)
        wait_for(lambda: "ColdStartSlow" not in world.alerts(), 60)
        with raised(world, "ColdStartSlow"):
            late = threading.Timer(6, lambda: make_bundle(away, rows=400))
            late.start()
            # The answer says why the process is not ready yet; the gateway still waits for it.
            world.backend.start("predict", names[1], 60)
            late.join()
            fires(world, "ColdStartSlow")
    finally:
        world.backend.direct("predict", before)
        for name in names:
            world.backend.delete("predict", name)


def test_promotions_that_no_service_serves(world, warehouse):
    with raised(world, "ChampionLost", "RolloutBehind"):
        promoted = warehouse.record_decision(
            make_decision(decided_at=now() - timedelta(hours=1), training_id="1")
        )
        fires(world, "ChampionLost", "RolloutBehind")
        for service in ("predict", "explain"):
            warehouse.record_rollout(
                make_rollout(
                    service=service,
                    promotion=promoted.promotion,
                    started_at=now(),
                    finished_at=now(),
                )
            )


def test_a_process_that_keeps_the_lock_of_rollouts(world, warehouse):
    with raised(world, "RolloutLocked"), warehouse.lock("rollout"):
        fires(world, "RolloutLocked")


def test_a_gate_that_rejects_every_challenger(world, warehouse):
    rejected = make_decision(decision="rejected", decided_at=now(), version=1)
    with raised(world, "GateRejects"):
        for number in range(4):
            warehouse.record_decision(
                replace(
                    rejected, version=10 + number, digest=f"r{number}", training_id=f"r{number}"
                )
            )
        fires(world, "GateRejects")


def test_connections_that_run_out(world, warehouse):
    with warehouse._begin() as connection:
        most = connection.execute(text("select current_setting('max_connections')::int")).scalar()
    with raised(world, "ConnectionsExhausted"), ExitStack() as held:
        # Those of others count as well, and the test must not take the last one.
        for _ in range(int(most * 0.8) + 1):
            with suppress(psycopg2.OperationalError):
                held.enter_context(_connected(world.database_url))
        fires(world, "ConnectionsExhausted")


@contextmanager
def _connected(url):
    connection = psycopg2.connect(url)
    try:
        yield
    finally:
        connection.close()
