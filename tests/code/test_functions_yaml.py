"""func.yaml of each function: what `func` needs, and health addresses that the host answers."""

import ast
from datetime import datetime
from pathlib import Path

import pytest
import yaml

FUNCTIONS = Path(__file__).parents[2] / "functions"
# Of knative/func's schema (additionalProperties is false there).
KEYS = {"specVersion", "name", "runtime", "created", "invoke", "build", "deploy"}


@pytest.mark.parametrize("name", ["predict", "explain", "record", "reload"])
def test_func_can_read_it(name):
    said = yaml.safe_load((FUNCTIONS / name / "func.yaml").read_text())
    assert set(said) == KEYS
    assert (said["name"], said["runtime"]) == (name, "python")
    assert isinstance(said["created"], datetime)
    assert said["invoke"] in ("http", "cloudevent")
    assert said["deploy"]["options"]["scale"]["min"] == 0
    host = (FUNCTIONS / "host.py").read_text()
    for address in said["deploy"]["healthEndpoints"].values():
        assert f'"{address}"' in host
    defined = ast.parse((FUNCTIONS / name / "func.py").read_text()).body
    assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in defined)
