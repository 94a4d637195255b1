"""The OpenAPI documents against what the functions are; tests/embedded/test_fuzz.py asks them."""

import importlib

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode

from functions.listings import listing_from_json
from functions.openapi import document
from tasador.events.build import prediction_as_json
from tasador.listings.listing import COLUMNS, NUMBERS, read_listing
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.waiting import wait_for

NAMES = ("predict", "explain", "record", "reload")
SCHEMAS = document("predict")["components"]["schemas"]
COMMON = {
    ("GET", "/"),
    ("POST", "/"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/health/liveness"),
    ("GET", "/health/readiness"),
    ("GET", "/openapi.json"),
}


@pytest.mark.parametrize("name", NAMES)
def test_openapi_documents_every_route_and_no_other(name):
    routes = importlib.import_module(f"functions.{name}.func").FUNCTION.routes
    there = {(r.method, r.path.replace("<", "{").replace(">", "}")) for r in routes} | COMMON
    paths = document(name)["paths"]
    assert {(method.upper(), path) for path in paths for method in paths[path]} == there


def test_openapi_listing_has_every_column_and_valid_examples():
    listing = SCHEMAS["Listing"]
    assert set(listing["properties"]) == set(COLUMNS)
    for example in listing["examples"]:
        assert read_listing(example)[1] == []


@pytest.mark.parametrize("field", NUMBERS)
def test_openapi_limits_equal_those_of_read_listing(field):
    most = SCHEMAS["Listing"]["properties"][field]["maximum"]
    assert read_listing({field: most})[1] == []
    assert read_listing({field: most + 1})[1] != []


def test_every_listing_that_the_document_allows_is_read():
    operations = schemathesis.openapi.from_dict(document("predict")).get_all_operations()
    (operation,) = (o.ok() for o in operations if o.ok().label == "POST /predict")

    @settings(deadline=None, max_examples=80, database=None, derandomize=True)
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def accepted(case):
        listing_from_json(case.body)

    accepted()


def test_answers_have_exactly_the_documented_fields(tmp_path):
    make_bundle(tmp_path / "bundle", rows=400)
    env = {"MODEL_URI": str(tmp_path / "bundle")}
    for name, schema in (("predict", "Prediction"), ("explain", "Explanation")):
        with function(name, tmp_path, **env) as client:
            wait_for(lambda client=client: is_ready(client))
            assert client.get("/openapi.json").json() == document(name)
            answer = client.post(f"/{name}", json=SCHEMAS["Listing"]["examples"][0]).json()
            assert set(answer) == set(SCHEMAS[schema]["properties"])


def test_openapi_recorded_has_the_fields_of_a_prediction_record():
    from tests.embedded.test_functions import made

    assert set(prediction_as_json(made())) == set(SCHEMAS["Recorded"]["properties"])
