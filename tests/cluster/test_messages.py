"""Events through the Broker: each request is answered once, and no event is lost unnoticed."""

import json
import time
from pathlib import Path

import pytest

from tests.kit import cluster as kit

pytestmark = pytest.mark.timeout(1200)

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}

# Sends COUNT requests to the Broker, the first fifty twice (delivery is at least once), and reports
# the ids of their predictions. It retries as flows do, since the broker may be starting.
REQUEST = """
from tasador.events import announce, build
from tasador.events.event import PREDICTION_REQUESTED, Event
from tasador.events.publish import Publisher
made = [
    Event(type=PREDICTION_REQUESTED, source="/tests/cluster", id=f"NAME-{i}", data=LISTING)
    for i in range(COUNT)
]
publisher = Publisher(settings.broker_url)
for event in [*made, *made[:50]]:
    publisher.publish(event, retries=announce.PATIENCE)
publisher.close()
report([build.identity_of(event) for event in made])
"""


def send_requests(name, count):
    code = REQUEST.replace("NAME", name).replace("COUNT", str(count))
    return kit.python(code.replace("LISTING", repr(LISTING)))


def all_recorded(identities):
    """Every one of the predictions is in raw.inference_logs."""
    count = kit.python(
        "from sqlalchemy import text\n"
        "wanted = text('select count(*) from raw.inference_logs where prediction_id = any(:ids)')\n"
        f"ids = {identities!r}\n"
        "with warehouse._begin() as connection:\n"
        "    report(connection.execute(wanted, {'ids': ids}).scalar_one())"
    )
    assert count == len(identities), f"{count} of {len(identities)} are recorded"
    return count


@pytest.fixture(scope="module")
def served(loop):
    """A model is in service (test_loop.py runs first)."""
    assert kit.python("report(bool(warehouse.latest_promotion(settings.model_name)))"), (
        "run test_loop.py first"
    )


@pytest.fixture(scope="module")
def received(served):
    """A function that returns the prediction ids which a second subscriber has received."""
    code = Path(__file__).with_name("listener.py").read_text()
    image = kit.flows_image()
    trigger = {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": "listener"},
        "spec": {
            "broker": "default",
            "filter": {"attributes": {"type": "tasador.prediction.made"}},
            "subscriber": {"ref": {"apiVersion": "v1", "kind": "Service", "name": "listener"}},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "listener"},
        "spec": {"selector": {"guest": "listener"}, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    items = [kit.guest(image, "listener", ["python", "-c", code], ports=(8000,)), service, trigger]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    kit.kubectl("-n", kit.NAMESPACE, "apply", "-f", "-", stdin=json.dumps(listed))
    kit.kubectl("-n", kit.NAMESPACE, "rollout", "status", "deployment/listener", "--timeout=120s")
    kit.until(
        "the listener's trigger",
        lambda: kit.condition(kit.get("trigger", "listener"), "Ready") == "True",
        60,
    )

    def ids():
        return kit.python(
            "import httpx\nreport(httpx.get('http://listener.tasador.svc.cluster.local').json())"
        )

    yield ids
    kit.kubectl("-n", kit.NAMESPACE, "delete", "trigger", "listener")


def test_500_request_events_from_zero_are_each_answered_once(received, measured):
    kit.until("predict at zero", lambda: not kit.pods("predict"), 300, pause=3)
    began = time.monotonic()
    identities = send_requests("zero", 500)
    measured["500 requests taken by the broker"] = f"{time.monotonic() - began:.0f} s"
    kit.until("every answer recorded", lambda: all_recorded(identities), 240, pause=2)
    measured["500 requests by event, predict at zero: answered and recorded"] = (
        f"{time.monotonic() - began:.0f} s"
    )
    kit.until("every answer received", lambda: set(identities) <= set(received()), 60, pause=2)


@kit.long
def test_predictions_are_recorded_after_database_outage(served, healed):
    postgres = ("-n", kit.NAMESPACE, "scale", "statefulset", "postgres")
    kit.kubectl(*postgres, "--replicas=0")
    kit.kubectl("-n", kit.NAMESPACE, "wait", "--for=delete", "pod/postgres-0", "--timeout=60s")
    began = time.monotonic()
    try:
        identities = send_requests("away", 500)
        time.sleep(max(0.0, began + 30 - time.monotonic()))
    finally:
        kit.kubectl(*postgres, "--replicas=1")
    kit.kubectl("-n", kit.NAMESPACE, "rollout", "status", "statefulset/postgres", "--timeout=120s")
    back = time.monotonic()
    kit.until("every answer recorded", lambda: all_recorded(identities), 420, pause=3)
    healed("the database away for 30 s: 500 requests recorded", time.monotonic() - back)


def dead_letters():
    return json.loads(kit.console("python", "-m", "tasador", "dead-letters", "list", "--json"))


def test_undeliverable_events_become_dead_letters_and_can_be_replayed(served, measured):
    kit.python(
        "from tasador.events import announce, publish\n"
        "from tasador.events.event import PREDICTION_MADE, PREDICTION_REQUESTED, Event\n"
        "bad = [(PREDICTION_REQUESTED, {'bed': 'many'}), (PREDICTION_MADE, [1])]\n"
        "for n, (kind, data) in enumerate(bad):\n"
        "    attributes = dict(source='/tests/cluster', id=f'poison-{n}')\n"
        "    event = Event(type=kind, data=data, **attributes)\n"
        "    key = settings.events_key\n"
        "    publish.publish(event, settings.broker_url, key=key, retries=announce.PATIENCE)\n"
        "report(1)"
    )

    def poison():
        by_id = {each["event"]["id"]: each for each in dead_letters()}
        return by_id if {"poison-0", "poison-1"} <= set(by_id) else None

    letters, seconds = kit.until("both dead letters", poison, 120, pause=2)
    measured["refused event stored as a dead letter"] = f"{seconds:.0f} s"
    first, second = letters["poison-0"], letters["poison-1"]
    assert (first["subscriber"], second["subscriber"]) == ("predict", "record")
    assert first["status"] == 422
    assert second["status"] == 400
    assert "bed" in first["reason"]
    assert first["event"]["data"] == {"bed": "many"}
    output = kit.console("python", "-m", "tasador", "dead-letters", "replay", "poison-0")
    assert "1 event delivered" in output

    def back():
        again = poison()
        return again and again["poison-0"]["time"] > first["time"]

    kit.until("refused and stored again", back, 60, pause=2)
