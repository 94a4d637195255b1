"""One trace from a batch to the predictions of the model that it led to, as a collector has it."""

import pytest

from tasador.tracing.context import root_of
from tests.cluster.test_rollout import LISTING, served  # noqa: F401
from tests.cluster.test_states import NEWEST
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(600), kit.long]

# FlowSpec classes name the flows' spans.
WORK = {
    *("IngestFlow start", "IngestFlow end"),
    *("DriftFlow start", "DriftFlow judge", "DriftFlow end"),
    *("TrainFlow start", "TrainFlow search", "TrainFlow judge", "TrainFlow end"),
    *("reload POST /", "predict POST /predict", "explain POST /explain", "record POST /"),
}


@pytest.fixture(scope="module")
def collected(served):  # noqa: F811
    """A function that returns the spans of a trace; afterwards new processes send none."""

    def spans(trace_id):
        return kit.python(
            "import httpx\n"
            f"url = 'http://collector.tasador.svc.cluster.local:8000/{trace_id}'\n"
            "report(httpx.get(url).json())"
        )

    yield spans
    kit.stop_collecting()


def test_everything_from_the_batch_to_the_stored_prediction_is_in_one_trace(collected, measured):
    newest = kit.python(NEWEST)
    root = root_of(newest["correlation_id"])
    for service in ("predict", "explain"):
        kit.until(
            f"an answer of {service}",
            lambda service=service: (
                kit.request("POST", f"/{service}", LISTING, service=service).status_code == 200
            ),
            120,
        )

    def complete():
        found = collected(root.trace_id)
        missing = WORK - {span["name"] for span in found}
        assert not missing, missing
        return found

    spans, _ = kit.until("every span", complete, 120, pause=3)
    (begins,) = [span for span in spans if "parentSpanId" not in span]
    assert (begins["name"], begins["spanId"]) == ("IngestFlow start", root.span_id)
    services = {span["service"] for span in spans}
    assert {"flows", "reload", "predict", "explain", "record"} <= services
    names = {span["name"] for span in spans}
    assert {"postgres INSERT", "postgres SELECT", "s3 data-raw", "s3 data-clean"} <= names
    # The event's attribute: record continues a prediction that it stores.
    predicted = {span["spanId"] for span in spans if span["name"] == "predict POST /predict"}
    stored = {span.get("parentSpanId") for span in spans if span["name"] == "record POST /"}
    assert predicted & stored
    answer = kit.request("POST", "/predict", LISTING).json()
    lineage = kit.until(
        "its lineage",
        lambda: kit.console("python", "-m", "tasador", "lineage", answer["prediction_id"]),
        60,
        pause=3,
    )[0]
    assert root.trace_id in lineage.replace("\n", "")
    measured["spans in the trace from the first batch to its predictions"] = (
        f"{len(spans)} of {len(services)} services"
    )
