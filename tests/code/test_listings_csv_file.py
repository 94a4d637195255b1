"""CSV files are read strictly: no row is lost, and an error names the file and the line."""

import csv
import gzip
import io
import re
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasador.listings import lines_ahead
from tasador.listings.csv_file import CsvRow, TableError, open_csv, open_csv_by_column
from tasador.listings.listing import COLUMNS
from tasador.listings.table import read_csv
from tasador.source.course import split_csv

HEADER = ",".join(COLUMNS)
GOOD = "352.0,for_sale,162200.0,3.0,2.0,0.24,1381334.0,Roanoke,Virginia,24019.0,900,2015-02-01"
OPENED = GOOD.replace("Roanoke", '"Roanoke')
CLOSED = GOOD.replace("Roanoke", 'Roanoke"')


def write(folder, *lines, header=HEADER, name="in.csv"):
    path = folder / name
    path.write_bytes("\n".join((header, *lines, "")).encode())
    return path


def values(path):
    return [row.values for row in open_csv(path)[1]]


def refuses(path, message):
    with pytest.raises(TableError, match=message) as caught:
        values(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((GOOD, OPENED, GOOD), r'line 3: a quote \("\) is opened and not closed before the end'),
        ((OPENED,), r'line 2: a quote \("\) is opened and not closed before the end'),
        ((GOOD, OPENED, GOOD, CLOSED), "line 3: .*column city is not closed on its line"),
        ((OPENED, *[GOOD] * 2_000), "line 2: a value is longer than 131,072 characters"),
        ((GOOD, GOOD.replace("Roanoke", '"Roa"noke')), "line 3: a comma must follow a closing"),
        # Two rows become one that has as many values as the header.
        (('1,for_sale,1,1,1,1,"7', '8",A,B,1,1,'), "line 2: .*column street is not closed"),
        ((GOOD.replace("Roanoke", '"Roa\rnoke"'),), "line 2: .*column city is not closed"),
    ],
)
def test_a_quote_that_is_not_closed_on_its_line_is_refused(tmp_path, lines, message):
    path = write(tmp_path, *lines)
    refuses(path, message)
    with pytest.raises(TableError, match=message):
        read_csv(path)
    with pytest.raises(TableError, match=message):
        split_csv(path, "random")


def test_values_of_other_columns_may_have_line_breaks(tmp_path):
    path = write(tmp_path, 'TX,"two\nlines",3', "OH,one,4", header="state,note,bed")
    assert values(path) == [["TX", "two\nlines", "3"], ["OH", "one", "4"]]
    assert [row.line for row in open_csv(path)[1]] == [2, 4]


@pytest.mark.parametrize("place", range(len(COLUMNS) + 1))
@pytest.mark.parametrize("lost", [1, 3])
def test_a_note_that_swallows_rows_is_refused(tmp_path, place, lost):
    """A quote is opened in one row's note, and the next one closes it in another row's."""

    def row(note):
        return ",".join([*GOOD.split(",")[:place], note, *GOOD.split(",")[place:]])

    names = [*COLUMNS[:place], "note", *COLUMNS[place:]]
    lines = [row("plain"), row('"opened'), *[row("lost")] * (lost - 1), row('closed"'), row("x")]
    refuses(write(tmp_path, *lines, header=",".join(names)), "line 3: .*column note is not closed")
    told = '"3 bed, 2 bath\nfor sale, 162200.0, sold 2015-02-01, call\n\n24019"'
    path = write(tmp_path, row(told), row("x"), header=",".join(names))
    assert len(values(path)) == 2


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(st.text('ab",; é', max_size=4), min_size=3, max_size=3), max_size=5),
    st.integers(0, 80),
    st.booleans(),
)
def test_a_damaged_csv_is_refused_or_loses_no_row(tmp_path_factory, rows, place, has_quote):
    """A quote that is put in or taken out anywhere: as many rows as lines, or an error."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(rows)
    body = text.getvalue()
    place = min(place, max(len(body) - 1, 0))
    damaged = body[:place] + ('"' if has_quote else "") + body[place + (not has_quote) :]
    path = tmp_path_factory.mktemp("csv") / "in.csv"
    path.write_bytes(b"city,state,street\n" + damaged.encode())
    lines = [line for line in damaged.split("\n") if line]
    try:
        found = f"{len(values(path))} rows"
    except TableError as error:
        found = str(error)
    assert found == f"{len(lines)} rows" or "line " in found


def test_what_macos_adds_to_a_zip_is_no_table(tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("__MACOSX/a/._in.csv", "a/._in.csv", "a/.in.csv", "a/.DS_Store"):
            archive.writestr(name, b"\0\5\x16\7")
        archive.writestr("a/in.csv", TABLE)
    assert values(path) == [GOOD.split(",")]


def a_zip(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return path


TABLE = f"{HEADER}\n{GOOD}\n".encode()


def quoted(delimiter):
    """The table with each cell in quotes, as databases and R export it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(csv.reader(TABLE.decode().splitlines()))
    return text.getvalue().encode()


@pytest.mark.parametrize("form", ["plain", "bom", "gz", "zip", "zip in a folder", "no line end"])
def test_forms_that_are_read(tmp_path, form):
    path = tmp_path / "listings"
    if form.startswith("zip"):
        name = "realtor-data_csv" if form == "zip" else "usa__realtor-data_CSV"
        a_zip(path, **{name: TABLE, "readme_md": b"x"})
    else:
        forms = {"bom": b"\xef\xbb\xbf" + TABLE, "gz": gzip.compress(TABLE)}
        path.write_bytes(forms.get(form, TABLE.rstrip(b"\n") if "end" in form else TABLE))
    assert values(path) == [GOOD.split(",")]
    frame, rejected = read_csv(path)
    assert (len(frame), rejected) == (1, [])
    batches = split_csv(path, "random").batches
    assert sum(batch.rows for batch in batches) == 1
    for batch in batches:
        batch.close()


def test_line_ends_of_windows_and_of_old_macs(tmp_path):
    for end in ("\r\n", "\r"):
        path = tmp_path / "in.csv"
        path.write_bytes(end.join((HEADER, GOOD, GOOD, "")).encode())
        assert values(path) == [GOOD.split(",")] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER.encode("utf-16") + b"\n", r"is UTF-16 text: save it as CSV \(UTF-8\)"),
        (HEADER.encode("utf-16-le"), "is binary, or UTF-16 text without a byte order mark"),
        (HEADER.encode("utf-32"), "is UTF-32 text"),
        (f"{HEADER}\nCañon".encode("latin-1"), "is not UTF-8 text: byte 0xf1 in line 2"),
        (TABLE.replace(b",", b";"), "separates its columns by semicolons: save it with commas"),
        (TABLE.replace(b",", b"\t"), "separates its columns by tabs"),
        (quoted(";"), "separates its columns by semicolons"),
        (b"\xef\xbb\xbf" + quoted("\t"), "separates its columns by tabs"),
        (quoted("|"), "separates its columns by bars"),
        (TABLE.replace(b"brokered_by", b"price"), "has the column price more than once"),
        (b"PAR1\x15\x04", "is a Parquet file: convert it to CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Excel workbook"),
        (b"BZh91AY&SY", "is compressed with bzip2: unpack it first"),
        (gzip.compress(b"PAR1\x15\x04", mtime=0), "is a Parquet file"),
        (gzip.compress(gzip.compress(TABLE, mtime=0), mtime=0), "is packed twice"),
        (b"<!DOCTYPE html><html>", "is an HTML page, not a CSV, perhaps a download that needs a"),
        (b'[{"price": 1}]', "is JSON, not a CSV"),
        (b"PK\x03\x04", "is a damaged .gz or .zip file"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "line 1 is empty: it must be the header"),
        (b"\n\n" + TABLE, "line 1 is empty: it must be the header"),
        (b" , ,\n" + TABLE, "line 1 is empty"),
        (b"sep=,\n" + TABLE, "line 1 is 'sep=', which only Excel reads: delete the line"),
        (b"sep=;\n" + TABLE, "line 1 is 'sep=;'"),
        (b"sep=;\r\n" + TABLE, "line 1 is 'sep=;'"),
        (b"SEP=,\n" + TABLE, "line 1 is 'SEP='"),
        (
            b"Price,House Size\n1,2\n",
            "columns Price, House Size: they are read if they are named p",
        ),
        (
            TABLE.replace(b"zip_code", b"ZIP code"),
            "column ZIP code: it is read if it is named zip_",
        ),
        (TABLE.replace(b"price", b"Price"), "column Price: it is read if it is named price"),
        (GOOD.encode() + b"\n", "has no column price; its columns are 352.0"),
    ],
)
def test_other_files_are_named_as_what_they_are(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(TableError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


def test_archives_without_exactly_one_csv(tmp_path):
    path = tmp_path / "archive.zip"
    refuses(a_zip(path, a_csv=TABLE, b_csv=TABLE), "a .zip with 2 CSV files where one is expected")
    refuses(a_zip(path, a_txt=TABLE), "a .zip with 0 CSV files .* it contains a.txt")
    refuses(a_zip(path), "a .zip with 0 CSV files .* it contains nothing")
    workbook = {"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in workbook.items():
            archive.writestr(name, content)
    refuses(path, r"is a workbook \(.xlsx or .ods\) or document: save it as CSV")
    a_zip(path, a_csv=TABLE * 200)
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    refuses(path, "is a damaged .gz or .zip file")
    a_zip(path, a_csv=b"PAR1")
    with pytest.raises(TableError, match=r"a\.csv is a Parquet file"):
        values(path)


def test_editions_without_some_columns_are_read_and_split(tmp_path):
    """Kaggle's first editions have no brokered_by and no street."""
    names = [name for name in COLUMNS if name not in ("brokered_by", "street")]
    good = dict(zip(COLUMNS, GOOD.split(","), strict=True))
    path = write(
        tmp_path,
        ",".join(good[name] for name in names),
        ",".join("" if name == "city" else good[name] for name in names),
        header=",".join(names),
    )
    frame, rejected = read_csv(path)
    assert (len(frame), rejected) == (2, [])
    assert frame["street"].isna().all()
    assert frame["property_key"].tolist() == ["|roanoke|24019", "||24019"]
    split = split_csv(path)
    assert ([batch.rows for batch in split.batches], split.incomplete) == ([0, 1, 0, 0, 0, 0], 1)
    for batch in split.batches:
        batch.close()


def test_training_needs_a_price_and_an_input(tmp_path):
    with pytest.raises(TableError, match="has no column price"):
        read_csv(write(tmp_path, "TX", header="state"))
    with pytest.raises(TableError, match="has none of the columns of a listing"):
        read_csv(write(tmp_path, "5", header="price"))


def by_column(path):
    """The rows of ``open_csv_by_column`` as ``open_csv`` gives them, and how many were plain."""
    header, read = open_csv_by_column(path)
    found, plain = [], 0
    for row in read:
        if isinstance(row, CsvRow):
            found.append(row)
            continue
        cells = [[cell or "" for cell in cells] for cells in zip(*row.columns, strict=True)]
        plain += len(cells)
        found += [CsvRow(row.line + number, values) for number, values in enumerate(cells)]
    return header, found, plain


def one_by_one(path):
    header, read = open_csv(path)
    return header, list(read)


CELLS = st.sampled_from(["", "3", " x ", '"a,b"', '"a ""b"""', "ä", "33156.0", '"two\nlines"'])
ROWS_OF_CELLS = st.lists(
    st.one_of(
        st.lists(CELLS, min_size=3, max_size=3),
        st.lists(CELLS, max_size=5),
        st.just(["Texas", "2", "3"]),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150, derandomize=True, database=None)
@given(ROWS_OF_CELLS, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.data())
def test_rows_by_column_are_those_read_one_by_one(tmp_path_factory, rows, end, ended, data):
    path = tmp_path_factory.mktemp("csv") / "in.csv"
    lines = ["state,note,bed", *(",".join(row) for row in rows)]
    path.write_bytes((end.join(lines) + (end if ended else "")).encode())
    smallest = data.draw(st.sampled_from([16, 64, 16 << 10]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_ahead, "_SMALLEST", smallest)
        patch.setattr(lines_ahead, "_LARGEST", 8 * smallest)
        patch.setattr(lines_ahead, "_ALONE", 2)
        try:
            expected = one_by_one(path)
        except TableError as error:
            with pytest.raises(TableError, match=re.escape(str(error))):
                by_column(path)
            return
        assert by_column(path)[:2] == expected


def test_most_rows_are_read_by_column_around_a_quote(tmp_path):
    rows = [f"Texas,{number},3" for number in range(30_000)]
    rows[20_000] = '"Te""xas",20000,3'
    (tmp_path / "in.csv").write_text("\n".join(["state,note,bed", *rows]))
    header, found, plain = by_column(tmp_path / "in.csv")
    assert (header, found) == one_by_one(tmp_path / "in.csv")
    assert 29_000 < plain < 30_000


def test_a_line_longer_than_is_read_ahead_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(lines_ahead, "_SMALLEST", 32)
    monkeypatch.setattr(lines_ahead, "_LARGEST", 64)
    (tmp_path / "in.csv").write_text(f"state,note\nTexas,{'x' * 1_000}\nOhio,1\n")
    assert by_column(tmp_path / "in.csv")[:2] == one_by_one(tmp_path / "in.csv")


def test_errors_after_plain_rows_name_the_line(tmp_path):
    rows = ["Texas,3"] * 50_000
    (tmp_path / "in.csv").write_bytes("\n".join(["state,bed", *rows, "\xff,1"]).encode("latin-1"))
    message = "byte 0xff in line 50002"
    for read in (by_column, one_by_one):
        with pytest.raises(TableError, match=message):
            read(tmp_path / "in.csv")
