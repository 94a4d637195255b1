"""The pages of the dossier agree with the code, the data and the installed packages."""

import importlib.metadata
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from tasador.dossier.baseline import baseline_rows, drift_baseline
from tasador.dossier.blocks import Picture, Rows, Text, number, to_card, to_markdown
from tasador.dossier.contract import contract_rows, data_contract
from tasador.dossier.evidence import evidence
from tasador.dossier.page import to_html
from tasador.dossier.sbom import IMAGES, licence_of, licence_rows, packages, sbom
from tasador.drift.baseline import Baseline
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import COLUMNS, Listing, read_listing, read_row
from tasador.listings.table import frame_of
from tasador.model.manifest import FORMAT, Manifest
from tests.kit.records import make_batch, make_decision, make_review

MANIFEST = Manifest(
    name="tasador-price",
    version=3,
    digest="d" * 64,
    features=[],
    metrics={},
    intervals={},
    data={},
    params={},
    ranges={"house_size": [600.0, 4000.0]},
    categories={},
    files={},
    git_sha="",
    created="",
    xgboost="",
    format=FORMAT,
    ratio_study={},
    confidence={},
    size_factors={},
)
FRAME = frame_of(
    [
        Listing(
            brokered_by=str(n % 4),
            status="sold",
            price=100_000.0 + n,
            bed=None if n % 2 else 3.0,
            street=str(n),
            city="Waco",
            state="Texas" if n % 4 else "Ohio",
            zip_code="76701",
            house_size=1000.0 + n,
            prev_sold_date="2020-01-02" if n % 4 == 0 else None,
        )
        for n in range(100)
    ]
)
CONTRACT = data_contract(FRAME, MANIFEST)


# -- the data contract ----------------------------------------------------------------------------


def test_data_contract_describes_the_rows():
    assert list(CONTRACT["fields"]) == list(COLUMNS)
    assert CONTRACT["rows_seen"] == 100
    fields = CONTRACT["fields"]
    assert fields["bed"]["missing_share"] == 0.5
    assert fields["prev_sold_date"]["missing_share"] == 0.75
    assert fields["acre_lot"] | {"missing_share": 1.0, "seen": {}} == fields["acre_lot"]
    assert (fields["price"]["seen"]["least"], fields["price"]["seen"]["most"]) == (100_000, 100_099)
    assert fields["house_size"]["clipped_to"] == [600.0, 4000.0]
    assert fields["house_size"]["unit"] == "square feet"
    assert fields["state"]["seen"] == {
        "distinct": 2,
        "most_common": {"Texas": 0.75, "Ohio": 0.25},
    }
    json.dumps(CONTRACT, allow_nan=False)


@pytest.mark.parametrize("name", [n for n in COLUMNS if "minimum" in CONTRACT["fields"][n]])
def test_data_contract_number_bounds_match_read_listing(name):
    field = CONTRACT["fields"][name]
    for value in (field["minimum"], field["maximum"]):
        assert read_listing({name: value})[1] == []
    for value in (field["minimum"] - 1, field["maximum"] * 1.01, "many"):
        assert [p.field for p in read_listing({name: value})[1]] == [name]


def test_data_contract_text_rules_match_read_listing():
    for name, field in CONTRACT["fields"].items():
        if field["type"] != "string":
            continue
        wrong = ["x" * (field["max_length"] + 1), ["a", "list"]]
        wrong += ["other"] if "enum" in field else []
        for value in wrong:
            assert [p.field for p in read_listing({name: value})[1]] == [name], value
        for value in CONTRACT["missing_texts"]:
            listing, problems = read_listing({name: value})
            assert (getattr(listing, name), problems) == (None, [])
        for value in field.get("enum", ()):
            assert read_listing({name: value})[1] == []
    assert read_listing({"zip_code": "1234567"})[1]
    assert read_listing({"zip_code": "77084-1234"}) == (Listing(zip_code="77084"), [])
    assert read_listing({"street": 33156.0})[0].street == "33156"
    assert read_listing({"prev_sold_date": "soon"})[1]
    # A row of a batch needs the label.
    assert read_row(dict.fromkeys(COLUMNS))[1]
    assert read_row({"price": 0.0})[1]


def test_contract_rows():
    rows = {row[0]: row for row in contract_rows(CONTRACT).rows}
    assert rows["`price`"][4] == "100,001 to 100,098 (1 to 99 %), at most 100,099"
    assert rows["`prev_sold_date`"][3:5] == ["75.0%", "2020-01-02 to 2020-01-02"]
    assert rows["`acre_lot`"][4] == "nothing"


# -- the drift baseline ---------------------------------------------------------------------------


def test_drift_baseline_summarises_the_reference():
    predicted = np.where(np.arange(100) < 40, FRAME["price"] * 1.1, np.nan)
    baseline = Baseline(rows=100, drawn=25, draws=100, usually_new={"city": 0.1})
    summary = drift_baseline(FRAME.assign(predicted=predicted), baseline)
    assert summary["strays"]["usually_new"] == {"city": 0.1}
    assert summary["limits"]["distance"] == Thresholds().distance
    assert summary["rows"] == 100
    assert summary["fields"]["price"]["deciles"][5] == pytest.approx(100_049.5)
    assert summary["fields"]["state"]["shares"] == {"Texas": 0.75, "Ohio": 0.25}
    assert summary["fields"]["acre_lot"] == {"missing_share": 1.0, "deciles": []}
    assert summary["performance"]["rows_with_a_prediction"] == 40
    assert summary["performance"]["median_error"] == pytest.approx(0.1)
    json.dumps(summary, allow_nan=False)
    assert len(baseline_rows(summary).rows) == len(COLUMNS)


# -- SBOM and licences ----------------------------------------------------------------------------


def test_image_requirements_match_pyproject():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

    def required(*extras):
        lines = project["dependencies"] + [
            line for extra in extras for line in project["optional-dependencies"][extra]
        ]
        return {Requirement(line).name for line in lines} - {"tasador"}

    # Packages that are not installed are left out of the SBOM, so extra names do no harm.
    assert required() <= set(IMAGES["serving"].requirements)
    assert required("store") <= set(IMAGES["recording"].requirements)
    assert required("store", "platform", "flows") <= set(IMAGES["training"].requirements)


def test_packages_of_each_image():
    serving, recording, training = (packages(IMAGES[n]) for n in IMAGES)
    assert {"numpy", "xgboost-cpu", "parliament-functions", "flask"} <= set(serving)
    heavy = {"pandas", "scikit-learn", "mlflow", "sqlalchemy", "boto3", "metaflow", "scipy"}
    assert not heavy & set(serving)
    assert heavy <= set(training)
    assert set(recording) - set(serving) >= {"sqlalchemy", "psycopg2-binary"}
    assert "xgboost-cpu" not in recording
    # The packages of tests and of the web app are in no model image.
    assert not {"pytest", "mypy", "reflex", "shap", "numba"} & set(training)
    for package in training.values():
        assert package.version == importlib.metadata.version(package.name)


@pytest.mark.parametrize("image", IMAGES)
def test_sbom_is_valid_cyclonedx_and_deterministic(image):
    from cyclonedx.schema import SchemaVersion  # imported for half a second
    from cyclonedx.validation.json import JsonStrictValidator

    at = datetime(2026, 1, 2, tzinfo=UTC)
    document = sbom(image, "tasador-price@3", "d" * 64, at)
    assert document == sbom(image, "tasador-price@3", "d" * 64, at)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    refs = {part["bom-ref"] for part in document["components"]} | {
        document["metadata"]["component"]["bom-ref"]
    }
    assert {d["ref"] for d in document["dependencies"]} == refs
    assert {ref for d in document["dependencies"] for ref in d.get("dependsOn", ())} <= refs
    for part in document["components"]:
        assert part["purl"].startswith("pkg:pypi/")
        assert part["licenses"]


def test_every_package_states_a_licence():
    rows = licence_rows().rows
    assert {row[0] for row in rows} >= {"numpy", "mlflow"}
    assert [row[0] for row in rows if row[2] == "not stated"] == []
    (numpy,) = [row for row in rows if row[0] == "numpy"]
    assert numpy[3] == "serving, recording, training"


def test_licence_of_prefers_expression_then_name_then_classifier(tmp_path):
    def stated(*lines):
        (tmp_path / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", *lines]) + "\n")
        return licence_of(importlib.metadata.PathDistribution(tmp_path))

    classifier = "Classifier: License :: OSI Approved :: BSD License"
    assert stated("License-Expression: MIT", classifier) == "MIT"
    assert stated("License: Apache 2.0", classifier) == "Apache 2.0"
    assert stated(f"License: {'whereas ' * 30}", classifier) == "BSD License"
    assert stated("License: UNKNOWN") == "not stated"
    (tmp_path / "RECORD").write_text("LICENSE.txt,,\n")
    assert stated() == "see its LICENSE.txt"


# -- pages ----------------------------------------------------------------------------------------


def test_to_markdown():
    page = [
        Text("# Title"),
        Rows(["name", "value"], [["a|b", "1"], ["two\nlines", "2"]]),
        Rows(["name", "says"], [["a", "a sentence that is too long to be a number"]]),
        Picture("plots/a.png", "A picture", b""),
    ]
    assert to_markdown(page) == (
        "# Title\n\n"
        "| name | value |\n| --- | ---: |\n| a\\|b | 1 |\n| two lines | 2 |\n\n"
        "| name | says |\n| --- | --- |\n| a | a sentence that is too long to be a number |\n\n"
        "![A picture](plots/a.png)\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.354, "0.354"), (12.0, "12"), (1_840_000.4, "1,840,000"), (-5.25, "-5.25")],
)
def test_number_formats_for_people(value, text):
    assert number(value) == text


@pytest.mark.filterwarnings("ignore:The _yaml extension module:DeprecationWarning")
def test_to_card_removes_links_to_files():
    page = [
        Text("See [a file](a.json) and [a site](https://example.org)."),
        Rows(["name", ""], [["`code`", "1"]]),
    ]
    text, table = (part.render() for part in to_card(page))
    assert text["source"].strip() == "See a file and [a site](https://example.org)."
    assert "code" in str(table)
    assert "`" not in str(table)


# -- the evidence for an auditor ------------------------------------------------------------------


def test_evidence_names_who_started_who_approved_and_the_verdicts_on_the_sample():
    check = {"name": "ratio_prb", "passed": True, "says": "PRB is -0.01."}
    gate = make_decision(decision="waiting", started_by="ana", checks=[check], reasons=["better"])
    approval = make_decision(decision="approved", decided_by="ben", reasons=["approved by ben"])
    batch = make_batch(batch_id="b1", rows_raw=100, rows_clean=90, rows_quarantined=10)
    reviews = [
        make_review(prediction_id="p1", verdict="too_high", reviewed_by="cleo", note="a ruin"),
        make_review(prediction_id="p2"),
    ]
    page = to_markdown(evidence([gate, approval], [batch], reviews))
    for text in (
        "Started by: ana",
        "a person other than the one who started the training had to approve",
        "| approved | ben | approved by ben |",
        "✔ `ratio_prb` | PRB is -0.01.",
        "| b1 | 100 | 90 | 10 |",
        "1 open, 1 too high",
        "| too high | cleo | a ruin |",
        "(e) Nondiscrimination",
    ):
        assert text in page, text


def test_evidence_says_what_is_missing():
    page = to_markdown(evidence([make_decision(checks=[])], [], []))
    assert "no approval by a person was required" in page
    assert "unknown: a release before approvals" in page
    assert "No prediction of this version has been drawn" in page


def test_html_of_blocks_is_text_whatever_it_says():
    hostile = "<script>alert(1)</script> & **bold** `a_b`"
    page = to_html(
        "A & B", [Text(f"# {hostile}"), Rows(["x", "y"], [[hostile, "7"]]), Picture("p", '"', b"x")]
    )
    assert "<script>" not in page
    said = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; <strong>bold</strong> <code>a_b</code>"
    assert f"<h1>{said}</h1>" in page
    assert f"<tr><td>{said}</td><td>7</td></tr>" in page
    assert '<img alt="&quot;" src="data:image/png;base64,eA==">' in page
    assert "<title>A &amp; B</title>" in page
