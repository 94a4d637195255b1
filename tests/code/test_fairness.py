"""Disparities by the make-up of zip codes: a planted one is found, and noise alone is not."""

import csv
import json

import numpy as np
import pytest

from tasador.listings.csv_file import TableError
from tasador.operations.census import by_row, read_census
from tasador.ratio_study import words
from tasador.ratio_study.fairness import NO_FIGURE, disparities, fifths
from tests.code.test_cli_ratio_study import bundle, listings, run  # noqa: F401

ZIP_CODES = 150


def market(seed, level=0.0, accuracy=0.0):
    """Homes in zip codes whose share is higher where homes are cheaper, and whose errors are
    partly shared. ``level`` moves the estimates, ``accuracy`` the errors, with the share."""
    draw = np.random.default_rng(seed)
    share = draw.beta(2, 3, ZIP_CODES)
    places = draw.integers(0, ZIP_CODES, 3_000)
    x = share[places]
    estimate = np.exp(draw.normal(12.6, 0.5, len(x)) - 0.8 * x)
    shared = draw.normal(0, 0.06, ZIP_CODES)[places]
    error = shared + draw.normal(0, 0.2, len(x)) * (1 + accuracy * x)
    price = estimate * np.exp(error)
    zip_code = np.array([f"{place:05d}" for place in places], dtype=object)
    return estimate * np.exp(level * x), price, zip_code, {"share": x, "income": 90_000 - 5e4 * x}


def test_planted_undervaluation_is_found_with_its_size():
    found = disparities(*market(1, level=-0.25))
    assert [d.column for d in found] == ["share", "income"]
    by_share = found[0]
    expected = np.expm1(-0.25 * (by_share.high - by_share.low))
    assert by_share.level == pytest.approx(expected, abs=0.03)
    assert by_share.level_ends[0] < expected < by_share.level_ends[1] < 0
    assert (by_share.level_verdict, found[1].level_verdict) == ("outside", "outside")
    assert found[1].level > 0
    row = words.disparity_rows(found)[0]
    assert row[5] == "outside: valued lower where it is high"


def test_planted_inaccuracy_is_found():
    found = disparities(*market(2, accuracy=3.0))[0]
    assert found.accuracy_verdict == "outside"
    assert found.accuracy_ends[1] < 0
    assert words.disparity_rows([found])[0][8] == "outside: estimated worse where it is high"


def test_noise_alone_is_hardly_ever_outside():
    verdicts = [
        verdict
        for seed in range(60)
        for d in disparities(*market(100 + seed))
        for verdict in (d.level_verdict, d.accuracy_verdict)
    ]
    assert verdicts.count("outside") <= 2, verdicts.count("outside")


def test_intervals_cover_no_difference_as_often_as_they_claim():
    inside = [
        d.level_ends[0] <= 0 <= d.level_ends[1]
        for seed in range(100)
        for d in disparities(*market(300 + seed))[:1]
    ]
    assert np.mean(inside) >= 0.90


def test_few_zip_codes_and_equal_figures_have_no_disparity():
    estimate, price, zip_code, makeup = market(3)
    few = np.isin(zip_code, sorted(set(zip_code))[:29])
    known = {"share": np.where(few, makeup["share"], np.nan), "equal": np.ones(len(price))}
    assert disparities(estimate, price, zip_code, known) == []
    assert disparities(estimate, price, zip_code, {"none": np.full(len(price), np.nan)}) == []


def test_fifths_are_of_the_listings_and_say_their_ends():
    names = fifths(np.array([np.nan, *np.arange(10.0)]))
    assert names[0] == NO_FIGURE
    assert (names[1], names[10]) == ("fifth 1: 0 to 1", "fifth 5: 8 to 9")
    incomes = fifths(np.linspace(20_150, 149_900, 10))
    assert incomes[0] == "fifth 1: 20,150 to 34,567"
    assert sorted(np.unique(names[1:].astype(str), return_counts=True)[1]) == [2] * 5
    assert set(fifths(np.full(3, np.nan))) == {NO_FIGURE}


def write(path, text):
    path.write_text(text)
    return path


def test_census_is_read_by_the_rules_of_zip_codes(tmp_path):
    census = read_census(write(tmp_path / "c.csv", "zip_code,share\n501,0.5\n77084.0,\n"))
    assert census == {"share": {"00501": 0.5}}
    rows = by_row(census, np.array(["00501", "77084", None], dtype=object))
    assert rows["share"].tolist()[0] == 0.5
    assert np.isnan(rows["share"][1:]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("city,share\nX,1\n", "has no column zip_code"),
        ("zip_code\n77084\n", "has no column of figures"),
        ("zip_code,share,share\n77084,1,2\n", "a column more than once"),
        ("zip_code,share\n77084,many\n", r"line 2: share is 'many', not a number"),
        ("zip_code,share\n77084,nan\n", r"line 2: share is 'nan', not a number"),
        ("zip_code,share\nabc,1\n", r"line 2: zip_code is not a zip code"),
        ("zip_code,share\n,1\n", r"line 2: zip_code is missing"),
        ("zip_code,share\n77084,1\n77084,2\n", r"line 3: zip_code 77084 has a row already"),
        ("zip_code,share\n77084,1,2\n", r"line 2: row has 3 values"),
        ("zip_code," + ",".join(f"c{n}" for n in range(21)) + "\n", "21 columns of figures"),
    ],
)
def test_unreadable_census_names_the_line_and_the_column(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read_census(write(tmp_path / "c.csv", text))


def test_command_compares_by_the_census(run, bundle, listings, tmp_path):  # noqa: F811
    with open(listings, newline="") as file:
        given = {row["zip_code"] for row in csv.DictReader(file)}
    codes = sorted({code.split(".")[0].zfill(5) for code in given if code.strip()})
    lines = [f"{code},{number / len(codes):.3f}" for number, code in enumerate(codes)]
    census = write(tmp_path / "census.csv", "zip_code,share\n" + "\n".join(lines) + "\n")
    page = tmp_path / "study.html"
    arguments = ("--bundle", bundle, "--csv", listings, "--rows", "all", "--census", census)
    found = json.loads(run(*arguments, "--format", "json"))
    assert found["disparities"][0]["column"] == "share"
    assert {g["name"][:7] for g in found["groups"] if g["kind"] == "share"} >= {
        "fifth 1",
        "fifth 5",
    }
    shown = run(*arguments, "--html", page)
    assert "make-up of the zip codes" in " ".join(shown.split())
    assert "By the make-up of zip codes" in page.read_text()
