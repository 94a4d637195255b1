"""Random events through a gateway with real functions: none is lost, and none is retried for ever.

TASADOR_FUZZ_EVENTS is how many; `./taskw test:fuzz` sends 20,000 new ones.
"""

import collections
import contextlib
import json
import logging
import os
import sqlite3
import sys

import httpx
import pytest
from hypothesis import given, strategies

from tasador.events.event import MODEL_PROMOTED, PREDICTION_MADE, PREDICTION_REQUESTED
from tests.code.test_predictions_read import predictions
from tests.embedded.test_fuzz import SETTINGS, settings
from tests.embedded.test_gateway import Gateway
from tests.kit.events import ANY_JSON, as_json, binary_requests, mostly, structured_requests
from tests.kit.ingestion import own_database
from tests.kit.models import make_bundle
from tests.kit.waiting import wait_for

log = logging.getLogger(__name__)

EVENTS = int(os.environ.get("TASADOR_FUZZ_EVENTS", "400"))
RETRIES = 2
SECONDS = 120  # for an answer, on a machine that is busy
DATA = {
    PREDICTION_REQUESTED: strategies.fixed_dictionaries(
        {}, optional={"bed": mostly(3, ANY_JSON), "state": strategies.just("Texas")}
    ),
    PREDICTION_MADE: predictions(),
    MODEL_PROMOTED: ANY_JSON,
    "com.example.other": ANY_JSON,
}


@strategies.composite
def requests(draw):
    """(path, headers, body): most to the broker, some straight to a function, in each mode."""
    path = draw(mostly("/broker", strategies.sampled_from(["/fn/predict/", "/fn/record/"])))
    type_ = draw(strategies.sampled_from(sorted(DATA)))
    make = draw(strategies.sampled_from([binary_requests, structured_requests]))
    headers, body = draw(make(type_=type_, data=DATA[type_]))
    if draw(strategies.integers(0, 19)) == 13:
        headers = {"content-type": "application/cloudevents-batch+json"}
        body = as_json([json.loads(body)]) if body.startswith(b"{") and is_json(body) else body
    return path, headers, body


def is_json(body):
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def gateway(platform, tmp_path_factory):
    """A gateway with the real functions, a model, and a separate database."""
    folder = tmp_path_factory.mktemp("events")
    make_bundle(folder / "bundle", rows=400)
    with own_database(platform) as own:
        elsewhere = ("TASADOR_HOME", "TASADOR_BROKER_URL", "TASADOR_FUNCTIONS_URL")
        environ = {
            name: value
            for name, value in own.as_environ().items()
            if name not in elsewhere and not name.startswith("TASADOR_GATEWAY")
        }
        environ |= {
            "TASADOR_DELIVERY_BACKOFF_SECONDS": "0.02",
            "TASADOR_DELIVERY_RETRIES": str(RETRIES),
            "TASADOR_COLD_START_SECONDS": "300",
            "TASADOR_SCALE_TO_ZERO_SECONDS": "600",
        }
        command = f"{sys.executable} -m functions.host functions/{{name}}"
        gateway = Gateway(folder, command, **environ)
        try:
            uri = str(folder / "bundle")
            gateway.serve("predict", ("predict-00001", 100, ""), MODEL_URI=uri)
            for name in ("predict", "record"):
                wait_for(lambda name=name: gateway.client.get(f"/fn/{name}/ready").is_success, 300)
            yield gateway
        finally:
            gateway.stop()


def test_every_event_is_refused_delivered_or_a_dead_letter(gateway):
    answers = collections.Counter()

    @settings(SETTINGS, max_examples=EVENTS)
    @given(requests())
    def answered(request):
        path, headers, body = request
        raw = [(k.encode(), v.strip().encode("latin-1")) for k, v in headers.items()]
        answer = gateway.client.post(
            path, content=body, headers=httpx.Headers(raw), timeout=SECONDS
        )
        answers[path, answer.status_code] += 1
        assert answer.status_code < 500, (path, headers, body, answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]

    logging.getLogger("httpx").setLevel(logging.WARNING)
    answered()
    wait_for(lambda: undelivered(gateway) == 0, 120)
    log.info("answers: %s", dict(answers))
    accepted, letters = check_attempts(gateway)
    assert 0.1 < answers["/broker", 202] / answers.total() < 0.9
    assert 0 < letters < accepted
    # The gateway and its functions answer as ever.
    assert gateway.client.post("/predict", json={"bed": 3}).status_code == 200
    for path in ("/metrics/summary", "/predictions/history"):
        assert gateway.client.get(path).status_code == 200


def undelivered(gateway):
    with contextlib.closing(sqlite3.connect(gateway.home / "events.sqlite")) as journal:
        return journal.execute("SELECT count(*) FROM deliveries").fetchone()[0]


def check_attempts(gateway):
    """Every attempt is counted, and the last one makes a dead letter: (deliveries, letters)."""
    lines = [json.loads(x) for x in (gateway.home / "gateway.log").read_text().splitlines()]
    assert not [line for line in lines if line["message"] == "delivery failed"]
    accepted = {line["seq"] for line in lines if line["message"] == "event" and line["subscribers"]}
    failures = collections.defaultdict(list)
    for line in lines:
        if line["message"] == "event not delivered":
            failures[line["seq"]].append(line)
    given_up = 0
    for seq, attempts in failures.items():
        assert seq in accepted
        assert [line["attempt"] for line in attempts] == list(range(1, len(attempts) + 1))
        assert len(attempts) <= RETRIES + 1
        given_up += 400 <= attempts[-1]["status"] < 500 or len(attempts) == RETRIES + 1
        # Nothing that was accepted is more than a function can answer.
        assert all(line["status"] < 500 for line in attempts), attempts
    assert len(gateway.admin("GET", "/dead-letters").json()) == given_up
    return len(accepted), given_up
