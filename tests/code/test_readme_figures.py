"""The figures of the README are those that a command wrote into docs/benchmarks.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = " ".join((ROOT / "README.md").read_text().split())


def section(name):
    """The tables of a section: the other cells of a row by its first cell."""
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    text = text.partition(f"<!-- {name}:begin -->")[2].partition(f"<!-- {name}:end -->")[0]
    rows = {}
    for line in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
        label, *cells = (cell.strip() for cell in line.split("|"))
        rows.setdefault(label, cells)
    return rows


def percent(cell):
    return f"{float(cell.removesuffix('%')):g} %"


def seconds(cell, digits):
    return f"{float(cell.replace(',', '')) / 1000:.{digits}f} s"


def test_error_of_a_price():
    ours, legacy, *_ = section("model accuracy")["rows with bed, bath, size: median error"]
    assert f"| {percent(ours)} | {percent(legacy)}, the model" in README


def test_first_prediction():
    ours, _, old, *_ = section("serve")["spawn to first served prediction, ms"]
    assert f"| {seconds(ours, 2)} | {seconds(old, 1)}, FastAPI" in README


def test_false_drift_alarms():
    ours, _, legacy, *_ = section("drift")["false alarms: all sales of one month"]
    assert f"| {percent(ours)} | {percent(legacy)}, a Kolmogorov" in README


def test_installation():
    figures = section("install")
    packages, downloaded = figures["packages"][0], figures["downloaded, MB"][0]
    disk = int(figures["`.venv` on disk, MB"][0]) / 1000
    assert (
        f"{packages} packages, {downloaded} MB of downloads, {disk:.1f} GB on disk, "
        f"{figures['first `./taskw`, s'][0]} seconds"
    ) in README
