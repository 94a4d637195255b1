"""Training and scoring from files, without any service."""

import csv
import gzip
import signal
import subprocess
import sys

import pytest

from tasador.errors import TrainingError
from tasador.listings.csv_file import TableError
from tasador.listings.listing import COLUMNS, INPUTS, read_listing
from tasador.model.bundle import Bundle
from tasador.scoring.lines import OUTPUT, safe_cell
from tasador.scoring.price_file import score_csv
from tasador.source.simulator import generate
from tasador.training.from_csv import train_to_folder


def write_csv(path, rows, columns=COLUMNS):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def raw():
    return generate(11, "steady", 0, 1500)


@pytest.fixture(scope="module")
def folder(raw, tmp_path_factory):
    parent = tmp_path_factory.mktemp("scoring")
    reports = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_SHA", "0123abc")
        manifest = train_to_folder(
            write_csv(parent / "listings.csv", raw),
            parent / "model",
            trials=2,
            seed=1,
            progress=lambda stage, fraction, text: reports.append((stage, fraction)),
        )
    assert manifest.digest == Bundle.load(parent / "model").manifest.digest
    assert {stage for stage, _ in reports} == {
        "read",
        "prepare",
        "search",
        "encode",
        "calibrate",
        "fit",
    }
    assert all(0 <= fraction <= 1 for _, fraction in reports)
    assert [path.name for path in parent.iterdir() if path.name.startswith(".")] == []
    return parent / "model"


def read_output(path):
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == OUTPUT
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_train_to_folder_records_git_sha_of_the_image(folder):
    assert Bundle.load(folder).manifest.git_sha == "0123abc"


def test_train_to_folder_is_deterministic(raw, folder, tmp_path):
    again = train_to_folder(
        write_csv(tmp_path / "listings.csv", raw), tmp_path / "model", trials=2, seed=1
    )
    assert again.digest == Bundle.load(folder).manifest.digest


def test_score_csv_keeps_every_row_in_order(raw, folder, tmp_path):
    source = write_csv(tmp_path / "in.csv", raw)
    packed = tmp_path / "in.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    assert score_csv(folder, packed, tmp_path / "out.csv").rows == len(raw)
    rows = read_output(tmp_path / "out.csv")
    bundle = Bundle.load(folder)
    for row, listing in zip(rows[:100], raw[:100], strict=True):
        answer = bundle.predict_one(read_listing({**listing, "price": None})[0])
        assert float(row["price"]) == pytest.approx(answer["price"], abs=0.02, rel=1e-6)
        assert row["missing"] == ";".join(answer["missing"])
        for level in ("80", "90", "95"):
            ends = [float(row[f"lo{level}"]), float(row[f"hi{level}"])]
            assert ends == pytest.approx(answer["intervals"][level], abs=0.02, rel=1e-6)


def test_score_csv_counts_unreadable_values_as_missing(folder, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        "id,state,house_size,bed,price\n"
        "1,Florida,two thousand,3,ignored\n"
        "2,Florida,-5,3,\n"
        "3,Florida,1800\n"
        "4,Florida,1800,3,0\n"
    )
    assert score_csv(folder, path, tmp_path / "out.csv").rows == 4
    rows = read_output(tmp_path / "out.csv")
    assert "house_size" in rows[0]["missing"].split(";")
    assert "house_size" in rows[1]["missing"].split(";")
    other_width = rows.pop(2)
    assert (other_width["price"], other_width["missing"]) == ("", "")
    assert not {"house_size", "bed", "state"} & set(rows[2]["missing"].split(";"))
    assert all(float(row["lo95"]) < float(row["price"]) < float(row["hi95"]) for row in rows)


def test_score_csv_of_an_empty_file_writes_a_header(folder, tmp_path):
    (tmp_path / "in.csv").write_text("state,bed\n")
    assert score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv").rows == 0
    assert read_output(tmp_path / "out.csv") == []


def test_score_csv_of_another_file_keeps_the_old_output(folder, tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(TableError, match=r"in\.csv has none of the columns.* a, b, .*house_size"):
        score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "old"


def test_train_to_folder_refuses_a_folder_with_files(raw, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(TrainingError, match="is not an empty folder"):
        train_to_folder(write_csv(tmp_path / "in.csv", raw), tmp_path)


MIXED = (
    "id,state,house_size,bed,price,note\n"
    "7,tx,two thousand,3,1,=1+1\n"
    "-8,Texas,1800,lots,2,\n"
    '"=HYPERLINK(""x"")",Atlantis,1800,3,3,a\n'
    "+9,Ohio,1800\n"
    "@sum,Ohio,999999,2,4,b\n"
)


def test_score_csv_reports_problems_warnings_and_columns(folder, tmp_path):
    (tmp_path / "in.csv").write_text(MIXED)
    summary = score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv", keys=["id"])
    assert (summary.rows, summary.rows_with_problems) == (5, 3)
    assert summary.problems == {"house_size": 1, "bed": 1, "row": 1}
    assert summary.first_problem == "in line 2: house_size is not a number ('two thousand')"
    assert summary.unused == ("price", "note")
    assert summary.absent == tuple(
        name for name in INPUTS if name not in ("state", "house_size", "bed")
    )
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("id", *OUTPUT)
    assert [row["problems"] for row in rows] == [
        "house_size is not a number",
        "bed is not a number",
        "",
        "row has 3 values where the header has 6",
        "",
    ]
    assert rows[2]["warnings"].startswith("state 'Atlantis' is not in the training data")
    assert "house_size 999,999 is outside the training range" in rows[4]["warnings"]
    assert [row["id"] for row in rows] == ["7", "-8", '\'=HYPERLINK("x")', "+9", "'@sum"]


def test_score_csv_with_strict_writes_nothing_if_a_row_has_problems(folder, tmp_path):
    (tmp_path / "in.csv").write_text(MIXED)
    (tmp_path / "out.csv").write_text("old")
    message = (
        r"3 of 5 rows have problems \(house_size 1, bed 1, row 1\), the first in line 2: .*"
        "nothing was written"
    )
    with pytest.raises(TableError, match=message):
        score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv", strict=True)
    assert (tmp_path / "out.csv").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.csv"}
    (tmp_path / "in.csv").write_text("state,bed\nTX,3\nOhio,\n")
    summary = score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv", strict=True)
    assert (summary.rows, summary.rows_with_problems, summary.first_problem) == (2, 0, "")
    assert len(read_output(tmp_path / "out.csv")) == 2


def test_score_csv_loses_no_row_to_a_quote(folder, tmp_path):
    (tmp_path / "in.csv").write_text('state,city,bed\nTexas,"Houston,3\nOhio,Akron,2\n')
    with pytest.raises(TableError, match=r"in\.csv, line 2: a quote .* is opened and not closed"):
        score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [(["nr"], "has no column nr, which is named as a key"), (["price"], "price cannot be a key")],
)
def test_score_csv_refuses_keys_that_cannot_be_copied(folder, tmp_path, keys, message):
    (tmp_path / "in.csv").write_text("state,price\nTexas,1\n")
    with pytest.raises(TableError, match=message):
        score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv", keys=keys)


def test_states_of_every_form_have_one_price(folder, tmp_path):
    (tmp_path / "in.csv").write_text("state,bed\nFlorida,3\nFL,3\nfl,3\n florida ,3\nFla.,3\n")
    score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv")
    rows = read_output(tmp_path / "out.csv")
    assert rows == [rows[0]] * 5


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "+1"),
        ("-1.5e3", "-1.5e3"),
        ("-1+1", "'-1+1"),
        ("@x", "'@x"),
        ("\t=1", "\t'=1"),
        (" =1", " '=1"),
        ("a;=1", "a;'=1"),
        ("a\n=1", "a\n'=1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("12-B", "12-B"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text, cell):
    assert safe_cell(text) == cell


def test_older_editions_without_broker_and_street_train_and_serve(raw, tmp_path):
    columns = [name for name in COLUMNS if name not in ("brokered_by", "street")]
    edition = write_csv(tmp_path / "old.csv", raw[:500], columns)
    train_to_folder(edition, tmp_path / "model", trials=1)
    summary = score_csv(tmp_path / "model", edition, tmp_path / "old-out.csv")
    assert (summary.rows, summary.absent) == (500, ("brokered_by", "street"))
    # A model of an older edition prices today's listings too, and the broker is no surprise.
    today = write_csv(tmp_path / "today.csv", raw[:500])
    assert score_csv(tmp_path / "model", today, tmp_path / "out.csv").rows == 500
    prices = [
        [row["price"] for row in read_output(tmp_path / f"{n}.csv")] for n in ("out", "old-out")
    ]
    assert prices[0] == prices[1]


def test_parquet_and_csv_give_the_same_prices(raw, folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = write_csv(tmp_path / "in.csv", raw)
    rows = [{**row, "nr": number} for number, row in enumerate(raw)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet", row_group_size=400)
    score_csv(folder, source, tmp_path / "csv-out.csv")
    summary = score_csv(folder, tmp_path / "in.parquet", tmp_path / "out.csv", keys=["nr", "bed"])
    assert (summary.rows, summary.absent) == (len(raw), ())
    assert set(summary.unused) == {"price"}
    with (tmp_path / "out.csv").open(newline="") as file:
        priced = list(csv.DictReader(file))
    assert [row.pop("nr") for row in priced] == list(map(str, range(len(raw))))
    beds = ["" if row["bed"] is None else f"{row['bed']:g}" for row in raw]
    assert [row.pop("bed") for row in priced] == beds
    assert priced == read_output(tmp_path / "csv-out.csv")


def test_parquet_problems_name_the_row(folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"state": ["TX", None, "Ohio"], "bed": [3, 2000, None], "sold": [[1], [2], [3]]}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    with pytest.raises(TableError, match="the column sold has values of the type list"):
        score_csv(folder, tmp_path / "in.parquet", tmp_path / "out.csv")
    del table["sold"]
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    summary = score_csv(folder, tmp_path / "in.parquet", tmp_path / "out.csv")
    assert summary.first_problem.startswith("in row 2: bed is above 1,000")
    (tmp_path / "in.parquet").write_bytes((tmp_path / "in.parquet").read_bytes()[:-20])
    with pytest.raises(TableError, match=r"in\.parquet is a damaged Parquet file"):
        score_csv(folder, tmp_path / "in.parquet", tmp_path / "out.csv")


def test_keys_with_commas_quotes_and_formulas_are_cells(folder, tmp_path):
    keys = ['a,"b"', "=x", "plain", "ü\nline", ""]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "state"), *((key, "TX") for key in keys)])
    score_csv(folder, tmp_path / "in.csv", tmp_path / "out.csv", keys=["id"])
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == list(map(safe_cell, keys))


def test_a_killed_run_is_started_again_and_leaves_nothing_behind(raw, folder, tmp_path):
    source = write_csv(tmp_path / "in.csv", raw)
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    score_csv(folder, source, whole)
    program = (
        "import os, sys, signal\n"
        "from tasador.scoring import price_file\n"
        "def kill(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "price_file.score_csv(*sys.argv[1:], progress=kill)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, folder, source, out], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    (part,) = tmp_path.glob(".out.csv.*.part")
    assert part.stat().st_size > 0
    score_csv(folder, source, out)
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "whole.csv", "out.csv"}
