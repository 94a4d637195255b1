"""The requests of the platform that Tasador replaces, at one base URL: docs/migrating.md."""

import re

import httpx
import pytest

from functions import surface
from tasador.local.gateway.app import FUNCTION_OF_PATH
from tasador.rollout.backend import Revision, Target
from tasador.rollout.local import LocalBackend
from tests.kit.checkout import ROOT
from tests.kit.models import make_bundle

HOME = {"state": "Texas", "bed": 3, "bath": 2, "house_size": 1800, "acre_lot": 0.2}


@pytest.fixture(scope="module")
def client(platform, tmp_path_factory):
    """An HTTP client of the base URL, with version 7 in service."""
    folder = tmp_path_factory.mktemp("old-clients") / "bundle"
    manifest = make_bundle(folder, version=7, rows=400)
    env = {"MODEL_URI": str(folder), "MODEL_DIGEST": manifest.digest, "MODEL_VERSION": "7"}
    with LocalBackend(platform) as backend:
        for service in ("predict", "explain"):
            name = f"{service}-old-clients"
            backend.create(service, Revision(name=name, env=env))
            backend.direct(service, (Target(name, 100, ""),))
            assert backend.start(service, name, 60) == (True, "")
    with httpx.Client(base_url=platform.functions_url, timeout=60, trust_env=False) as client:
        yield client


def answered(response):
    assert response.status_code == 200, response.text
    return response.json()


def test_price(client):
    answer = answered(client.post("/predict", json=HOME))
    assert answer["price"] > 0
    assert answer["model_version"] == answer["model"]["version"] == 7
    assert answer["request_id"] == answer["prediction_id"]


def test_batch_as_a_bare_list(client):
    homes = [HOME, {**HOME, "bed": 4}]
    bare = answered(client.post("/batch_predict", json=homes))["predictions"]
    wrapped = answered(client.post("/batch_predict", json={"listings": homes}))["predictions"]
    assert [each["price"] for each in bare] == [each["price"] for each in wrapped]
    assert [each["model_version"] for each in bare] == [7, 7]
    assert len({each["request_id"] for each in bare}) == 2
    assert all(each["request_id"] == each["prediction_id"] for each in bare)


def test_what_is_wrong_in_a_bare_list_is_named(client):
    answer = client.post("/batch_predict", json=[HOME, {"bed": "many"}, 3])
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["listings[1].bed", "listings[2]"]
    assert client.post("/batch_predict", json=[]).status_code == 422
    twice = client.post("/batch_predict", content=b'[{"bed": 3, "bed": 4}]')
    assert twice.status_code == 400
    assert "bed" in twice.json()["detail"]


def test_explanation(client):
    answer = answered(client.post("/explain", json=HOME))
    assert answer["base_value"] == answer["base"]
    assert answer["model_version"] == 7
    assert answer["feature_names"] == [each["feature"] for each in answer["columns"]]
    assert {"house_size", "bed", "bath"} <= set(answer["feature_names"])
    assert len(answer["shap_values"]) == len(answer["feature_names"])
    assert answer["base_value"] + sum(answer["shap_values"]) == pytest.approx(answer["price"])


def test_model_and_states(client):
    model = answered(client.get("/model"))
    assert (model["stage"], model["loaded"]) == ("Production", True)
    assert model["version"] == model["model_version"] == 7
    names = answered(client.get("/states"))
    assert names["unique_states"] == len(names["states"]) > 0
    assert "Texas" in names["states"]
    objects = answered(client.get("/states", params={"form": "objects"}))
    assert [each["name"] for each in objects["states"]] == names["states"]
    assert {"name": "Texas", "code": "TX"} in objects["states"]
    refused = client.get("/states", params={"form": "csv"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "form"


def test_service_and_health(client):
    index = answered(client.get("/"))
    assert index["service"] == index["name"]
    assert index["version"] == surface.document()["info"]["version"]
    health = answered(client.get("/health"))
    assert health["status"] == "alive"
    assert (health["model_loaded"], health["database_connected"]) == (True, True)


def test_one_document_for_the_whole_surface(client):
    document = answered(client.get("/openapi.json"))
    assert document == surface.document()
    assert document["servers"] == [{"url": "/"}]
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    ids = [each["operationId"] for each in operations]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document["tags"]}
    assert all(set(each["tags"]) <= tags for each in operations)
    # What the document says is what the gateway routes, and to the same function.
    routed = {path: name for path, name in FUNCTION_OF_PATH.items() if path != "/ready"}
    told = {
        path: each["tags"][0]
        for path, methods in document["paths"].items()
        for each in methods.values()
        if each["tags"] != ["platform"]
    }
    assert {path: name for path, name in told.items() if path != "/ready"} == routed
    for path in ("/health", "/openapi.json", "/docs"):
        assert client.get(path).status_code == 200


def test_page_of_the_document_loads_nothing(client):
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "POST /batch_predict" in page.text
    assert "<script" not in page.text
    # Every link leads to a place of the page.
    targets = set(re.findall(r'href="#([^"]+)"', page.text))
    assert targets <= set(re.findall(r'id="([^"]+)"', page.text))


def test_every_row_of_the_table_is_in_the_document():
    text = (ROOT / "docs" / "migrating.md").read_text()
    paths = surface.document()["paths"]
    requests = set(re.findall(r"`(GET|POST) (/[^`? ]*)", text))
    assert len(requests) > 10
    for method, path in requests:
        path = path.replace("ID", "{prediction_id}")
        assert method.lower() in paths.get(path, {}), (method, path)
