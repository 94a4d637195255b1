"""func.yaml of each function: what `func` accepts, and health endpoints that the function has."""

import importlib
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from functions.endpoints import Endpoints
from functions.flask_app import make_app

FUNCTIONS = Path(__file__).parents[2] / "functions"
NAMES = ("predict", "explain", "record", "reload")
# Of knative/func's schema (additionalProperties is false there).
KEYS = {"specVersion", "name", "runtime", "created", "invoke", "build", "deploy"}


def read(name):
    return yaml.safe_load((FUNCTIONS / name / "func.yaml").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_func_yaml_fits_the_schema_of_func(name):
    config = read(name)
    assert set(config) == KEYS
    assert (config["name"], config["runtime"]) == (name, "python")
    assert isinstance(config["created"], datetime)
    assert config["invoke"] in ("http", "cloudevent")
    assert config["deploy"]["options"]["scale"]["min"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_health_endpoints_of_func_yaml_are_probes_with_and_without_flask(name):
    module = importlib.import_module(f"functions.{name}.func")
    endpoints = Endpoints(module.FUNCTION)
    client = make_app(module, endpoints).test_client()
    health = read(name)["deploy"]["healthEndpoints"]
    assert set(health) == {"liveness", "readiness"}
    # Nothing is loaded here, so the function is alive and not ready.
    for kind, status in (("liveness", 200), ("readiness", 503)):
        # The server answers probes itself, without the Flask app.
        assert health[kind] in endpoints.probes
        assert client.get(health[kind]).status_code == status


@pytest.mark.parametrize("name", NAMES)
def test_func_py_has_the_entry_point_of_parliament(name):
    assert callable(importlib.import_module(f"functions.{name}.func").main)
