"""Trace context in texts, and the spans that a collector receives."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition

from functions import metric_families
from tasador.events import read
from tasador.events.event import Event
from tasador.events.publish import publish, traced
from tasador.tracing import spans
from tasador.tracing.context import TraceContext, parse, root_of, trace_id_of
from tests.kit.checkout import ROOT
from tests.kit.listener import http_sink
from tests.kit.otlp_sink import attributes, otlp_sink
from tests.kit.waiting import wait_for

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
BATCH = f"corr-{TRACE}"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f" 00-{TRACE}-{SPAN}-03 ", True),
        (f"cc-{TRACE}-{SPAN}-01-what-will-be", True),
    ],
)
def test_traceparent_is_read(text, sampled):
    assert parse(text) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "text",
    [
        *("", "00", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-more", f"00-{TRACE}-{SPAN}"),
        *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01"),
    ],
)
def test_wrong_traceparent_is_ignored(text):
    assert parse(text) is None


@given(st.text(min_size=1))
def test_every_correlation_id_has_one_valid_trace(correlation_id):
    root = root_of(correlation_id)
    assert root == root_of(correlation_id)
    assert parse(root.traceparent) == root
    assert root.trace_id == trace_id_of(correlation_id)


def test_trace_of_a_batch_is_in_its_correlation_id():
    assert trace_id_of(BATCH) == TRACE
    assert trace_id_of("") == ""


@pytest.fixture
def sink(monkeypatch):
    """A collector, to which this process sends its spans."""
    with otlp_sink() as made:
        monkeypatch.setattr(spans, "_exporter", None)
        monkeypatch.setattr(spans.atexit, "register", lambda _: None)
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{made.url}/",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x",
        }
        assert spans.start("test", environ)
        yield made


def received(sink):
    spans.flush()
    return {span["name"]: span for span in sink.spans}


def event(**extensions):
    return Event(type="t", source="/s", id="1", data={}, extensions=extensions)


def test_without_an_endpoint_nothing_is_sent(monkeypatch):
    monkeypatch.setattr(spans, "_exporter", None)
    assert not spans.start("test", {})
    assert not spans.is_on()
    plain = event(correlationid=BATCH)
    assert traced(plain) is plain
    with spans.part("postgres SELECT") as span:
        assert span is None


def test_parts_belong_to_their_span_and_the_correlation_id_that_it_learns(sink):
    top = spans.begin("step")
    with spans.part("s3 data-raw", spans.CLIENT, rows=3, share=0.5, ok=True):
        pass
    spans.join(BATCH)
    spans.end(top)
    sent = received(sink)
    step, part = sent["step"], sent["s3 data-raw"]
    assert {step["traceId"], part["traceId"]} == {TRACE}
    assert part["parentSpanId"] == step["spanId"]
    assert step["parentSpanId"] == root_of(BATCH).span_id
    assert attributes(step) == {"tasador.correlation_id": BATCH}
    assert attributes(part) == {"rows": "3", "share": 0.5, "ok": True}
    assert int(step["startTimeUnixNano"]) <= int(part["startTimeUnixNano"])
    assert sink.headers[0]["Authorization"] == "Bearer x"


def test_work_that_creates_the_batch_is_the_root(sink):
    top = spans.begin("ingest")
    spans.join(BATCH, begins=True)
    spans.join("another")
    spans.end(top)
    span = received(sink)["ingest"]
    assert span["spanId"] == root_of(BATCH).span_id
    assert "parentSpanId" not in span


def test_failed_part_says_why(sink):
    top = spans.begin("step", correlation_id=BATCH)
    with pytest.raises(KeyError), spans.part("postgres SELECT"):
        raise KeyError("x")
    spans.end(top, "KeyError")
    sent = received(sink)
    assert sent["postgres SELECT"]["status"] == {"code": 2, "message": "KeyError"}
    assert sent["step"]["status"]["code"] == 2


def test_event_carries_the_span_that_publishes_it(sink):
    assert (
        traced(event(correlationid=BATCH)).extensions["traceparent"] == root_of(BATCH).traceparent
    )
    assert "traceparent" not in traced(event()).extensions
    kept = f"00-{TRACE}-{SPAN}-01"
    assert traced(event(traceparent=kept)).extensions["traceparent"] == kept
    top = spans.begin("step", correlation_id=BATCH)
    published = traced(event(correlationid=BATCH))
    spans.end(top)
    assert parse(published.extensions["traceparent"]).span_id == received(sink)["step"]["spanId"]
    again = read.parse(published.headers(), published.body())
    assert again.extensions == published.extensions


def test_a_span_has_at_most_so_many_parts(sink, monkeypatch):
    monkeypatch.setattr(spans, "_MAX_CHILDREN", 2)
    top = spans.begin("step", correlation_id=BATCH)
    for _ in range(5):
        with spans.part("postgres SELECT"):
            pass
    spans.end(top)
    spans.flush()
    assert len(sink.spans) == 3
    assert attributes(sink.spans[0])["tasador.dropped_spans"] == "3"


def test_collector_that_refuses_loses_spans_and_nothing_else(sink, caplog):
    sink.refuses = True
    for _ in range(2):
        spans.end(spans.begin("lost", correlation_id=BATCH))
        spans.flush()
    assert len([r for r in caplog.records if "spans are lost" in r.message]) == 1
    sink.refuses = False
    spans.end(spans.begin("kept", correlation_id=BATCH))
    assert set(received(sink)) == {"kept"}


def test_sampler_takes_so_many_a_second(monkeypatch):
    times = iter([0.0] + [0.0] * 5 + [1.0] * 5)
    monkeypatch.setattr(spans.time, "monotonic", lambda: next(times))
    sampler = spans.Sampler(2)
    assert [sampler.takes() for _ in range(10)] == [*(True, True), *[False] * 3] * 2


def test_module_imports_nothing_heavy():
    code = "import tasador.tracing, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not {"urllib.request", "http.client", "ssl", "opentelemetry"} & set(
        json.loads(done.stdout)
    )


def test_function_continues_the_trace_of_its_caller_and_of_an_event(monkeypatch):
    from functions.observability import Traffic

    monkeypatch.setenv("MODEL_CORRELATION_ID", BATCH)
    with otlp_sink() as sink:
        monkeypatch.setattr(spans, "_exporter", None)
        monkeypatch.setattr(spans.atexit, "register", lambda _: None)
        spans.start("predict", {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url})
        traffic = Traffic("predict")
        caller = "0" * 31 + "1"
        for headers in (
            {},
            {"traceparent": f"00-{caller}-{SPAN}-01"},
            {"traceparent": f"00-{caller}-{SPAN}-00"},
            {"ce-traceparent": f"00-{TRACE}-{SPAN}-01", "traceparent": f"00-{caller}-{SPAN}-01"},
        ):
            if (span := traffic.begin_span(headers, "")) is not None:
                traffic.end_span(span, "POST", "/predict", 200)
        spans.flush()
        wait_for(lambda: len(sink.spans) == 3)
    assert [(s["traceId"], s["parentSpanId"]) for s in sink.spans] == [
        (TRACE, root_of(BATCH).span_id),
        (caller, SPAN),
        (TRACE, SPAN),
    ]
    assert {s["name"] for s in sink.spans} == {"predict POST /predict"}


def test_published_event_has_the_attribute(sink):
    with http_sink() as (url, posts):
        publish(event(correlationid=BATCH), url)
    assert posts[0][0]["ce-traceparent"] == root_of(BATCH).traceparent


def test_latency_histogram_shows_the_trace_of_a_request():
    histogram = metric_families.Histogram((0.1, 1.0))
    histogram.observe(0.05)
    histogram.observe(0.5, trace_id=TRACE)
    family = metric_families.Family("histogram", "h_seconds", "Time.", (), lambda: histogram)
    metric_families._REGISTERED.remove(family)
    family.labels()
    registry = CollectorRegistry()
    registry.register(family)
    text = exposition.generate_latest(registry).decode()
    assert f'h_seconds_bucket{{le="1.0"}} 2.0 # {{trace_id="{TRACE}"}} 0.5' in text
    assert 'h_seconds_bucket{le="0.1"} 1.0\n' in text
    assert "trace_id" not in generate_latest(registry).decode()


def test_metrics_are_openmetrics_for_a_scraper_that_accepts_it():
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2"
    body, content_type = metric_families.metrics_text(accept)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert metric_families.metrics_text("text/plain")[1].startswith("text/plain")
