"""Training and scoring from files, without any service."""

import csv
import gzip

import pytest

from tasador.errors import TrainingError
from tasador.listings.csv_file import TableError
from tasador.listings.listing import COLUMNS, read_listing
from tasador.model.bundle import Bundle
from tasador.source.simulator import generate
from tasador.training.from_csv import train_to_folder
from tasador.training.scoring import OUTPUT, score_csv


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
    assert "state" in rows[2]["missing"].split(";"), "a row of another width is all missing"
    assert not {"house_size", "bed", "state"} & set(rows[3]["missing"].split(";"))
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
