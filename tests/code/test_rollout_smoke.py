"""The smoke test of a candidate: what it accepts, what it refuses, and when it tries again."""

import json
import socketserver
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from tasador.errors import RolloutError
from tasador.rollout import smoke

GOLDEN = [{"listing": {"bed": number}, "price": 100_000.0 + number} for number in range(14)]
DIGEST = "d" * 64


@dataclass
class Candidate:
    """A server that gives the planned answers in turn; the last one for ever."""

    url: str = ""
    answers: list = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def candidate(monkeypatch):
    monkeypatch.setattr(smoke, "_FIRST_PAUSE", 0.0)
    planned = Candidate()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            planned.paths.append(self.path)
            planned.headers.append({k.lower(): v for k, v in self.headers.items()})
            answer = planned.answers[0]
            if len(planned.answers) > 1:
                planned.answers.pop(0)
            status, content = answer(self.path, body) if callable(answer) else (answer, {})
            body = json.dumps(content).encode()
            self.send_response(200 if status == "cut" else status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:1] if status == "cut" else body)

        def log_message(self, *_):
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        planned.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield planned
        server.shutdown()
        thread.join()


def prediction(listing, **changes):
    price = 100_000.0 + listing["bed"]
    return {"price": price, "model": {"digest": DIGEST}} | changes


def predicting(batch=lambda predictions: predictions, **changes):
    """A candidate that is right, but for ``changes`` and what ``batch`` makes of a batch."""

    def answer(path, body):
        if path == "/batch_predict":
            predictions = [prediction(listing, **changes) for listing in body["listings"]]
            return 200, {"predictions": batch(predictions)}
        return 200, prediction(body, **changes)

    return answer


def explaining(base=100_000.0, **changes):
    def answer(_path, body):
        contributions = [{"dollars": float(body["bed"])}]
        return 200, prediction(body, base=base, contributions=contributions, **changes)

    return answer


def test_smoke_test_of_predict_checks_every_golden_row(candidate):
    candidate.answers += [predicting()]
    summary = smoke.smoke_test("predict", candidate.url, GOLDEN, DIGEST)
    assert summary.startswith("15 golden answers")
    assert candidate.paths == ["/batch_predict", "/predict"]
    assert all(smoke.SMOKE_TEST_HEADER in headers for headers in candidate.headers)


@pytest.mark.parametrize(
    "batch",
    [lambda _: [], lambda predictions: predictions[:-1], lambda predictions: predictions * 2],
    ids=["empty", "short", "long"],
)
def test_batch_with_the_wrong_number_of_predictions_fails(candidate, batch):
    candidate.answers += [predicting(batch)]
    with pytest.raises(RolloutError, match=r"14 golden rows with (0|13|28) predictions"):
        smoke.smoke_test("predict", candidate.url, GOLDEN, DIGEST)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": 123.0}, "is answered with 123.00"),
        ({"price": float("nan")}, "is answered with nan"),
        ({"model": {"digest": "other"}}, "serves the digest other"),
        ({"model": None}, "cannot be read"),
        ({"price": None}, "cannot be read"),
        ({"price": "250000"}, "cannot be read"),
    ],
)
def test_wrong_prediction_fails(candidate, changes, message):
    candidate.answers += [predicting(**changes)]
    with pytest.raises(RolloutError, match=message):
        smoke.smoke_test("predict", candidate.url, GOLDEN, DIGEST)


def test_smoke_test_of_explain_checks_the_first_golden_rows(candidate):
    candidate.answers += [explaining()]
    summary = smoke.smoke_test("explain", candidate.url, GOLDEN, DIGEST)
    assert summary.startswith("3 golden answers")
    assert candidate.paths == ["/explain"] * 3


def test_contributions_that_do_not_add_up_fail(candidate):
    candidate.answers += [explaining(base=99_000.0)]
    with pytest.raises(RolloutError, match="contributions add up to 99,000"):
        smoke.smoke_test("explain", candidate.url, GOLDEN, DIGEST)


def test_broken_answer_is_tried_again(candidate):
    candidate.answers += ["cut", 503, explaining()]
    smoke.smoke_test("explain", candidate.url, GOLDEN[:1], DIGEST)
    assert len(candidate.paths) == 3


@pytest.mark.parametrize(("answer", "message"), [("cut", "did not answer"), (503, "HTTP 503")])
def test_candidate_that_never_answers_fails_after_four_attempts(candidate, answer, message):
    candidate.answers += [answer]
    with pytest.raises(RolloutError, match=message):
        smoke.smoke_test("explain", candidate.url, GOLDEN, DIGEST)
    assert len(candidate.paths) == 4


def test_refusal_is_not_tried_again(candidate):
    candidate.answers += [422]
    with pytest.raises(RolloutError, match="HTTP 422"):
        smoke.smoke_test("explain", candidate.url, GOLDEN, DIGEST)
    assert len(candidate.paths) == 1
