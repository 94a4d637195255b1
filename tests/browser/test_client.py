"""The pages without a browser: the client of the functions, and the view."""

import asyncio
import http.server
import json
import sys
from contextlib import contextmanager

import pytest

from tests.kit.checkout import ROOT
from tests.kit.functions import function, is_ready
from tests.kit.http_server import serving
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.waiting import wait_for


@pytest.fixture(scope="module", autouse=True)
def _app_on_path():
    sys.path.append(str(ROOT / "web"))
    yield
    sys.path.remove(str(ROOT / "web"))


def ask(url, method, *arguments):
    from tasador_web.client import Functions

    async def call():
        async with Functions(url) as functions:
            return await getattr(functions, method)(*arguments)

    return asyncio.run(call())


def error_of(url, method="model", *arguments):
    from tasador_web.client import ApiError

    with pytest.raises(ApiError) as raised:
        ask(url, method, *arguments)
    return raised.value


@contextmanager
def answering(status, body):
    """A server that gives one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield url


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The addresses of predict and of explain with one model."""
    home = tmp_path_factory.mktemp("served")
    env = {"MODEL_URI": str(home / "bundle"), "K_REVISION": "predict-00003"}
    make_bundle(home / "bundle", rows=400)
    with function("predict", home, **env) as predict, function("explain", home, **env) as explain:
        wait_for(lambda: is_ready(predict) and is_ready(explain))
        yield str(predict.base_url), str(explain.base_url)


def test_client_returns_the_functions_answers(served):
    predict, explain = served
    answer = ask(predict, "predict", {"bed": "3"})
    assert answer["price"] == pytest.approx(ask(explain, "explain", {"bed": "3"})["price"])
    states = ask(predict, "states")
    assert len(states) > 1
    assert states == sorted(states)


def test_functions_url_with_a_placeholder_for_the_function():
    nowhere = "http://{function}.invalid"
    assert "http://predict.invalid do" in error_of(nowhere).detail
    assert "http://explain.invalid do" in error_of(nowhere, "explain", {}).detail
    assert "http://record.invalid do" in error_of(nowhere, "summary").detail


def test_api_error_lists_the_invalid_fields(served):
    problem = error_of(served[0], "predict", {"bed": "three", "zip_code": "x"})
    assert problem.status == 422
    assert problem.errors == {
        "bed": "is not a number",
        "zip_code": "is not a zip code of five digits",
    }
    assert not problem.no_model


def test_api_error_without_a_model_in_service(tmp_path):
    with function("predict", tmp_path) as client:
        assert error_of(str(client.base_url)).no_model


def test_api_error_for_no_answer_and_invalid_json():
    nobody = f"http://127.0.0.1:{free_port()}"
    assert nobody in error_of(nobody).detail
    with answering(502, b"<html>bad gateway</html>") as url:
        problem = error_of(url)
        assert "502" in problem.detail
        assert problem.status == 502
    with answering(200, b"<html>") as url:
        assert "not JSON" in error_of(url).detail
    body = json.dumps({"title": "Conflict", "status": 409, "detail": "later", "errors": [1]})
    with answering(409, body.encode()) as url:
        assert error_of(url).status == 409


def test_steps_of_an_explanation(served):
    from tasador_web import estimate_view

    predict, explain = served
    listing = {"state": ask(predict, "states")[0], "house_size": "2000"}
    explanation = ask(explain, "explain", listing)
    steps = estimate_view.steps_of(explanation)
    assert [s.kind for s in steps][:: len(steps) - 1] == ["base", "total"]
    assert all(0 <= s.left <= 100 and s.left + s.width <= 100.01 for s in steps)
    assert steps[-1].dollars == f"${explanation['price']:,.0f}"
    prediction = ask(predict, "predict", listing)
    assert explanation["intervals"] == prediction["intervals"]
    assert explanation["warnings"] == prediction["warnings"]


def test_places_of_the_model_are_searchable(served):
    from tasador_web.geography import Geography
    from tasador_web.place_search import index_of

    index = index_of(ask(served[0], "places"), Geography({}))
    city = next(place for place in index.places if place.city)
    assert index.search(city.label)[0] == city
    explanation = ask(served[1], "explain", city.fields)
    assert explanation["comparables"]
    assert not [w for w in explanation["warnings"] if "city" in w or "state" in w]


@pytest.mark.parametrize(
    ("rollouts", "expected"),
    [
        ({}, ""),
        ({"healthy": True, "paused": False, "message": "in service"}, ""),
        ({"healthy": True, "paused": True, "message": "paused by ana"}, "paused by ana"),
        ({"healthy": False, "paused": False, "message": "it `failed`"}, "it failed"),
    ],
)
def test_service_page_says_what_is_unusual_about_rollouts(rollouts, expected):
    from tasador_web.pages.service import _rollout_notice

    assert _rollout_notice(rollouts) == expected
