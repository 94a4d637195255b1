"""``tasador ratio-study`` on a folder: what it prints and writes, and what it says of bad input."""

import csv
import hashlib
import json

import pytest
from typer.testing import CliRunner

from tasador.cli.app import make_app
from tasador.errors import BundleError, ConfigurationError, TasadorError
from tasador.listings.listing import COLUMNS
from tasador.model.manifest import _canonical, read_manifest
from tasador.source.simulator import generate
from tests.kit.models import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratio") / "bundle"
    make_bundle(folder)
    return folder


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def listings(tmp_path_factory):
    return write_csv(tmp_path_factory.mktemp("csv") / "f.csv", generate(3, "steady", 1, 1_200))


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    for name in ("MLFLOW_URL", "S3_ENDPOINT"):
        monkeypatch.delenv(f"TASADOR_{name}", raising=False)

    def invoke(*arguments):
        words = ["ratio-study", *map(str, arguments)]
        return CliRunner().invoke(make_app(), words, catch_exceptions=False).output

    return invoke


def test_json_has_the_holdout_and_what_was_left_out(run, bundle, listings):
    found = json.loads(run("--bundle", bundle, "--csv", listings, "--format", "json"))
    assert found["model"] == "tasador-price@3"
    overall = found["overall"]
    assert 90 < overall["rows"] < 160
    assert overall["rows"] + sum(found["left_out"].values()) == 1_200
    assert found["left_out"]["not in the permanent holdout"] > 900
    figures = overall["figures"]
    assert figures["median"]["low"] <= figures["median"]["value"] <= figures["median"]["high"]
    assert figures["prb"]["noise"] is not None
    kinds = {group["kind"] for group in found["groups"]}
    assert {"status", "state", "property type", "known fields", "tenth of the estimates"} <= kinds


def test_table_and_page(run, bundle, listings, tmp_path):
    page = tmp_path / "study.html"
    shown = run("--bundle", bundle, "--csv", listings, "--rows", "all", "--html", page)
    for text in ("PRB", "MKI", "nothing missing", "for_sale", "$", str(page)):
        assert text in shown
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "prefers-color-scheme: dark" in text
    assert [path.name for path in tmp_path.iterdir()] == ["study.html"]


def test_small_file_has_no_figures_and_says_what_to_do(run, bundle, tmp_path):
    few = write_csv(tmp_path / "few.csv", generate(3, "steady", 1, 60))
    shown = run("--bundle", bundle, "--csv", few)
    assert "fewer than 30 rows" in shown
    assert "--rows all" in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("", "is empty"),
        ("price,bed\n1,2\n", "state|zip_code|has no row to study"),
        (",".join(COLUMNS) + "\n", "has no row to study: it has only a header"),
        (
            ",".join(COLUMNS) + "\n" + ",sold,,3,2,.2,1,Waco,Texas,76701,1500,\n",
            "has no row to study.*line 2: price is missing",
        ),
        (
            ",".join(COLUMNS) + "\n" + ",sold,5,3,2,.2,1,Waco,Texas,76701,1500,\n",
            "1 priced outside",
        ),
    ],
)
def test_bad_csv_is_named(run, bundle, tmp_path, content, message):
    path = tmp_path / "listings.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TasadorError, match=f"listings.csv.*({message})"):
        run("--bundle", bundle, "--csv", path)


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("absent", BundleError, "absent is not a model bundle"),
        ("s3://bucket/prefix", ConfigurationError, "TASADOR_S3_ENDPOINT"),
        ("models:/tasador-price@champion", ConfigurationError, "TASADOR_MLFLOW_URL"),
        ("models:/tasador-price", ConfigurationError, "models:/NAME@champion"),
        ("models:/tasador-price/latest", ConfigurationError, "models:/NAME/VERSION"),
        ("http://host/bundle", ConfigurationError, "http://host/bundle"),
    ],
)
def test_bad_bundle_is_named(run, listings, reference, error, message):
    with pytest.raises(error, match=message):
        run("--bundle", reference, "--csv", listings)


def test_html_must_be_a_file_in_an_existing_folder(run, bundle, listings, tmp_path):
    for path in (tmp_path, tmp_path / "absent" / "study.html"):
        with pytest.raises(ConfigurationError, match=f"--html {path}"):
            run("--bundle", bundle, "--csv", listings, "--html", path)


def test_manifest_has_the_study_and_old_bundles_lack_it(bundle, tmp_path):
    manifest = read_manifest(bundle)
    kinds = {group["kind"] for group in manifest.ratio_study["groups"]}
    assert {"all rows", "status", "property type", "known fields"} <= kinds
    assert manifest.metrics["cod"] == pytest.approx(
        manifest.ratio_study["groups"][0]["figures"]["cod"]["value"], abs=1e-5
    )
    # A bundle written before the study existed has no such field.
    content = json.loads((bundle / "manifest.json").read_text())
    del content["ratio_study"], content["checksum"]
    content["checksum"] = hashlib.sha256(_canonical(content)).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    old = read_manifest(tmp_path)
    assert old.ratio_study == {}
    assert old.digest == manifest.digest
    # Any other absent field is still an error.
    del content["ranges"], content["checksum"]
    content["checksum"] = hashlib.sha256(_canonical(content)).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"unexpected fields: ranges$"):
        read_manifest(tmp_path)
