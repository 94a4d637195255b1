"""The benchmarks start, and those of the model print their tables for any CSV of listings."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import ceiling
from benchmarks.processes import postgres_seconds
from benchmarks.serving import traces
from benchmarks.serving.pieces import PIECES
from tasador.listings.listing import COLUMNS
from tasador.listings.table import read_csv
from tasador.source.simulator import generate

ROOT = Path(__file__).parents[2]


def run(name, *arguments):
    return run_python(f"benchmarks/{name}", *map(str, arguments))


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("model.py", "--write"),
        ("cost.py", "--write"),
        ("search.py", "--tasks"),
        ("drift.py", "--write"),
        ("serve.py", "--against"),
        ("cli.py", "--against"),
        ("install.py", "--write"),
        ("data.py", "--rows"),
        ("kills.py", "--kills"),
        ("score.py", "--bundle"),
    ],
)
def test_benchmark_prints_its_usage(name, option):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert option in done.stdout


@pytest.mark.parametrize("piece", PIECES)
def test_every_optimisation_can_be_switched_off(piece):
    """A piece replaces attributes by name; it fails if one of them was renamed."""
    code = f"from benchmarks.serving.pieces import PIECES; PIECES[{piece!r}]()"
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr


def test_every_metric_counts_with_the_metrics_of_the_library():
    code = (
        "from benchmarks.serving.pieces import PIECES; PIECES['own-metrics']()\n"
        "from functions import metric_families, observability\n"
        "observability.MODEL_INFO.labels('tasador-price', '3', '7').set(1)\n"
        "observability.PREDICTION_DURATION.labels().observe(0.01, 2, trace_id='a1')\n"
        "print(metric_families.metrics_text()[0].decode())\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    assert 'tasador_model_info{model="tasador-price",promotion="7",version="3"} 1.0' in done.stdout
    assert "tasador_prediction_duration_seconds_count 2.0" in done.stdout


@pytest.mark.parametrize("name", ["model.py", "cost.py", "drift.py"])
def test_benchmark_without_listings_exits_with_an_error(name, tmp_path):
    done = run(name, "--csv", tmp_path / "none.csv")
    assert done.returncode == 2
    assert "real listings are needed" in done.stderr


@pytest.fixture
def listings(tmp_path):
    path = tmp_path / "listings.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(
            [row.get(name) for name in COLUMNS] for row in generate(1, "steady", 0, 900)
        )
    return path


def test_model_benchmark_of_accuracy(listings):
    done = run("model.py", "--csv", listings, "--seeds", 1, "--parts", "accuracy")
    assert done.returncode == 0, done.stderr
    assert "rows with bed, bath, size: R²" in done.stdout
    assert "exact explanation: p99, ms" in done.stdout


def test_model_benchmark_of_ablations_and_variants(listings):
    done = run("model.py", "--csv", listings, "--seeds", 1, "--parts", "ablation", "tried")
    assert done.returncode == 0, done.stderr
    cells = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    ratio = {row[1]: row[3] for row in cells if len(row) > 4}
    assert ratio["nothing"] == ratio["as it is"] == "1.000"
    # Each variant changes the fit.
    others = ("comparables", "the trees", "squared error", "depth 5", "330 rounds at 0.09")
    others += ("no masked views",)
    assert all(float(ratio[name]) != 1 for name in others)


def test_model_benchmark_of_the_ceiling(listings, tmp_path, monkeypatch):
    """Learners get the rows that the trees are fitted on; one that is not installed has no line."""
    rows = []

    def learner(features, label, weight, judged, seed):
        rows.append((len(features), len(label), len(weight)))
        return np.zeros(len(judged))

    learners = {"the blend alone": ("numpy", learner), "another": ("no_such_package", learner)}
    monkeypatch.setattr(ceiling, "LEARNERS", learners)
    frame, _ = read_csv(listings)
    table = ceiling.ceiling_table(ceiling.ceiling(frame, [0], 0, tmp_path, lambda line: None))
    assert len(rows) == 2
    assert all(len({*row}) == 1 for row in rows)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    by_name = {row[0]: row[1:] for row in cells}
    assert set(by_name["another"]) == {"not installed"}
    assert by_name["the blend alone"] == by_name[ceiling.MEAN]
    assert by_name["the blend alone"] != by_name[ceiling.OURS]
    assert [bool(cell) for cell in by_name[ceiling.BY_ROW]] == [True] * 4 + [False]


def test_search_benchmark(listings):
    done = run("search.py", "--csv", listings, "--trials", 2, "--pairs", 1)
    assert done.returncode == 0, done.stderr
    assert "For the same 2 trials, 2 threads take" in done.stdout


def test_cost_benchmark(listings):
    done = run("cost.py", "--csv", listings, "--copies", 2, "--trials", 1)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split("|") for line in done.stdout.splitlines()[-2:]]
    assert [row[0].strip() for row in rows] == ["900", "1,800"]
    assert all(0.1 < float(row[3]) < 4 for row in rows)


def test_cost_of_traces_is_the_median_of_the_turns_with_an_interval():
    costs = {"predict": [(0.02, 0.01), (0.1, 0.01), (0.01, 0.01)], "explain": [(0.1, 0.2)] * 3}
    _, _, *rows = traces.report(costs).splitlines()
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        ["predict", "2.0% (1.0% to 10.0%)", "1.0% (1.0% to 1.0%)", "≤ 3%", "met"],
        ["explain", "10.0% (10.0% to 10.0%)", "20.0% (20.0% to 20.0%)", "≤ 3%", "missed"],
    ]


def test_only_a_piece_with_a_section_is_written():
    done = run("serve.py", "--without", "ctypes", "--write")
    assert done.returncode == 2
    assert "has no section for --without ctypes" in done.stderr


def test_processor_time_of_postgres_is_read_again_if_a_backend_ends_meanwhile(monkeypatch):
    monkeypatch.setenv("TASADOR_HOME", "/nowhere")
    readings = [psutil.NoSuchProcess(1), []]

    def processes(_):
        reading = readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading

    monkeypatch.setattr(psutil, "process_iter", processes)
    assert postgres_seconds() == 0.0
    assert readings == []
