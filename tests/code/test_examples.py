"""The scripts of examples/ run and print what their README says."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasador.listings.listing import COLUMNS
from tests.kit.checkout import ROOT
from tests.kit.functions import function, is_ready
from tests.kit.listings import raw_batches
from tests.kit.models import make_bundle
from tests.kit.waiting import wait_for

CLOUDEVENTS = "cloudevents@10.0.0"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory):
    """The addresses of predict and explain with a small model."""
    home = tmp_path_factory.mktemp("examples")
    model = {"MODEL_URI": str(home / "bundle"), "MODEL_VERSION": "3"}
    model["MODEL_DIGEST"] = make_bundle(home / "bundle", version=3).digest
    with (
        function("predict", home, **model) as predict,
        function("explain", home, **model) as explain,
    ):
        wait_for(lambda: is_ready(predict) and is_ready(explain))
        yield str(predict.base_url).rstrip("/"), str(explain.base_url).rstrip("/")


def run(*command, **env):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_price_by_curl_prints_price_and_explanation(addresses):
    predict, explain = addresses
    printed = run("sh", "examples/price_by_curl.sh", FUNCTIONS=predict, EXPLAIN=explain)
    price, explanation = (json.loads(line) for line in printed.splitlines() if line[0] == "{")
    assert price["price"] > 0
    assert explanation["price"] == pytest.approx(price["price"])


def test_cloud_event_is_answered_with_an_event(addresses):
    printed = run(sys.executable, "examples/cloud_event.py", f"{addresses[0]}/")
    head, _, data = printed.partition("\n")
    assert head.startswith("tasador.prediction.made ")
    assert json.loads(data)["price"] > 0


def test_cloud_event_in_javascript_is_answered_with_an_event(addresses, tmp_path):
    # The wheel's bun stands in for npm and node.
    bun = Path(sys.executable).with_name("bun")
    script = shutil.copy(ROOT / "examples" / "cloud_event.mjs", tmp_path)
    subprocess.run([bun, "add", "--silent", CLOUDEVENTS], cwd=tmp_path, check=True)
    printed = run(bun, script, f"{addresses[0]}/")
    head, _, data = printed.partition("\n")
    assert re.fullmatch(r"tasador.prediction.made \S+ from \S+ in answer to \S{36}", head)
    assert json.loads(data)["price"] > 0


def test_own_csv_trains_explains_and_scores(tmp_path):
    rows = [row for batch in raw_batches() for row in batch]
    with (tmp_path / "own.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    printed = run(sys.executable, "examples/own_csv.py", tmp_path / "own.csv", tmp_path / "bundle")
    assert re.search(r"^bundle \S+ [0-9a-f]{16}", printed, re.M)
    assert "Priced at $" in printed
    assert f"{len(rows)} prices with intervals in {tmp_path / 'bundle.prices.csv'}" in printed


def test_readme_names_every_example():
    readme = (ROOT / "examples" / "README.md").read_text()
    scripts = {path.name for path in (ROOT / "examples").iterdir()} - {"README.md", "__pycache__"}
    assert scripts == set(re.findall(r"^\| \[(\S+)\]", readme, re.M))
