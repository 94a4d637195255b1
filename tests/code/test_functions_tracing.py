"""A function process whose spans go to a collector: requests, the event that follows, the log."""

import json
import logging

import pytest

from tasador.tracing.context import parse, root_of
from tests.kit.functions import function, is_ready
from tests.kit.listener import http_sink
from tests.kit.models import make_bundle
from tests.kit.otlp_sink import attributes, otlp_sink
from tests.kit.waiting import wait_for

BATCH = f"corr-{'4b' * 16}"
CALLER, SPAN = "0" * 31 + "1", "00f067aa0ba902b7"
LISTING = {"state": "Texas", "house_size": 1500}


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """predict with a collector and a broker: the client, the sink, the events' headers."""
    folder = tmp_path_factory.mktemp("model")
    manifest = make_bundle(folder)
    with otlp_sink() as sink, http_sink() as (broker, events):
        logging.getLogger("httpx").setLevel(logging.WARNING)
        with function(
            "predict",
            tmp_path_factory.mktemp("home"),
            MODEL_URI=folder.as_uri(),
            MODEL_DIGEST=manifest.digest,
            MODEL_VERSION="3",
            MODEL_CORRELATION_ID=BATCH,
            K_REVISION="predict-00007",
            K_SINK=broker,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        ) as client:
            wait_for(lambda: is_ready(client))
            yield client, sink, events


def predicted(traced, **headers):
    """The span of a new request, and the traceparent of the event that it caused."""
    client, sink, events = traced
    before, sent = len(sink.spans), len(events)
    assert client.post("/predict", json=LISTING, headers=headers).status_code == 200
    wait_for(lambda: len(sink.spans) > before and len(events) > sent)
    return sink.spans[-1], parse(events[-1][0]["ce-traceparent"])


def test_prediction_belongs_to_the_trace_of_its_model(traced):
    span, event = predicted(traced)
    root = root_of(BATCH)
    assert (span["traceId"], span["parentSpanId"]) == (root.trace_id, root.span_id)
    assert (span["name"], span["service"], span["kind"]) == ("predict POST /predict", "predict", 2)
    assert (event.trace_id, event.span_id) == (span["traceId"], span["spanId"])
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": "200",
        "tasador.revision": "predict-00007",
        "tasador.correlation_id": BATCH,
    }


def test_prediction_continues_the_trace_of_its_caller(traced):
    span, event = predicted(traced, traceparent=f"00-{CALLER}-{SPAN}-01")
    assert (span["traceId"], span["parentSpanId"]) == (CALLER, SPAN)
    assert (event.trace_id, event.span_id) == (CALLER, span["spanId"])
    client, _, _ = traced
    lines = [json.loads(line) for line in client.log.read_text().splitlines() if "{" in line]
    assert CALLER in {line.get("trace_id") for line in lines if line["message"] == "request"}


def test_probes_have_no_spans(traced):
    client, sink, _ = traced
    for path in ("/ready", "/health"):
        assert client.get(path).status_code == 200
    predicted(traced)
    assert {span["name"] for span in sink.spans} == {"predict POST /predict"}


def test_requests_that_flask_answers_have_spans_too(traced):
    client, sink, _ = traced
    for path, status in (("/model", 200), ("/nowhere", 404), ("/states", 200)):
        assert client.get(path).status_code == status
    assert client.post("/batch_predict", json={"listings": []}).status_code == 422
    assert client.post("/batch_predict", json={"listings": [LISTING]}).status_code == 200
    wanted = {
        ("GET", "/model"),
        ("GET", "unmatched"),
        ("GET", "/states"),
        ("POST", "/batch_predict"),
    }

    def routes():
        found = [attributes(span) for span in sink.spans]
        return {(each["http.request.method"], each["http.route"]) for each in found}

    wait_for(lambda: wanted <= routes())
    assert {span["traceId"] for span in sink.spans} <= {root_of(BATCH).trace_id, CALLER}
