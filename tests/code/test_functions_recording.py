"""How predict records predictions: required, best-effort, off; and on SIGTERM."""

import json
import os
import signal
from contextlib import contextmanager

import pytest

from tasador.events import build, read
from tasador.events.event import PREDICTION_REQUESTED, Event
from tasador.records.prediction import SMOKE_TEST_HEADER
from tests.kit.broker import adjustable_broker
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.waiting import wait_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "bundle"
    make_bundle(folder, rows=400)
    return folder


@contextmanager
def predicting(folder, home, **env):
    with function("predict", home, MODEL_URI=str(folder), **env) as client:
        wait_for(lambda: is_ready(client))
        yield client


def metric(client, text):
    line = next((x for x in client.metrics().splitlines() if x.startswith(text)), "0 0")
    return float(line.split()[-1])


def test_best_effort_answers_at_once_and_sends_every_prediction(folder, tmp_path):
    with adjustable_broker() as broker, predicting(folder, tmp_path, K_SINK=broker.url) as client:
        broker.open.clear()
        one = client.post("/predict", json={"bed": 3}).json()
        assert broker.ids() == []
        many = client.post("/batch_predict", json={"listings": [{"bed": 1}] * 450}).json()
        wanted = [one["prediction_id"], *(p["prediction_id"] for p in many["predictions"])]
        broker.open.set()
        wait_for(lambda: len(broker.ids()) == 451)
        assert broker.ids() == wanted
        assert len(broker.events) < 10
        kept = broker.events[0].data
        assert (kept["price"], kept["listing"]["bed"]) == (one["price"], 3.0)
        assert kept["intervals"]["80"] == list(one["intervals"]["80"].values())
        wait_for(lambda: metric(client, 'tasador_recordings_total{outcome="sent"}') == 451)


def test_rejected_requests_smoke_tests_and_event_replies_are_not_published(folder, tmp_path):
    with adjustable_broker() as broker, predicting(folder, tmp_path, K_SINK=broker.url) as client:
        client.post("/predict", json={"bed": "x"})
        client.post("/predict", json={}, headers={SMOKE_TEST_HEADER: "1"})
        request = Event(type=PREDICTION_REQUESTED, source="/t", id="1", data={})
        # A broker states that it passes the reply on, to record.
        headers = {**request.headers(), "prefer": "reply"}
        assert client.post("/", content=request.body(), headers=headers).status_code == 200
        last = client.post("/predict", json={}).json()["prediction_id"]
        wait_for(lambda: broker.ids())
        assert broker.ids() == [last]


@pytest.mark.parametrize("path", ["/", "/predict"])
@pytest.mark.parametrize("structured", [False, True])
def test_an_event_posted_straight_to_predict_is_recorded(folder, tmp_path, path, structured):
    traced = {"correlationid": "of the caller", "traceparent": "00-1-2-01", "other": "x"}
    request = Event(
        type=PREDICTION_REQUESTED, source="/t", id=path, data={"bed": 3}, extensions=traced
    )
    with adjustable_broker() as broker, predicting(folder, tmp_path, K_SINK=broker.url) as client:
        if structured:
            body, headers = json.dumps(request.structured()), {"content-type": read.STRUCTURED}
        else:
            body, headers = request.body(), request.headers()
        answer = client.post(path, content=body, headers=headers)
        reply = read.parse(answer.headers, answer.content)
        wait_for(lambda: broker.ids())
        # Twice the same request is one prediction: broker and record know it by its id.
        assert broker.ids() == [reply.id] == [reply.data["prediction_id"]]
        assert reply.id == build.identity_of(request)
        assert broker.events[0].data == reply.data
        assert reply.extensions["correlationid"] == "of the caller"
        assert reply.extensions["traceparent"] == "00-1-2-01"
        assert "other" not in reply.extensions


def test_required_answers_an_event_only_once_it_is_recorded(folder, tmp_path):
    request = Event(type=PREDICTION_REQUESTED, source="/t", id="1", data={})
    with adjustable_broker() as broker:
        env = {"K_SINK": broker.url, "TASADOR_RECORDING": "required"}
        with predicting(folder, tmp_path, **env) as client:
            broker.status = 400
            refused = client.post("/", content=request.body(), headers=request.headers())
            assert (refused.status_code, broker.ids()) == (503, [])
            broker.status = 202
            assert client.post("/", content=request.body(), headers=request.headers()).is_success
            assert broker.ids() == [build.identity_of(request)]


def test_required_answers_only_what_the_broker_accepted(folder, tmp_path):
    with adjustable_broker() as broker:
        env = {"K_SINK": broker.url, "TASADOR_RECORDING": "required"}
        with predicting(folder, tmp_path, **env) as client:
            answered = client.post("/predict", json={}).json()["prediction_id"]
            assert broker.ids() == [answered]
            broker.status = 503
            refused = client.post("/predict", json={})
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["retry-after"]
            assert is_ready(client)
            broker.status = 202
            assert client.post("/predict", json={}).status_code == 200
            assert len(broker.ids()) == 2


def test_undelivered_predictions_are_counted_as_lost(folder, tmp_path):
    away = f"http://127.0.0.1:{free_port()}"
    with predicting(folder, tmp_path, K_SINK=away) as client:
        assert client.post("/predict", json={}).status_code == 200
        wait_for(lambda: metric(client, 'tasador_recordings_total{outcome="lost"}') == 1)


def test_off_publishes_nothing(folder, tmp_path):
    with adjustable_broker() as broker:
        env = {"K_SINK": broker.url, "TASADOR_RECORDING": "off"}
        with predicting(folder, tmp_path, **env) as client:
            assert client.post("/predict", json={}).status_code == 200
            client.process.send_signal(signal.SIGTERM)
            assert client.process.wait(20) == 0
        assert broker.events == []


def test_sigterm_sends_the_queue(folder, tmp_path):
    with adjustable_broker() as broker, predicting(folder, tmp_path, K_SINK=broker.url) as client:
        broker.delay = 0.3
        answered = [client.post("/predict", json={}).json()["prediction_id"] for _ in range(20)]
        os.kill(client.process.pid, signal.SIGTERM)
        assert client.process.wait(20) == 0
        assert broker.ids() == answered


def test_unknown_recording_mode_keeps_predict_unready(folder, tmp_path):
    with function("predict", tmp_path, MODEL_URI=str(folder), TASADOR_RECORDING="maybe") as client:
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["final"]) == (503, True)
        assert "TASADOR_RECORDING" in answer.text
