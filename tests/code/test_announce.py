"""announce: events reach the broker and, on a cluster, Argo Events in the form of its sensors."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.events import announce as announcing
from tasador.events.announce import announce, argo_event
from tasador.events.event import DRIFT_DETECTED, MODEL_PROMOTED, Event
from tasador.settings import Settings
from tests.kit.listener import http_sink

EVENT = Event(
    type=DRIFT_DETECTED,
    source="/tasador/drift",
    id="drift-4",
    subject="b1",
    time="2026-01-31T12:00:00+00:00",
    extensions={"correlationid": "c-1"},
    data={"batch_id": "b1", "drift_id": 4, "verdict": "drift", "reasons": ["prices moved"]},
)


def event_sink(status=200):
    """A sink that notes the content type, the id and the JSON of every POST."""
    return http_sink(
        status,
        lambda headers, body: (headers["content-type"], headers.get("ce-id"), json.loads(body)),
    )


@pytest.fixture(autouse=True)
def _one_retry(monkeypatch):
    monkeypatch.setattr(announcing, "PATIENCE", 1)


def settings(**values):
    return Settings(home=Path("unused"), **values)


def test_argo_payload_has_scalars_and_event_attributes():
    sent = argo_event(EVENT)
    assert sent["name"] == "tasador.training.requested"
    assert sent["payload"] == {
        "name": "tasador.training.requested",
        "id": "drift-4",
        "timestamp": 1769860800,
        "correlation_id": "c-1",
        "batch_id": "b1",
        "drift_id": 4,
        "verdict": "drift",
    }


def test_argo_name_defaults_to_the_event_type():
    promoted = replace(EVENT, type=MODEL_PROMOTED)
    assert argo_event(promoted)["name"] == "tasador.model.promoted"


def test_announce_posts_to_broker_and_argo_events():
    with event_sink(202) as (broker, at_broker), event_sink() as (bus, at_bus):
        announce(EVENT, settings(broker_url=broker, argo_events_url=bus))
    assert [(ce_id, body["batch_id"]) for _, ce_id, body in at_broker] == [("drift-4", "b1")]
    assert at_bus == [("application/json", None, argo_event(EVENT))]


def test_announce_without_argo_events_posts_to_the_broker():
    with event_sink(202) as (broker, at_broker):
        announce(EVENT, settings(broker_url=broker))
    assert len(at_broker) == 1
    with pytest.raises(ConfigurationError, match="TASADOR_BROKER_URL"):
        announce(EVENT, settings())


def test_announce_skips_argo_events_when_the_broker_is_down():
    with event_sink() as (bus, at_bus), pytest.raises(ServiceUnavailable):
        announce(EVENT, settings(broker_url="http://127.0.0.1:1/", argo_events_url=bus))
    assert at_bus == []


def test_announce_raises_when_argo_events_is_down():
    with (
        event_sink(202) as (broker, _),
        pytest.raises(ServiceUnavailable, match=r"drift\.detected"),
    ):
        announce(EVENT, settings(broker_url=broker, argo_events_url="http://127.0.0.1:1/"))
