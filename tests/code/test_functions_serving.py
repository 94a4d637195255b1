"""predict and explain as real processes with a real model."""

import gzip
import http.client
import json
import math
import os
import shutil
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from functions import model as served
from functions.http import HttpProblem
from tasador.engine.fast_engine import FastEngine
from tasador.errors import BundleError, ConfigurationError, StoreUnavailable
from tasador.events import read
from tasador.events.event import EXPLANATION_MADE, PREDICTION_MADE, PREDICTION_REQUESTED, Event
from tasador.listings.listing import INPUTS
from tasador.model import contributions
from tasador.model.bundle import Bundle
from tasador.model.bundle_writer import stamp_version
from tests.kit.functions import function, is_ready
from tests.kit.listings import simulated_listings
from tests.kit.models import make_bundle
from tests.kit.waiting import wait_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "bundle"
    make_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def predict(folder, model, tmp_path_factory):
    with function(
        "predict",
        tmp_path_factory.mktemp("home"),
        MODEL_URI=folder.as_uri(),
        MODEL_DIGEST=model.manifest.digest,
        MODEL_VERSION="3",
        MODEL_CORRELATION_ID="c-1",
        K_REVISION="predict-00007",
    ) as client:
        wait_for(lambda: is_ready(client))
        yield client


@pytest.fixture(scope="module")
def explain(folder, tmp_path_factory):
    with function("explain", tmp_path_factory.mktemp("home"), MODEL_URI=str(folder)) as client:
        wait_for(lambda: is_ready(client))
        yield client


@pytest.fixture(scope="module")
def listing():
    """A complete listing, as a caller would send it."""
    complete = next(each for each in simulated_listings() if not each.missing())
    return {name: getattr(complete, name) for name in INPUTS}


def problem(answer, status):
    """The problem document of an answer."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert "Traceback" not in answer.text
    return body


def requested(listing, **attributes):
    defaults = {"type": PREDICTION_REQUESTED, "source": "/test", "id": "e-1"} | attributes
    return Event(data=listing, **defaults)


def send(client, event, structured=False):
    if structured:
        return client.post(
            "/",
            content=json.dumps(event.structured()),
            headers={"content-type": read.STRUCTURED},
        )
    return client.post("/", content=event.body(), headers=event.headers())


# -- predictions --------------------------------------------------------------------------------


def test_prediction_names_model_revision_and_intervals(predict, model, listing):
    answer = predict.post("/predict", json=listing).json()
    manifest = model.manifest
    assert answer["model"] == {"name": "tasador-price", "version": 3, "digest": manifest.digest}
    assert (answer["revision"], answer["correlation_id"]) == ("predict-00007", "c-1")
    assert (answer["missing"], answer["warnings"]) == ([], [])
    assert len(answer["prediction_id"]) == 32
    assert list(answer["intervals"]) == ["80", "90", "95"]
    lows = [answer["intervals"][level]["low"] for level in ("95", "90", "80")]
    highs = [answer["intervals"][level]["high"] for level in ("80", "90", "95")]
    ladder = [*lows, answer["price"], *highs]
    assert ladder == sorted(ladder)


def test_json_batch_and_event_requests_give_the_same_price(predict, listing):
    price = predict.post("/predict", json=listing).json()["price"]
    assert predict.post("/", json=listing).json()["price"] == price
    assert send(predict, requested(listing)).json()["price"] == price
    assert send(predict, requested(listing), structured=True).json()["price"] == price
    batch = predict.post("/batch_predict", json={"listings": [listing, {}]}).json()
    assert batch["predictions"][0]["price"] == pytest.approx(price, rel=1e-6)


def test_event_reply_has_the_same_id_when_redelivered(predict, listing):
    first, again = (send(predict, requested(listing)) for _ in range(2))
    other = send(predict, requested(listing, id="e-2"))
    assert first.headers["content-type"] == "application/json"
    made = read.parse(dict(first.headers), first.content)
    assert (made.type, made.correlation_id) == (PREDICTION_MADE, "c-1")
    assert made.extensions["modelversion"] == "3"
    assert made.data["listing"] == listing
    answer = predict.post("/predict", json=listing).json()
    assert made.data["confidence"] == answer["confidence"] != {}
    assert answer["confidence"]["class"] in ("high", "medium", "low")
    assert made.data["prediction_id"] == made.id == again.json()["prediction_id"]
    assert other.json()["prediction_id"] != made.id


def test_price_in_the_request_is_ignored(predict, listing):
    price = predict.post("/predict", json=listing).json()["price"]
    answer = predict.post("/predict", json={**listing, "price": "no idea"})
    assert answer.json()["price"] == price


@pytest.mark.parametrize("field", [*INPUTS, "all"])
def test_any_field_may_be_missing(predict, explain, listing, field):
    left = {} if field == "all" else {k: v for k, v in listing.items() if k != field}
    answer = predict.post("/predict", json=left).json()
    assert answer["missing"] == (list(INPUTS) if field == "all" else [field])
    low, high = (answer["intervals"]["90"][end] for end in ("low", "high"))
    assert 0 < low < answer["price"] < high
    assert (
        predict.post("/predict", json=dict.fromkeys(INPUTS) | left).json()["missing"]
        == (answer["missing"])
    )
    assert explain.post("/explain", json=left).json()["price"] == pytest.approx(answer["price"])


def test_unknown_state_is_a_warning(predict, listing):
    answer = predict.post("/predict", json={**listing, "state": "Atlantis"})
    assert answer.status_code == 200
    assert any("Atlantis" in warning for warning in answer.json()["warnings"])


def test_batch_by_row_answers_every_row_in_order(predict, model):
    rows = simulated_listings(300, seed=11)
    sent = [{name: getattr(row, name) for name in INPUTS} for row in rows]
    answers = predict.post("/batch_predict", json={"listings": sent}).json()["predictions"]
    assert len({answer["prediction_id"] for answer in answers}) == len(rows)
    for row, answer in zip(rows, answers, strict=True):
        expected = model.predict_one(row)
        assert answer["price"] == pytest.approx(expected["price"], rel=1e-6)
        assert answer["missing"] == expected["missing"]
        assert answer["warnings"] == expected["warnings"]
        assert answer["confidence"] == expected["confidence"]
        low, high = expected["intervals"]["80"]
        assert answer["intervals"]["80"] == pytest.approx({"low": low, "high": high}, rel=1e-6)


def test_batch_by_column_equals_batch_by_row(predict):
    rows = simulated_listings(300, seed=11)
    sent = [{name: getattr(row, name) for name in INPUTS} for row in rows]
    by_row = predict.post("/batch_predict", json={"listings": sent}).json()["predictions"]
    columns = {name: [row[name] for row in sent] for name in INPUTS}
    answer = predict.post("/batch_predict", json={"columns": columns})
    assert answer.headers["content-type"] == "application/json"
    by_column = answer.json()
    assert by_column["rows"] == len(rows) == len(set(by_column["prediction_id"]))
    assert by_column["price"] == [each["price"] for each in by_row]
    for level in ("80", "90", "95"):
        for end in ("low", "high"):
            expected = [each["intervals"][level][end] for each in by_row]
            assert by_column["intervals"][level][end] == expected
    missing = {
        name: [row for row, each in enumerate(by_row) if name in each["missing"]] for name in INPUTS
    }
    confidence = by_column["confidence"]
    for row, each in enumerate(by_row):
        fsd, of_class = confidence["fsd"][row], confidence["class"][row]
        assert each["confidence"] == {
            "fsd": fsd,
            "class": of_class,
            **confidence["classes"][of_class],
        }
    assert by_column["missing"] == {name: where for name, where in missing.items() if where}
    assert by_column["warnings"] == [
        {"row": row, "warnings": each["warnings"]}
        for row, each in enumerate(by_row)
        if each["warnings"]
    ]
    assert by_column["model"] == by_row[0]["model"]


def _read_slowly(client):
    """The JSON of the next answer, and nothing of what follows it."""
    with client.makefile("rb", buffering=0) as answer:
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        headers = dict(
            line.decode().rstrip().split(": ", 1) for line in iter(answer.readline, b"\r\n")
        )
        left, pieces = int(headers["Content-Length"]), []
        while left:
            pieces.append(answer.read(min(left, 50_000)))
            left -= len(pieces[-1])
    return json.loads(b"".join(pieces))


def test_long_answer_arrives_whole_for_a_client_that_reads_slowly(predict):
    """The socket takes a part of it at once, and the rest when there is room."""
    sent = [{"state": "Texas", "bed": bed} for bed in range(1, 20)] * 300
    body = json.dumps({"listings": sent}).encode()
    head = f"POST /batch_predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((predict.base_url.host, predict.base_url.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        for _ in range(2):  # the connection is kept
            client.sendall(head.encode() + body)
            assert len(_read_slowly(client)["predictions"]) == len(sent)
        # Two requests at once: the second answer waits behind the first.
        one = {"listings": sent[:1]}
        short = json.dumps(one).encode()
        short_head = head.replace(str(len(body)), str(len(short)))
        client.sendall(head.encode() + body + short_head.encode() + short)
        answers = [_read_slowly(client), _read_slowly(client)]
        assert [len(each["predictions"]) for each in answers] == [len(sent), 1]
    # One that goes away in the middle harms nobody.
    with socket.create_connection((predict.base_url.host, predict.base_url.port)) as client:
        client.sendall(head.encode() + body)
        client.recv(1)
    assert predict.get("/ready").status_code == 200


def test_batch_by_column_without_a_column_and_with_a_price(predict):
    by_column = predict.post(
        "/batch_predict", json={"columns": {"bed": [3, None], "price": ["no", "idea"]}}
    ).json()
    assert by_column["missing"]["bed"] == [1]
    assert by_column["missing"]["city"] == [0, 1]
    single = predict.post("/predict", json={"bed": 3}).json()["price"]
    assert by_column["price"][0] == pytest.approx(single, rel=1e-6)


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"bed": [1, "x"], "zip_code": ["1", "123456"]}, ["columns.bed[1]", "columns.zip_code[1]"]),
        ({"rooms": [1], "bed": [1]}, ["columns.rooms"]),
        ({"bed": 3}, ["columns.bed"]),
        ({"bed": [1], "bath": [1, 2]}, ["columns"]),
        ({"bed": []}, ["columns"]),
        ({"bed": [1] * 10_001}, ["columns"]),
        ({}, ["columns"]),
        ([1], ["columns"]),
    ],
)
def test_invalid_columns_are_named(predict, columns, fields):
    document = problem(predict.post("/batch_predict", json={"columns": columns}), 422)
    assert [e["field"] for e in document["errors"]] == fields


def test_nan_in_a_batch_is_a_missing_value(predict):
    body = b'{"columns": {"bed": [3, NaN]}}'
    assert predict.post("/batch_predict", content=body).json()["missing"]["bed"] == [1]


def test_metrics_count_every_row_of_a_batch(predict):
    def counted():
        lines = predict.metrics().splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        keys = (
            'tasador_predictions_total{mode="batch"}',
            "tasador_prediction_price_dollars_count",
            "tasador_prediction_duration_seconds_count",
            'tasador_prediction_price_dollars_bucket{le="+Inf"}',
        )
        return [float(values[key]) for key in keys]

    before = counted()
    predict.post("/batch_predict", json={"listings": [{"bed": 3}] * 70})
    assert [after - then for after, then in zip(counted(), before, strict=True)] == [70.0] * 4


def test_batch_of_events_is_415_for_functions_that_reply(predict, explain):
    for client in (predict, explain):
        content = json.dumps([requested({}).structured()])
        answer = client.post("/", content=content, headers={"content-type": read.BATCHED})
        problem(answer, 415)


def test_index_model_and_states_describe_the_served_model(predict, model):
    assert predict.get("/").json()["model"]["version"] == 3
    description = predict.get("/model").json()
    assert description["digest"] == model.manifest.digest
    assert description["metrics"] == model.manifest.metrics
    assert description["ratio_study"] == model.manifest.ratio_study != {}
    assert description["size_factors"] == model.manifest.size_factors != {}
    assert predict.get("/states").json()["states"] == model.manifest.categories["state"]


# -- explanations -------------------------------------------------------------------------------


def test_explanation_adds_up_to_the_price_of_predict(predict, explain):
    for row in simulated_listings(12, seed=5):
        sent = {name: getattr(row, name) for name in INPUTS}
        explanation = explain.post("/explain", json=sent).json()
        assert explanation["price"] == pytest.approx(
            predict.post("/predict", json=sent).json()["price"]
        )
        for parts in (explanation["contributions"], explanation["columns"]):
            total = explanation["base"] + math.fsum(part["dollars"] for part in parts)
            assert total == pytest.approx(explanation["price"], abs=1.0)
        assert explanation["sentence"]


def test_explain_answers_json_and_events_alike(explain, model, listing):
    explanation = explain.post("/", json=listing).json()
    answer = send(explain, requested(listing))
    made = read.parse(dict(answer.headers), answer.content)
    assert made.type == EXPLANATION_MADE
    # Only the answer has the names that clients of the previous platform read.
    old_names = {"base_value", "feature_names", "shap_values", "model_version"}
    assert made.data == {n: v for n, v in explanation.items() if n not in old_names}
    row = next(each for each in simulated_listings() if not each.missing())
    assert explanation["price"] == contributions.explain(model, row).price


# -- invalid requests ---------------------------------------------------------------------------

REFUSED = [
    ({"house_size": "big"}, "house_size", "is not a number"),
    ({"house_size": -5}, "house_size", "is negative"),
    ({"bed": True}, "bed", "is true or false, not a number"),
    ({"bed": 1001}, "bed", "is above 1,000, which no listing can be"),
    ({"acre_lot": 10**400}, "acre_lot", "is above 10,000,000 acres, which no listing can be"),
    ({"zip_code": "12345678"}, "zip_code", "is not a zip code of five digits"),
    ({"city": ["a"]}, "city", "is not text"),
    ({"rooms": 3}, "rooms", "is not a column of a listing"),
    ([], "body", "is not a JSON object"),
]


@pytest.mark.parametrize("name", ["predict", "explain"])
@pytest.mark.parametrize(("body", "field", "reason"), REFUSED)
def test_invalid_value_is_422_and_named(request, name, body, field, reason):
    client = request.getfixturevalue(name)
    for path in (f"/{name}", "/"):
        document = problem(client.post(path, json=body), 422)
        assert [(e["field"], e["reason"]) for e in document["errors"]] == [(field, reason)]


def test_every_invalid_field_of_a_batch_is_named(predict):
    rows = [{}, {"bed": "x", "bath": -1}, 7, {"house_size": 1000}, {"state": 1.5, "bed": "y"}]
    document = problem(predict.post("/batch_predict", json={"listings": rows}), 422)
    fields = [e["field"] for e in document["errors"]]
    assert fields == ["listings[1].bed", "listings[1].bath", "listings[2]", "listings[4].bed"]


@pytest.mark.parametrize("body", [{}, {"listings": []}, {"listings": [{}] * 10_001}, [1]])
def test_malformed_batch_is_422(predict, body):
    problem(predict.post("/batch_predict", json=body), 422)


def test_gzip_is_decoded_and_other_encodings_are_415(predict, explain):
    body = gzip.compress(json.dumps({"bed": 3}).encode())
    for client, path in ((predict, "/predict"), (predict, "/"), (explain, "/explain")):
        answer = client.post(path, content=body, headers={"content-encoding": "gzip"})
        assert answer.status_code == 200, answer.text
        refused = client.post(path, content=body, headers={"content-encoding": "br"})
        assert "'br'" in problem(refused, 415)["detail"]
        assert refused.headers["accept-encoding"] == "gzip"
    rows = gzip.compress(json.dumps({"listings": [{"bed": 3}] * 2}).encode())
    answer = predict.post("/batch_predict", content=rows, headers={"content-encoding": "gzip"})
    assert len(answer.json()["predictions"]) == 2


@pytest.mark.parametrize("path", ["/predict", "/batch_predict", "/"])
def test_gzip_bomb_is_413_and_damaged_gzip_is_400(predict, path):
    bomb = gzip.compress(bytes(100_000_000), 9)
    headers = {"content-encoding": "gzip"}
    assert "limit" in problem(predict.post(path, content=bomb, headers=headers), 413)["detail"]
    assert "gzip" in problem(predict.post(path, content=b"{}", headers=headers), 400)["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_malformed_json_is_400(predict, explain, body):
    problem(predict.post("/predict", content=body), 400)
    problem(explain.post("/explain", content=body), 400)


def test_body_of_10_megabytes_is_413_on_every_route(predict, explain):
    body = b'{"city":"' + b"x" * 10_000_000 + b'"}'
    for client, path in ((predict, "/predict"), (predict, "/batch_predict"), (predict, "/")):
        problem(client.post(path, content=body), 413)
    problem(explain.post("/explain", content=body), 413)
    event = requested({})
    problem(predict.post("/", content=body, headers=event.headers()), 413)
    assert is_ready(predict)


def test_unsupported_transfer_encoding_is_a_problem_document(predict):
    connection = http.client.HTTPConnection(predict.base_url.host, predict.base_url.port)
    connection.request("POST", "/predict", headers={"transfer-encoding": "nonsense"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-type"]) == (501, "application/problem+json")
    assert json.loads(answer.read())["status"] == 501
    connection.close()


def test_unknown_path_is_404_and_wrong_method_is_405(predict):
    assert "GET /openapi.json lists" in problem(predict.get("/nowhere"), 404)["detail"]
    assert "the header Allow" in problem(predict.get("/predict"), 405)["detail"]
    assert "POST" in predict.get("/predict").headers["allow"]
    problem(predict.delete("/"), 405)


def test_events_of_other_types_are_rejected(predict, explain):
    for client in (predict, explain):
        problem(send(client, requested({}, type="com.example.other")), 422)
        problem(send(client, requested({"bed": "x"})), 422)
        problem(client.post("/", content=b"{}", headers={"ce-specversion": "1.0"}), 400)


# -- health, metrics, logs ----------------------------------------------------------------------


def test_probes_are_not_counted_and_labels_are_closed_sets(predict):
    predict.post("/predict", json={})
    predict.request("BREW", "/coffee")
    for path in ("/health", "/ready", "/health/liveness", "/health/readiness"):
        assert predict.get(path).status_code == 200
    text = predict.metrics()
    assert 'tasador_http_requests_total{method="POST",route="/predict",status="2xx"}' in text
    assert 'tasador_http_requests_total{method="other",route="unmatched",status="4xx"}' in text
    for never in ("coffee", "BREW", "/health", "/ready"):
        assert never not in text
    for name in ("predictions_total", "prediction_duration_seconds", "prediction_price_dollars"):
        assert f"tasador_{name}" in text
    assert "tasador_model_loaded 1.0" in text


def test_explain_reports_its_explainer_as_a_metric(explain):
    assert "tasador_explainer_loaded 1.0" in explain.metrics()


def test_request_log_has_request_id_and_correlation_id(predict):
    predict.post("/predict", json={"bed": "x"}, headers={"x-request-id": "find-me"})

    def logged():
        lines = [json.loads(line) for line in predict.log.read_text().splitlines()]
        return next((line for line in lines if line.get("request_id") == "find-me"), None)

    line = wait_for(logged)
    assert (line["status"], line["route"], line["correlation_id"]) == (422, "/predict", "c-1")
    assert line["revision"] == "predict-00007"


# -- loading the model --------------------------------------------------------------------------


@contextmanager
def loading(monkeypatch, load):
    """A ServedModel whose first attempt calls ``load`` once the event is set, and its thread."""
    go = threading.Event()

    def attempt(_environ):
        assert go.wait(20)
        return load()

    monkeypatch.setattr(served, "_load", attempt)
    monkeypatch.setattr(served, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(served, "use_orjson", lambda: None)
    waiting = served.ServedModel()
    monkeypatch.setattr(waiting, "_use_fast_engine", lambda bundle: None)
    thread = threading.Thread(target=waiting.load, daemon=True)
    thread.start()
    wait_for(lambda: waiting._load_started is not None)
    try:
        yield waiting, go, thread
    finally:
        # It would try again during the next test, and load what that test gives its own model.
        waiting._final = True
        go.set()
        thread.join()


def unavailable():
    raise StoreUnavailable("the store does not answer")


def test_wait_for_bundle_waits_for_the_first_attempt(monkeypatch, model):
    # Without a limit: the waiting call cannot end before the attempt.
    monkeypatch.setattr(served, "_MAX_WAIT", 3600.0)
    with loading(monkeypatch, lambda: model) as (waiting, go, _), ThreadPoolExecutor(1) as pool:
        with pytest.raises(HttpProblem, match="being loaded"):
            waiting.require()  # as /ready does, which never waits
        call = pool.submit(waiting.wait_for_bundle)
        wait_for(call.running)
        assert not call.done()
        go.set()
        assert call.result(20) is model


def test_wait_for_bundle_does_not_wait_after_a_failed_attempt(monkeypatch):
    monkeypatch.setattr(served, "_MAX_WAIT", 3600.0)
    with loading(monkeypatch, unavailable) as (waiting, go, _), ThreadPoolExecutor(1) as pool:
        call = pool.submit(waiting.wait_for_bundle)
        go.set()
        with pytest.raises(HttpProblem, match="does not answer"):
            call.result(20)
        with pytest.raises(HttpProblem, match="does not answer"):
            waiting.wait_for_bundle()


def test_wait_for_bundle_gives_up_during_a_long_attempt(monkeypatch):
    monkeypatch.setattr(served, "_MAX_WAIT", 0.0)
    with (
        loading(monkeypatch, unavailable) as (waiting, _, _),
        pytest.raises(HttpProblem, match="being loaded"),
    ):
        waiting.wait_for_bundle()


def test_load_does_not_retry_a_wrong_setting(monkeypatch):
    error, attempts = ConfigurationError("MODEL_URI is not set"), []

    def fail():
        attempts.append(1)
        raise error

    with loading(monkeypatch, fail) as (waiting, go, thread):
        go.set()
        thread.join(20)
        assert not thread.is_alive()
        assert attempts == [1]
        with pytest.raises(HttpProblem, match=str(error)) as raised:
            waiting.wait_for_bundle()
        assert raised.value.extra["final"] is True


@pytest.mark.parametrize("explains", [False, True])
def test_load_switches_to_the_fast_engine(monkeypatch, folder, explains):
    bundle = Bundle.load(folder)
    monkeypatch.setattr(served, "_load", lambda _environ: bundle)
    monkeypatch.setattr(served, "use_orjson", lambda: None)
    served.ServedModel(explains=explains).load()
    assert isinstance(bundle.engine, FastEngine)
    assert bundle.engine.explains_inline is explains


def test_load_keeps_the_library_if_the_fast_engine_fails(monkeypatch, folder, caplog):
    def fail(*_args, **_options):
        raise BundleError("the fast engine predicts tables differently")

    bundle = Bundle.load(folder)
    library = bundle.engine
    monkeypatch.setattr(served, "_load", lambda _environ: bundle)
    monkeypatch.setattr(served, "use_orjson", lambda: None)
    monkeypatch.setattr("tasador.engine.fast_engine.fast_engine", fail)
    waiting = served.ServedModel()
    waiting.load()
    assert waiting.require().engine is library
    assert "the library evaluates the model" in caplog.text


def flip(folder):
    model = folder / "model.ubj"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)


WRONG = {
    "a flipped byte": (flip, {}, "model.ubj is damaged"),
    "a missing file": (lambda f: (f / "encoders.json").unlink(), {}, "encoders.json"),
    "no folder": (shutil.rmtree, {}, "there is no folder"),
    "another digest": (lambda f: None, {"MODEL_DIGEST": "0" * 64}, "another model"),
    "another version": (
        lambda f: stamp_version(f, "tasador-price", 4),
        {"MODEL_VERSION": "3"},
        "MODEL_VERSION is 3",
    ),
    "recording without a broker": (
        lambda f: None,
        {"TASADOR_RECORDING": "required"},
        "K_SINK is not set",
    ),
}


@pytest.mark.parametrize("how", WRONG)
def test_wrong_bundle_or_setting_keeps_predict_unready(folder, tmp_path, how):
    damage, env, reason = WRONG[how]
    copy = tmp_path / "bundle"
    shutil.copytree(folder, copy)
    damage(copy)
    with function("predict", tmp_path, **{"MODEL_URI": str(copy), **env}) as client:
        wait_for(lambda: reason in client.get("/ready").text)
        document = problem(client.get("/health/readiness"), 503)
        assert document["final"] is ("TASADOR_RECORDING" in env)
        if not document["final"]:
            refusal = problem(client.post("/predict", json={}), 503)
            assert reason in refusal["detail"]
        assert client.get("/health").status_code == 200


def test_predict_without_a_bundle_is_unready_for_good(tmp_path):
    with function("predict", tmp_path) as client:
        wait_for(lambda: "MODEL_URI is not set" in client.get("/ready").text)
        assert problem(client.get("/ready"), 503)["final"] is True


@pytest.mark.parametrize("name", ["predict", "explain"])
def test_restored_bundle_is_served_by_the_same_process(folder, listing, tmp_path, name):
    copy, away = tmp_path / "bundle", tmp_path / "away"
    shutil.copytree(folder, away)
    with function(name, tmp_path, MODEL_URI=str(copy), UNREADY_SECONDS="1") as client:
        wait_for(lambda: "there is no folder" in client.get("/ready").text)
        assert "there is no folder" in problem(client.post(f"/{name}", json=listing), 503)["detail"]
        wait_for(lambda: client.get("/health").status_code == 503)
        assert "there is no folder" in client.get("/health").json()["detail"]
        wait_for(lambda: client.get("/health/readiness").status_code == 200)
        text = wait_for(client.metrics)
        assert 'tasador_model_load_failures_total{cause="bundle"}' in text
        # Half of it first, as a slow restore does.
        copy.mkdir()
        shutil.copy(away / "manifest.json", copy)
        wait_for(lambda: "cannot be read" in client.get("/ready").text)
        shutil.copytree(away, copy, dirs_exist_ok=True)
        wait_for(lambda: is_ready(client))
        assert client.post(f"/{name}", json=listing).status_code == 200
        assert client.get("/health").status_code == 200


def test_different_golden_prices_keep_predict_unready(folder, tmp_path):
    """The files are whole and the digest is right, but this engine gives other prices."""
    from tasador.model import manifest as manifests

    copy = tmp_path / "bundle"
    shutil.copytree(folder, copy)
    rows = json.loads((copy / "golden.json").read_bytes())
    rows[0]["price"] *= 1.01
    content = json.dumps(rows).encode()
    (copy / "golden.json").write_bytes(content)
    manifest = manifests.read_manifest(copy)
    manifest.files["golden.json"] = manifests.hashlib.sha256(content).hexdigest()
    manifests.write_manifest(copy, manifests.sealed(manifest))
    with function("predict", tmp_path, MODEL_URI=str(copy)) as client:
        wait_for(lambda: "golden rows" in client.get("/ready").text)


# -- processes ----------------------------------------------------------------------------------


def test_sigterm_answers_a_batch_in_progress(folder, tmp_path):
    rows = [{name: getattr(row, name) for name in INPUTS} for row in simulated_listings(900)] * 10
    with function("predict", tmp_path, MODEL_URI=str(folder)) as client:
        wait_for(lambda: is_ready(client))
        connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
        # Returns once the operating system has the request.
        connection.request("POST", "/batch_predict", json.dumps({"listings": rows[:8_000]}))
        os.kill(client.process.pid, signal.SIGTERM)
        answer = connection.getresponse()
        predictions = json.loads(answer.read())["predictions"]
        connection.close()
        assert client.process.wait(20) == 0
        assert answer.status == 200
        assert len(predictions) == 8_000


@pytest.mark.parametrize("name", ["predict", "explain"])
def test_python_m_parliament_serves_the_function(folder, listing, tmp_path, name):
    import socket

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.skip("port 8080, the only one that parliament knows, is in use")
    with function(name, tmp_path, plain_parliament=True, MODEL_URI=str(folder)) as client:
        assert client.get("/").json()["model"]["version"] == 3
        price = client.post("/", json=listing).json()["price"]
        assert send(client, requested(listing)).json()["price"] == price
        problem(client.post("/", json={"bed": "x"}), 422)
        problem(client.post("/", content=b"{"), 400)
        problem(send(client, requested({}, type="other")), 422)
