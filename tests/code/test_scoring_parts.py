"""A file in parts holds the rows of the file, each at its place."""

import csv
import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.listings.csv_file import TableError
from tasador.scoring import parts
from tasador.scoring.parts import cut, end_of_records

# Cells as files have them: commas, quotes, and line ends within quotes.
CELLS = st.text(alphabet=st.sampled_from('ab,"\n\r '), max_size=6)


def rows_of(content):
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


@pytest.fixture
def small_reads(monkeypatch):
    monkeypatch.setattr(parts, "_READ", 16)


def cut_rows(path, folder, size):
    """The header of each part, its rows, and its offset."""
    folder.mkdir(exist_ok=True)
    found = []
    for part in cut(path, folder, size):
        header, *rows = rows_of(part.path.read_bytes())
        found.append((header, rows, part.offset))
        part.path.unlink()
    return found


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12), st.integers(0, 400))
def test_records_end_where_the_csv_reader_ends_them(rows, length):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    end = end_of_records(content[:length])
    whole = rows_of(content)
    before = rows_of(content[:end])
    assert before == whole[: len(before)]
    assert before + rows_of(content[end:]) == whole
    if length >= len(content):
        assert end == len(content)


@pytest.mark.parametrize("size", [1, 40, 10_000])
def test_parts_of_a_csv_hold_its_rows_in_order(tmp_path, small_reads, size):
    rows = [["1", "a,b", ""], ["2", 'say ""', "x"], ["3", "5' 11\"", "y"], *([["4", "z", "w"]] * 9)]
    path = tmp_path / "in.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows([["id", "state", "bed"], *rows])
    found = cut_rows(path, tmp_path / "parts", size)
    assert [row for _, part, _ in found for row in part] == rows
    assert {tuple(header) for header, _, _ in found} == {("id", "state", "bed")}
    # A line of a part plus its offset is the line of the file.
    lines = [2 + number + offset for _, part, offset in found for number in range(len(part))]
    assert lines == list(range(2, 2 + len(rows)))
    assert (len(found) > 1) == (size < 100)


@pytest.mark.parametrize("packed", ["gz", "zip"])
def test_packed_csv_is_cut(tmp_path, packed):
    content = b"state,bed\n" + b"".join(b"Ohio,%d\n" % n for n in range(50))
    path = tmp_path / f"in.csv.{packed}"
    if packed == "gz":
        path.write_bytes(gzip.compress(content))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("in.csv", content)
    found = cut_rows(path, tmp_path / "parts", 1_000_000)
    assert [len(rows) for _, rows, _ in found] == [50]


@pytest.mark.parametrize("content", [b"state,bed\n", b"state,bed"])
def test_csv_without_rows_is_one_part(tmp_path, content):
    (tmp_path / "in.csv").write_bytes(content)
    assert cut_rows(tmp_path / "in.csv", tmp_path / "parts", 10) == [(["state", "bed"], [], 0)]


def test_parts_of_a_parquet_file(tmp_path):
    table = pa.table({"bed": list(range(100)), "state": ["Ohio"] * 100})
    pq.write_table(table, tmp_path / "in.parquet")
    (tmp_path / "parts").mkdir()
    found = list(cut(tmp_path / "in.parquet", tmp_path / "parts", 150 * 40))
    assert [part.offset for part in found] == [0, 40, 80]
    assert pa.concat_tables(pq.read_table(part.path) for part in found) == table
    pq.write_table(table.slice(0, 0), tmp_path / "empty.parquet")
    (part,) = cut(tmp_path / "empty.parquet", tmp_path / "parts", 1)
    assert pq.read_table(part.path).num_rows == 0


def test_quote_that_is_not_closed_is_searched_a_few_times(tmp_path, monkeypatch):
    searched = []

    def search(content):
        searched.append(len(content))
        return end_of_records(content)

    monkeypatch.setattr(parts, "LONGEST_CELL", 500_000)
    monkeypatch.setattr(parts, "end_of_records", search)
    (tmp_path / "in.csv").write_bytes(b'state,bed\nOhio,1\nOhio,"' + b'a""b,' * 1_000_000)
    with pytest.raises(TableError, match=r"row after line .* has no end: is a quote not closed"):
        cut_rows(tmp_path / "in.csv", tmp_path / "parts", 1_000)
    assert sum(searched) < 4 * max(searched)


def test_file_that_is_no_table_is_refused(tmp_path):
    with pytest.raises(TableError, match="cannot be read: No such file"):
        next(cut(tmp_path / "none.csv", tmp_path, 1))
    (tmp_path / "page.csv").write_text("<html></html>")
    with pytest.raises(TableError, match="is an HTML page"):
        next(cut(tmp_path / "page.csv", tmp_path, 1))
