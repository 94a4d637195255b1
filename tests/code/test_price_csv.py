"""Pricing a CSV by any pricer: what it is given, what is written, and what is refused."""

import csv
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasador.listings.csv_file import TableError
from tasador.listings.table import read_csv
from tasador.listings.text_column import TextColumn
from tasador.listings.value_reader import Refused
from tasador.scoring.lines import output_lines
from tasador.scoring.price_file import OUTPUT, PricedRows, check_csv, price_csv
from tasador.training.from_csv import describe_read

ROWS = "id,state,bed,note\n1,TX,3,a\n2,Ohio,lots,=b\n3,Ohio\n4,Ohio,-2,d\n"


class Pricer:
    """Prices a row at 1,000 dollars for each bedroom; ``sizes`` are those of the tables."""

    def __init__(self):
        self.sizes = []

    def __call__(self, table):
        price = np.nan_to_num(table["bed"]) * 1000
        self.sizes.append(len(price))
        low = dict.fromkeys(("80", "90", "95"), price - 1)
        missing = TextColumn.of(["bed" if np.isnan(bed) else "" for bed in table["bed"]])
        return PricedRows(price, low, low, missing, {0: ["=odd"]})


@pytest.fixture
def path(tmp_path):
    (tmp_path / "in.csv").write_text(ROWS)
    return tmp_path / "in.csv"


def test_rows_are_priced_in_order(path, tmp_path):
    pricer = Pricer()
    price_csv(pricer, path, tmp_path / "out.csv", keys=["id", "note"])
    assert sum(pricer.sizes) == 3
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("id", "note", *OUTPUT)
    assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["price"] for row in rows] == ["3000.0", "0.0", "", "0.0"]
    assert [row["note"] for row in rows] == ["a", "'=b", "", "d"]
    assert [row["warnings"] for row in rows] == ["'=odd", "", "", ""]


def test_the_file_with_the_listings_is_not_overwritten(path, tmp_path):
    (tmp_path / "link.csv").symlink_to(path)
    for out in (path, tmp_path / "link.csv", tmp_path / "." / "in.csv"):
        with pytest.raises(TableError, match=r"csv is the file with the listings: write the pric"):
            price_csv(Pricer(), path, out)
    assert path.read_text() == ROWS


def test_keys_are_columns_of_the_file_and_different_ones(path, tmp_path):
    for keys, message in (
        (
            ["nope"],
            "has no column nope, which is named as a key; its columns are id, state, bed, note",
        ),
        (["id", "id"], "the key id is named twice"),
    ):
        with pytest.raises(TableError, match=message):
            price_csv(Pricer(), path, tmp_path / "out.csv", keys=keys)
    assert not (tmp_path / "out.csv").exists()


def test_a_pipe_is_refused_before_it_is_read(path, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TableError, match=r"pipe is a pipe or a device.*save them as a file first"):
        price_csv(Pricer(), tmp_path / "pipe", tmp_path / "out.csv")
    command = (
        "from tasador.scoring.price_file import check_csv; print(check_csv('/dev/stdin').rows)"
    )
    with path.open() as file:
        done = subprocess.run(
            [sys.executable, "-c", command], stdin=file, capture_output=True, text=True, check=True
        )
    assert done.stdout == "4\n"


NO_LISTINGS = "id,state,bed,bath\n ,,,\n1,TX,1,1\n3,Ohio\n4,,,\n5,TX,2,1,7\n,,,\n,Ohio,3,\n"


def test_rows_that_are_no_listings_have_their_problem_and_no_price(tmp_path):
    (tmp_path / "in.csv").write_text(NO_LISTINGS)
    pricer = Pricer()
    summary = price_csv(pricer, tmp_path / "in.csv", tmp_path / "out.csv", keys=["id"])
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"].strip() for row in rows] == ["", "1", "3", "4", "5", "", ""]
    assert [row["price"] for row in rows] == ["", "1000.0", "", "0.0", "", "", "3000.0"]
    assert rows[1]["lo80"] == "999.0"
    assert rows[1]["warnings"] == "'=odd"
    refused = {row["problems"]: row for row in rows if not row["price"]}
    assert list(refused) == [
        "row is blank",
        "row has 2 values where the header has 4",
        "row has 5 values where the header has 4",
    ]
    assert {row[name] for row in refused.values() for name in OUTPUT if name != "problems"} == {""}
    assert (summary.rows, summary.rows_with_problems, summary.unpriced) == (7, 4, 4)


def test_texts_of_numbers_are_read_in_the_way_that_is_given(tmp_path):
    def number_text(name, text):
        if text == "3":
            raise Refused.ambiguous("3", "33")
        return text.replace(",", ".")

    (tmp_path / "in.csv").write_text('bed,state,note\n"1,5",TX,"1,5"\n2,TX,\n3,TX,\n\n3,,\n')
    with_text = {"keys": ["note"], "number_text": number_text}
    summary = price_csv(Pricer(), tmp_path / "in.csv", tmp_path / "out.csv", **with_text)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["price"] for row in rows] == ["1500.0", "2000.0", "0.0", "0.0"]
    assert [row["problems"] for row in rows] == ["", "", *["bed may be 3 or 33"] * 2]
    assert rows[0]["note"] == "1,5", "a key is copied as it is"
    assert summary.examples == {"bed": "in line 4: bed may be 3 or 33 ('3')"}
    # Numbers of a Parquet file are numbers already.
    pq.write_table(pa.table({"bed": [1.5, 3.0], "bath": [1, 3]}), tmp_path / "in.parquet")
    with_text = {"number_text": number_text}
    assert not price_csv(
        Pricer(), tmp_path / "in.parquet", tmp_path / "out.csv", **with_text
    ).problems


def test_file_without_a_listing_has_no_price(tmp_path):
    (tmp_path / "in.csv").write_text("state,bed\n,\n")
    assert price_csv(Pricer(), tmp_path / "in.csv", tmp_path / "out.csv").unpriced == 1
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == f"{',' * 10}row is blank,"


def test_blank_rows_of_a_parquet_file_have_no_price(tmp_path):
    columns = {"id": ["1", None, "3"], "bed": [1.0, None, None], "state": ["TX", None, None]}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    price_csv(Pricer(), tmp_path / "in.parquet", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["price"] for row in csv.DictReader(file)] == ["1000.0", "", "0.0"]


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


def test_the_web_app_prices_files_without_pyarrow():
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from tasador.scoring import price_file\n"
        "assert not {'pandas', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_dollars_are_rounded_to_cents():
    price = np.array([0.0, 0.004, 0.006, 1234.5, 1e10])
    low = dict.fromkeys(("80", "90", "95"), price)
    names = TextColumn.of([""] * 5), TextColumn.of(["high"] * 5)
    priced = PricedRows(price, low, low, names[0], {}, np.full(5, 0.25), names[1])
    cells = [line.split(",") for line in output_lines([], priced, {}).decode().splitlines()]
    assert [row[0] for row in cells] == ["0.0", "0.0", "0.01", "1234.5", "10000000000.0"]
    assert [row[7:] for row in cells] == [["0.25", "high", "", "", ""]] * 5
    assert output_lines([], priced._replace(price=np.array([])), {}) == b""


def test_train_says_what_it_read(tmp_path):
    """A misnamed column and refused rows are no silent loss."""
    path = tmp_path / "in.csv"
    path.write_text("price,bed,zip,state\n1,1,1,TX\nlots,1,1,TX\n,1,1,TX\n,2,2,TX\n")
    missing = "brokered_by, status, bath, acre_lot, street, city, zip_code, house_size"
    assert describe_read(*read_csv(path)) == (
        "1 rows, 3 rejected (price is missing (2), price is not a number (1)); "
        f"no row has a value of {missing}, prev_sold_date"
    )
    path.write_text("price,bed\n")
    assert describe_read(*read_csv(path)) == "0 rows, 0 rejected"
