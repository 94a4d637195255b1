"""Nothing in the checkout relies on files next to it; only `.ci/run` may look there."""

import pytest

from tests.kit.checkout import ROOT, real_listings

TEXT = {".py", ".md", ".yml", ".yaml", ".toml", ".sh", ""}


def _skipped(parts):
    """Whether a path lies in a cache, the repository or the environment."""
    return any(part == "node_modules" or (part[0] == "." and part != ".github") for part in parts)


def test_only_the_ci_script_names_the_folder_next_to_the_checkout():
    folder = "/".join(("..", "shared"))
    naming = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.suffix in TEXT
        and not _skipped(path.relative_to(ROOT).parts)
        and not path.is_symlink()
        and path.is_file()
        and folder in path.read_text(errors="ignore")
    ]
    assert naming == []


def test_real_listings_are_read_from_the_environment_alone(monkeypatch):
    monkeypatch.setenv("TASADOR_LISTINGS_CSV", "/somewhere.csv")
    assert str(real_listings()) == "/somewhere.csv"
    monkeypatch.delenv("TASADOR_LISTINGS_CSV")
    with pytest.raises(pytest.skip.Exception, match="TASADOR_LISTINGS_CSV"):
        real_listings()
