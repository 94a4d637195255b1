"""The benchmarks start, and the model's prints its table from any CSV of listings."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tasador.listing import COLUMNS
from tasador.source.simulator import generate

ROOT = Path(__file__).parents[2]


def run(name, *arguments):
    command = [sys.executable, f"benchmarks/{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["model.py", "drift.py", "serve.py"])
def test_each_says_how_it_is_used(name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "--write" in done.stdout


@pytest.mark.parametrize("name", ["model.py", "drift.py"])
def test_without_listings_it_says_what_is_needed(name, tmp_path):
    done = run(name, "--csv", tmp_path / "none.csv")
    assert done.returncode == 2
    assert "real listings are needed" in done.stderr


def test_the_model_is_measured_beside_the_old_way(tmp_path):
    path = tmp_path / "listings.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(
            [row.get(name) for name in COLUMNS] for row in generate(1, "steady", 0, 900)
        )
    done = run("model.py", "--csv", path, "--seeds", 1, "--parts", "accuracy")
    assert done.returncode == 0, done.stderr
    assert "rows with bed, bath, size: R²" in done.stdout
    assert "exact explanation: p99, ms" in done.stdout
