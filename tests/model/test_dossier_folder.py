"""A complete dossier of a small model: the card gives the measured figures, and is reproducible."""

import hashlib
import json
import re
from dataclasses import replace
from unittest.mock import Mock

import pytest

from tasador.dossier import facts as dossier_facts
from tasador.dossier import folder as dossier_folder
from tasador.dossier.blocks import Picture
from tasador.dossier.folder import write_folder
from tests.kit.dossiers import facts_of


@pytest.fixture(scope="module", autouse=True)
def small():
    """Leave states out with fewer rows than the train flow uses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dossier_facts, "LEFT_OUT_ROWS", 1_500)
        yield


@pytest.fixture(scope="module")
def facts(market, trained):
    return facts_of(market, trained)


@pytest.fixture(scope="module")
def folder(facts, tmp_path_factory):
    made = tmp_path_factory.mktemp("dossier")
    return made, write_folder(facts, made)


def test_index_lists_all_files(folder):
    made, dossier = folder
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert files == {*dossier.index["files"], "dossier.json"}
    assert json.loads((made / "dossier.json").read_bytes()) == dossier.index
    for name, digest in dossier.index["files"].items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest
    assert sum(path.stat().st_size for path in made.rglob("*.png")) < 1_000_000


def test_failure_of_a_document_comes_before_measuring(facts, tmp_path, monkeypatch):
    monkeypatch.setattr(dossier_folder, "measure_all", lambda *_: pytest.fail("measured"))
    monkeypatch.setattr(dossier_folder, "sbom", Mock(side_effect=ImportError("no cyclonedx")))
    with pytest.raises(ImportError, match="no cyclonedx"):
        write_folder(facts, tmp_path)


def test_write_folder_is_deterministic(folder, facts, tmp_path):
    _, dossier = folder
    assert write_folder(facts, tmp_path).index == dossier.index


def test_card_gives_the_measured_figures(folder, facts):
    made, dossier = folder
    card = (made / "README.md").read_text()
    metrics = json.loads((made / "metrics.json").read_bytes())
    assert "**promoted** on" in card
    assert "judged without a champion" in card
    whole = metrics["by_what_is_known"]["all rows"]
    assert whole == pytest.approx(facts.bundle.manifest.metrics)
    assert f"| all rows | {whole['rows']:,.0f} | {whole['r2']:.3f} |" in card
    groups = metrics["by_what_is_known"]
    parts = ("nothing missing", "something missing", "house size missing")
    assert sum(groups[name]["rows"] for name in parts) == whole["rows"]
    left = json.loads((made / "leave-out.json").read_bytes())
    assert f"| all left-out states | {left['metrics']['rows']:,.0f} |" in card
    assert left["rows"] <= 1_500
    expected = f"expect a median error of {left['metrics']['median_error']:.0%}"
    assert expected in card
    worst = max(
        (slice_ for slice_ in metrics["slices"] if slice_["rows"] >= 30),
        key=lambda slice_: slice_["median_error"],
    )
    assert f"It is weakest for {worst['slice']}" in card
    for check in facts.record.checks:
        assert f"`{check['name']}`" in card
    for block in dossier.card:
        if isinstance(block, Picture):
            assert block.content.startswith(b"\x89PNG")
            assert f"![{block.shows}]({block.file})" in card


def test_card_without_left_out_states_gives_the_reason(facts, tmp_path):
    texas = facts.frame[facts.frame["state"] == "Texas"]
    write_folder(replace(facts, frame=texas), tmp_path)
    assert (
        "Not measured: leaving states out needs at least two states"
        in (tmp_path / "README.md").read_text()
    )
    assert "not_measured" in json.loads((tmp_path / "leave-out.json").read_bytes())
    write_folder(replace(facts, rotations=0), tmp_path)
    assert "Not measured: TASADOR_DOSSIER_ROTATIONS is 0" in (tmp_path / "README.md").read_text()


def test_page_of_the_card_has_its_plots_and_loads_nothing(folder):
    made, dossier = folder
    page = (made / "model-card.html").read_text()
    plots = [name for name in dossier.index["files"] if name.endswith(".png")]
    assert page.count('src="data:image/png;base64,') == len(plots) > 2
    assert set(re.findall(r'src="(data:|.*?")', page)) == {"data:"}
    assert "<script" not in page
    card = (made / "README.md").read_text()
    headings = re.findall(r"^#+ (.+)$", card, re.M)
    assert re.findall(r"<h[12]>(.+?)</h[12]>", page) == headings
    # A link leads to a file of the folder, as in the card.
    linked = set(re.findall(r'href="([^"]+)"', page))
    assert {name for name in linked if not name.startswith("http")} <= {
        *dossier.index["files"],
        "dossier.json",
    }
