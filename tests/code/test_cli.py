"""The command line without a platform: train, score, and what it says to bad input."""

import csv
import json
import os
import subprocess
import sys

import pytest

from tasador.listings.listing import COLUMNS
from tasador.source.simulator import generate


@pytest.fixture
def tasador(tmp_path):
    def run(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "tasador", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("TASADOR_")},
                "TASADOR_HOME": str(tmp_path / "home"),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


def written(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_train_then_score_with_no_service(tasador, tmp_path):
    listings = written(tmp_path / "listings.csv", generate(5, "steady", 0, 800))
    out = tmp_path / "bundle"
    manifest = json.loads(
        tasador("train", "--csv", listings, "--out", out, "--trials", 1, "--seed", 3, "--json")
    )
    assert manifest["digest"] == json.loads((out / "manifest.json").read_text())["digest"]
    asked = [{"state": "Texas", "price": ""}, {"house_size": "big"}, {"bed": "3"}]
    tasador(
        "score", "--bundle", out, "--csv", written(tmp_path / "asked.csv", asked),
        "--out", tmp_path / "priced.csv",
    )  # fmt: skip
    with (tmp_path / "priced.csv").open() as file:
        priced = list(csv.DictReader(file))
    assert len(priced) == len(asked)
    for row in priced:
        bounds = [float(row[name]) for name in ("lo95", "lo90", "lo80", "price")]
        bounds += [float(row[name]) for name in ("hi80", "hi90", "hi95")]
        assert bounds == sorted(bounds)
    assert "house_size" in priced[1]["missing"]
    assert "state" not in priced[0]["missing"].replace("zip", "").split()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "--csv", "absent.csv", "--out", "b"), "absent.csv cannot be read"),
        (("score", "--bundle", "b", "--csv", "a.csv", "--out", "p"), "b is not a model bundle"),
        (("source", "serve"), "give either --csv FILE or --simulate SEED"),
        (("source", "serve", "--simulate", "1", "--scenario", "x"), "there is no scenario 'x'"),
        (("serve", "guess"), "there is no function 'guess'"),
        (("serve", "predict", "--bundle", "b"), "b has no manifest.json"),
        (("models",), "TASADOR_DATABASE_URL, TASADOR_MLFLOW_URL not set: run `tasador up` first"),
        (("lineage", "1"), "TASADOR_DATABASE_URL not set"),
        (("pipeline",), "TASADOR_SOURCE_URL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_line_that_says_what_to_do(tasador, arguments, says):
    said = tasador(*arguments, code=1)
    assert says in " ".join(said.split())
    assert "Traceback" not in said


def test_doctor_sends_to_up_where_nothing_is(tasador):
    with pytest.raises(AssertionError, match="run `tasador up`"):
        tasador("doctor")


def test_the_demo_leaves_a_platform_of_ones_own_alone(tasador, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "endpoints.env").write_text("TASADOR_MLFLOW_URL=http://mine\n")
    said = tasador("demo", "--once", code=1)
    assert "holds a platform with data of your own" in " ".join(said.split())
    assert (tmp_path / "home" / "endpoints.env").exists()
