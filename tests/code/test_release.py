"""The version is the same everywhere, so that a commit can be tagged as it is."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_lock_has_the_projects_version():
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert [p["version"] for p in packages if p["name"] == "tasador"] == [VERSION]


def test_changelog_has_a_dated_section_for_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", changelog, re.M)
    assert released[0] == VERSION
