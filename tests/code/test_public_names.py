"""The public names of the package: imported at first use, typed, described in docs/api.md."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tasador

ROOT = Path(__file__).resolve().parents[2]


def test_import_tasador_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import tasador; print(set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "{'tasador'}"


@pytest.mark.parametrize("name", tasador.__all__)
def test_public_name_is_documented(name):
    value = getattr(tasador, name)
    assert value.__doc__
    assert getattr(tasador, name) is value
    reference = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.M)
    assert f"{value.__module__}.{value.__name__}" in reference


def test_api_page_has_no_other_names():
    reference = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.M)
    public = [getattr(tasador, name) for name in tasador.__all__]
    assert sorted(reference) == sorted(f"{v.__module__}.{v.__name__}" for v in public)


def test_stub_declares_the_same_names():
    stub = ast.parse((ROOT / "tasador" / "__init__.pyi").read_text())
    aliases = [
        alias.asname
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(aliases) == tasador.__all__


def test_dir_lists_the_public_names():
    assert set(tasador.__all__) <= set(dir(tasador))


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match=r"no attribute 'predict'"):
        tasador.predict  # noqa: B018
