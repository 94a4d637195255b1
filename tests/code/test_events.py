"""CloudEvents: building, parsing and publishing."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.events import build, publish, read
from tasador.events import event as events
from tasador.events.announce import argo_event
from tasador.events.event import MODEL_REJECTED, Event, EventError
from tasador.operations import pipeline
from tests.kit.records import (
    WHEN,
    make_batch,
    make_decision,
    make_drift_record,
    make_prediction,
    make_rollout,
)

BATCH = make_batch(batch_number=2, clean_uri="s3://clean/b1", rows_clean=8, ready_at=WHEN)
DRIFT = make_drift_record(drift_id=4)
BROKEN = make_drift_record(
    drift_id=5, verdict="broken_feed", scores={"broken_fields": ["house_size"]}
)
DECISION = make_decision(promotion=7)
ROLLOUT = make_rollout()
PREDICTION = make_prediction(prediction_id="p1")
BUILT = {
    "batch-b1": build.batch_ingested(BATCH),
    "drift-4": build.drift_detected(DRIFT),
    "drift-5": build.batch_refused(BROKEN),
    "decision-7": build.model_promoted(DECISION),
    "serving-predict-00007-20260131T120000000000": build.model_serving(ROLLOUT),
    "p1": build.prediction_made([PREDICTION]),
}


def test_every_type_is_known():
    named = {v for k, v in vars(events).items() if k.isupper() and str(v).startswith("tasador.")}
    assert set(events.TYPES) == named
    assert {made.type for made in BUILT.values()} <= named


@pytest.mark.parametrize("event", BUILT.values(), ids=BUILT)
def test_event_round_trip_in_binary_and_structured_mode(event):
    assert read.parse(event.headers(), event.body()) == event
    body = json.dumps(event.structured()).encode()
    assert read.parse({"Content-Type": read.STRUCTURED}, body) == event
    assert read.from_structured(event.structured()) == event


@pytest.mark.parametrize("identity", BUILT)
def test_event_ids_are_derived_and_carry_the_correlation_id(identity):
    assert BUILT[identity].id == identity
    assert BUILT[identity].correlation_id == "c-1"


def test_a_refused_batch_names_its_fields_and_starts_no_flow():
    event = build.batch_refused(BROKEN)
    assert (event.type, event.data["fields"]) == ("tasador.batch.refused", ["house_size"])
    assert event.data["reasons"] == BROKEN.reasons
    assert event.type not in pipeline.STARTS
    assert argo_event(event)["name"] == "tasador.batch.refused"


def test_an_accepted_batch_is_announced_under_another_id():
    accepted = replace(BATCH, refused_at=WHEN, accepted_at=WHEN)
    assert build.batch_ingested(accepted).id == "batch-b1-accepted"


def test_model_rejected_names_decision_and_champion():
    event = build.model_rejected(replace(DECISION, decision="rejected"))
    assert (event.type, event.id) == (MODEL_REJECTED, "decision-7")
    assert event.data["champion_version"] == 1


def test_each_failed_rollout_attempt_has_its_own_id():
    again = replace(ROLLOUT, outcome="failed", started_at=WHEN.replace(second=9))
    assert build.rollout_failed(ROLLOUT).id != build.rollout_failed(again).id


def test_event_attributes_name_the_model():
    event = BUILT["decision-7"]
    assert event.subject == "tasador-price/2"
    assert event.extensions == {"correlationid": "c-1", "modelversion": "2", "modeldigest": "d2"}


def test_binary_mode_encodes_header_values():
    event = Event(type="t", source='/a "b" %20', id="ñ\u20ac", data=None, subject="a b")
    headers = event.headers()
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert read.parse(headers, event.body()) == event


@pytest.mark.parametrize(
    ("headers", "body", "message"),
    [
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s"}, b"{}", "type"),
        ({"ce-specversion": "0.3", "ce-id": "1", "ce-source": "s", "ce-type": "t"}, b"{}", "0.3"),
        ({"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}, b"{", "JSON"),
        ({"content-type": read.STRUCTURED}, b"[]", "object"),
        ({"content-type": read.STRUCTURED}, b"\xff", "JSON"),
        ({"content-type": read.STRUCTURED}, b'{"specversion":"1.0","id":5}', "id"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", "one event"),
        (
            {"content-type": read.STRUCTURED},
            b'{"specversion":"1.0","id":"1","source":"s","type":"t","Bad-Name":"x"}',
            "Bad-Name",
        ),
        (
            {"content-type": read.STRUCTURED},
            b'{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"eA=="}',
            "data_base64",
        ),
    ],
)
def test_parse_refuses_malformed_events(headers, body, message):
    assert read.is_event(headers)
    with pytest.raises(EventError, match=message):
        read.parse(headers, body)


def test_plain_json_is_not_an_event():
    assert not read.is_event({"Content-Type": "application/json"})


@contextmanager
def broker(*statuses, keeps_open=False):
    """A broker that answers with these statuses in turn; yields its URL and the events.

    With ``keeps_open`` it promises to keep its connections open, and closes them all the same.
    """
    seen, answers = [], list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keeps_open else "HTTP/1.0"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append(read.parse(dict(self.headers), body))
            self.send_response(answers.pop(0))
            self.send_header("content-length", "0")
            self.end_headers()
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/broker", seen
    finally:
        server.shutdown()
        server.server_close()


def test_publish_retries_unavailable_broker():
    with broker(503, 429, 202) as (url, seen):
        publish.publish(BUILT["decision-7"], url)
    assert seen == [BUILT["decision-7"]] * 3


def test_publish_raises_after_the_last_retry():
    with (
        broker(500, 500) as (url, seen),
        pytest.raises(ServiceUnavailable, match=r"model\.promoted"),
    ):
        publish.publish(BUILT["decision-7"], url, retries=1)
    assert len(seen) == 2
    with pytest.raises(ServiceUnavailable, match="refused"):
        publish.publish(BUILT["decision-7"], url, retries=0)


def test_publisher_reopens_a_connection_that_the_broker_has_closed():
    with broker(202, 202, keeps_open=True) as (url, seen):
        publisher = publish.Publisher(url)
        for _ in range(2):
            publisher.publish(BUILT["decision-7"], retries=0)
        publisher.close()
    assert len(seen) == 2


def test_publish_does_not_retry_a_refusal():
    with broker(400) as (url, seen), pytest.raises(EventError, match="HTTP 400"):
        publish.publish(BUILT["decision-7"], url)
    assert len(seen) == 1


def test_publish_to_an_invalid_address():
    with pytest.raises(ConfigurationError, match="localhost:1"):
        publish.publish(BUILT["decision-7"], "localhost:1")
