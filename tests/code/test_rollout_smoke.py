"""A candidate's smoke test asks again where an answer did not come through, and only there."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from tasador.errors import RolloutError
from tasador.rollout import smoke


@pytest.fixture
def candidate(monkeypatch):
    """Answers as it is told, one after the other; then its address and how often it was asked."""
    monkeypatch.setattr(smoke, "_PAUSES", (0.0, 0.0, 0.0))
    planned, asked = [], []

    class Candidate(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            asked.append(self.path)
            status = planned.pop(0)
            body = json.dumps({"told": len(asked)}).encode()
            self.send_response(200 if status == "cut" else status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:3] if status == "cut" else body)

        def log_message(self, *_):
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Candidate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/predict", planned, asked
        server.shutdown()
        thread.join()


def test_an_answer_that_was_cut_off_is_asked_for_again(candidate):
    url, planned, asked = candidate
    planned += ["cut", 503, 200]
    assert smoke._post(url, {}) == {"told": 3}
    assert len(asked) == 3


@pytest.mark.parametrize(("answer", "said"), [("cut", "did not answer"), (503, "HTTP 503")])
def test_a_candidate_that_never_answers_is_given_up(candidate, answer, said):
    url, planned, asked = candidate
    planned += [answer] * 4
    with pytest.raises(RolloutError, match=said):
        smoke._post(url, {})
    assert len(asked) == 4


def test_a_refusal_is_an_answer(candidate):
    url, planned, asked = candidate
    planned += [422]
    with pytest.raises(RolloutError, match="HTTP 422"):
        smoke._post(url, {})
    assert len(asked) == 1
