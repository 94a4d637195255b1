"""The import contracts of .importlinter hold, and each one breaks when an import violates it."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a checkout, without the cache of another one."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", *options],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what the contracts read."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("tasador", "functions", "tests/kit"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def test_contracts_hold(checkout):
    done = lint(checkout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_circle_is_hidden_by_an_import_for_types_alone(checkout):
    contracts = (checkout / ".importlinter").read_text()
    excluded = "exclude_type_checking_imports = True"
    assert excluded in contracts
    (checkout / "with-types").write_text(contracts.replace(excluded, ""))
    done = lint(checkout, "--config", "with-types", "--contract", "circles")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kept" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("tasador/model/features.py", "from tasador.training import splits", "folders below it"),
        # A new module or folder needs a layer.
        ("tasador/newfolder.py", "VALUE = 1", "folders below it"),
        ("tasador/stores/registry.py", "from mlflow import MlflowClient", "MLflow's package"),
        ("tasador/ingestion/verbs.py", "from pyiceberg.table import Table", "pyiceberg, slow"),
        ("tasador/stores/lake.py", "import functions.host", "knows no function"),
        ("tasador/rollout/plan.py", "from tasador.rollout import verbs", "import circle"),
        ("tasador/monitoring/policy.py", "import pandas", "The core needs"),
        ("tasador/listings/listing.py", "import pydantic", "The core needs"),
        ("functions/http.py", "from functions import server", "module of functions/"),
        ("functions/openapi.py", "def f(): import sqlalchemy", "fit a lean image"),
        (
            "tasador/training/search.py",
            "from tasador.stores import lake",
            "Learning reaches no store",
        ),
    ],
)
def test_contract_breaks_on_a_forbidden_import(checkout, module, line, contract):
    path = checkout / module
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        done = lint(checkout)
    finally:
        path.write_text(before) if before is not None else path.unlink()
    broken = [row for row in done.stdout.splitlines() if row.endswith("BROKEN")]
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(contract in row for row in broken) or contract in done.stdout, done.stdout


PACKAGES = [*(ROOT / "tasador").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_at_import_time(path):
    for node in ast.parse(path.read_text()).body:
        runs = isinstance(node, ast.For | ast.While | ast.With | ast.Try) or (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            # parliament puts only the function's folder on the path.
            and ast.unparse(node.value.func) != "sys.path.append"
        )
        assert not runs or path.name == "__main__.py", f"{path}:{node.lineno}"
