"""Pricing a CSV by any pricer: what it is given, what is written, and what is refused."""

import csv

import numpy as np
import pytest

from tasador.listings.csv_file import TableError
from tasador.training.scoring import OUTPUT, PricedRows, check_csv, price_csv

ROWS = "id,state,bed,note\n1,TX,3,a\n2,Ohio,lots,=b\n3,Ohio\n4,Ohio,-2,d\n"


class Pricer:
    """Prices a row at 1,000 dollars for each bedroom; ``sizes`` are those of the tables."""

    def __init__(self):
        self.sizes = []

    def __call__(self, table):
        price = np.nan_to_num(table["bed"]) * 1000
        self.sizes.append(len(price))
        low = dict.fromkeys(("80", "90", "95"), price - 1)
        missing = [("bed",) if np.isnan(bed) else () for bed in table["bed"]]
        return PricedRows(price, low, low, missing, {0: ["=odd"]})


@pytest.fixture
def path(tmp_path):
    (tmp_path / "in.csv").write_text(ROWS)
    return tmp_path / "in.csv"


def test_rows_are_priced_in_chunks_and_in_order(path, tmp_path):
    pricer = Pricer()
    price_csv(pricer, path, tmp_path / "out.csv", keys=["id", "note"], chunk=3)
    assert pricer.sizes == [3, 1]
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("id", "note", *OUTPUT)
    assert [row["id"] for row in rows] == ["1", "2", "", "4"]
    assert [float(row["price"]) for row in rows] == [3000, 0, 0, 0]
    assert [row["note"] for row in rows] == ["a", "'=b", "", "d"]
    assert [row["warnings"] for row in rows] == ["'=odd", "", "", "'=odd"]


def test_check_says_what_pricing_says(path, tmp_path):
    summary = check_csv(path)
    assert summary == price_csv(Pricer(), path, tmp_path / "out.csv")
    assert (summary.rows, summary.rows_with_problems) == (4, 3)
    assert summary.problems == {"bed": 2, "row": 1}
    assert summary.examples == {
        "bed": "in line 3: bed is not a number ('lots')",
        "row": "in line 4: row has 2 values where the header has 4 ('3,Ohio')",
    }
    assert summary.first_problem == summary.examples["bed"]
    assert summary.unused == ("id", "note")


def test_more_rows_than_allowed_are_refused_and_nothing_is_written(path, tmp_path):
    assert check_csv(path, most=4).rows == 4
    with pytest.raises(TableError, match=r"in\.csv has more than 3 rows: split it"):
        check_csv(path, most=3)
    with pytest.raises(TableError, match="more than 3 rows"):
        price_csv(Pricer(), path, tmp_path / "out.csv", most=3)
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]
