"""The requests to MLflow's REST API: what is repeated, what each refusal means, how it logs in."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasador import clock
from tasador.errors import ConfigurationError, RegistryError, StoreRefused, StoreUnavailable
from tasador.settings import Settings
from tasador.stores.mlflow_rest import MlflowRest
from tests.kit.network import free_port

ABSENT = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run 7"})


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The pauses between attempts, none of which is waited for."""
    taken = []
    monkeypatch.setattr(clock.time, "sleep", taken.append)
    return taken


@contextmanager
def answering(*answers):
    """A server that gives these answers, the last one for ever; its client and its requests."""
    left, requests = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            requests.append((self.command, self.path, body, dict(self.headers)))
            status, content = left.pop(0) if len(left) > 1 else left[0]
            content = content if isinstance(content, str) else json.dumps(content)
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield client(server.server_port), requests
        finally:
            server.shutdown()
            thread.join()


def client(port):
    return MlflowRest(Settings(home=Path("/nowhere"), mlflow_url=f"http://127.0.0.1:{port}/"))


def test_request_and_its_answer():
    with answering((200, {"run": {"info": {"run_id": "7"}}})) as (mlflow, requests):
        assert mlflow.get("runs/get", run_id="7")["run"]["info"] == {"run_id": "7"}
        mlflow.post("runs/log-batch", metrics=[{"value": float("nan")}, {"value": -float("inf")}])
    get, post = requests
    assert get[:2] == ("GET", "/api/2.0/mlflow/runs/get?run_id=7")
    assert post[:2] == ("POST", "/api/2.0/mlflow/runs/log-batch")
    assert json.loads(post[2]) == {"metrics": [{"value": "NaN"}, {"value": "-Infinity"}]}


def test_all_pages_of_a_search():
    pages = ({"runs": [{"n": 1}], "next_page_token": "next"}, {"runs": [{"n": 2}]})
    with answering(*((200, page) for page in pages)) as (mlflow, requests):
        assert list(mlflow.search("model-versions/search", "runs", filter="x")) == [
            {"n": 1},
            {"n": 2},
        ]
    assert "page_token=next" in requests[1][1]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_answers_that_may_change_are_awaited(status, pauses):
    with answering((status, "busy"), (status, "busy"), (200, {})) as (mlflow, requests):
        assert mlflow.get("runs/get") == {}
    assert len(requests) == 3
    assert pauses == [1, 2]


def test_server_that_keeps_failing(pauses):
    broken = (500, {"error_code": "INTERNAL_ERROR", "message": "the disk is full"})
    with (
        answering(broken) as (mlflow, _),
        pytest.raises(StoreUnavailable, match="failed: INTERNAL_ERROR: the disk is full"),
    ):
        mlflow.get("runs/get")
    assert sum(pauses) == 31


def test_commands_ask_again_as_often_as_the_variable_of_mlflows_client_says(monkeypatch, pauses):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with (
        answering((503, {})) as (client, requests),
        pytest.raises(StoreUnavailable, match="HTTP 503"),
    ):
        client.get("runs/get", run_id="7")
    assert (len(requests), pauses) == (2, [1.0])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "some")
    with pytest.raises(ConfigurationError, match="MAX_RETRIES is 'some', not a whole number"):
        client.get("runs/get", run_id="7")


def test_server_that_does_not_run(monkeypatch):
    with pytest.raises(StoreUnavailable, match=r"answer \(Connection refused\): run `tasador up`"):
        client(free_port()).get("runs/get")
    monkeypatch.delenv("TASADOR_ENVIRONMENT_OF", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    with pytest.raises(StoreUnavailable, match=r"the environment sets .*MLFLOW_TRACKING_TOKEN"):
        client(free_port()).get("runs/get")


def test_absent_object_is_none_or_an_error_of_the_registry():
    with answering(ABSENT) as (mlflow, _):
        assert mlflow.get("runs/get", run_id="7") is None
        with pytest.raises(RegistryError, match="nothing that runs/update names"):
            mlflow.post("runs/update", run_id="7")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((401, "who are you?"), StoreRefused, "refuses this client: HTTP 401: who are you"),
        ((403, "Invalid Host header"), StoreRefused, "refuses this client: HTTP 403: Invalid Host"),
        ((403, {"error_code": "PERMISSION_DENIED"}), StoreRefused, "PERMISSION_DENIED"),
        (
            (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "bad filter"}),
            RegistryError,
            "refused: INVALID_PARAMETER_VALUE: bad filter",
        ),
        ((404, "<h1>Not Found</h1>"), RegistryError, "refused: HTTP 404: <h1>"),
    ],
)
def test_refusals_are_not_repeated(answer, error, message, pauses):
    with answering(answer) as (mlflow, requests), pytest.raises(error, match=message):
        mlflow.get("runs/get")
    assert len(requests) == 1
    assert pauses == []


def test_login_by_the_variables_of_mlflows_client(monkeypatch):
    def sent():
        with answering((200, {})) as (mlflow, requests):
            mlflow.get("runs/get")
        return requests[0][3].get("authorization") or requests[0][3].get("Authorization")

    assert sent() is None
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    assert sent() == "Bearer t"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    assert sent() == "Basic YW5uOnNlY3JldA=="
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "true")
    with pytest.raises(ConfigurationError, match="MLFLOW_TRACKING_AWS_SIGV4 is set"):
        sent()
