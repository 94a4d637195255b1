"""CSV files and frames of listings, and the errors of files that cannot be read."""

import gzip

import numpy as np
import pandas as pd
import pytest

from tasador.listings.arrays import arrays_of
from tasador.listings.csv_file import TableError
from tasador.listings.listing import COLUMNS, canonical_line, in_holdout, property_key, read_row
from tasador.listings.table import columns_of, frame_of, read_again, read_csv
from tasador.source.simulator import generate

HEADER = ",".join(COLUMNS)
GOOD = "352.0,for_sale,162200.0,3.0,2.0,0.24,1381334.0,Roanoke,Virginia,24019.0,,2015-02-01"


def csv_of(tmp_path, *lines, name="in.csv"):
    path = tmp_path / name
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def test_read_csv_equals_read_row(tmp_path):
    raw = generate(2, "steady", 0, 400)
    lines = [",".join("" if row[c] is None else str(row[c]) for c in COLUMNS) for row in raw]
    frame, rejected = read_csv(csv_of(tmp_path, *lines))
    good = [listing for listing, problems in map(read_row, raw) if not problems]
    pd.testing.assert_frame_equal(frame, frame_of(good))
    refused = [n + 2 for n, row in enumerate(raw) if read_row(row)[1]]
    assert [row.line for row in rejected] == refused
    assert len(refused) > 0


def test_states_by_their_codes_are_the_same_batch():
    """A batch whose states are codes has no new states; its prices, digest and drift are equal."""
    raw = generate(2, "steady", 0, 300)
    codes = {"Florida": "FL", "Texas": "tx", "California": " Calif. ", "New York": "N.Y."}
    coded = [{**row, "state": codes.get(row["state"], row["state"])} for row in raw]
    assert sum(one != other for one, other in zip(raw, coded, strict=True)) > 50
    for one, other in zip(raw, coded, strict=True):
        assert canonical_line(*read_row(one)) == canonical_line(*read_row(other))


def test_frame_has_property_key_and_holdout(tmp_path):
    frame, _ = read_csv(csv_of(tmp_path, GOOD))
    listing, _ = read_row(dict(zip(COLUMNS, GOOD.split(","), strict=True)))
    assert frame["property_key"][0] == property_key(listing) == "1381334|roanoke|24019"
    assert bool(frame["holdout"][0]) is in_holdout(property_key(listing))
    assert frame["zip_code"][0] == "24019"


def test_read_csv_with_extra_columns_other_order_blank_lines_and_bom(tmp_path):
    path = tmp_path / "in.csv"
    order = ["id", *reversed(COLUMNS)]
    values = ["7", *reversed(GOOD.split(","))]
    path.write_bytes(b"\xef\xbb\xbf" + f"{','.join(order)}\r\n\r\n{','.join(values)}\r\n".encode())
    frame, rejected = read_csv(path)
    assert (len(frame), rejected) == (1, [])
    assert frame["city"][0] == "Roanoke"


def test_columns_of_normalises_missing_values(tmp_path):
    frame, _ = read_csv(
        csv_of(tmp_path, GOOD, GOOD.replace("Roanoke", "").replace("2015-02-01", ""))
    )
    frame.to_parquet(tmp_path / "clean.parquet")
    for table in (frame, pd.read_parquet(tmp_path / "clean.parquet"), frame.astype(object)):
        columns = columns_of(table)
        assert columns["city"].tolist() == ["Roanoke", None]
        assert columns["prev_sold_date"].tolist() == ["2015-02-01", None]
        assert columns["bed"].dtype == np.float64
        assert np.isnan(columns["house_size"]).all()


def test_rows_with_the_same_text_share_it(tmp_path):
    frame, _ = read_csv(csv_of(tmp_path, GOOD, GOOD.replace("162200", "99000")))
    for table in (frame, frame.astype(object)):
        city, state = columns_of(table)["city"], columns_of(table)["state"]
        assert city[0] is city[1]
        assert state[0] is state[1]


def test_columns_of_frame_without_some_columns(tmp_path):
    frame, _ = read_csv(csv_of(tmp_path, GOOD))
    columns = columns_of(frame[["price", "state"]])
    assert set(columns) == set(COLUMNS)
    assert columns["city"].tolist() == [None]
    assert np.isnan(columns["bed"]).all()


def test_rows_of_older_versions_are_read_by_the_rules(tmp_path):
    frame, _ = read_csv(csv_of(tmp_path, *[GOOD] * 4))
    unchanged = frame.copy()
    pd.testing.assert_frame_equal(read_again(frame), unchanged)
    frame["state"] = ["TX", "texas", None, "Ohio"]
    frame["zip_code"] = ["７７０８４", "24019", "1٢", None]
    frame["city"] = ["#N/A", "Roanoke", "New\xa0Haven", "x"]
    for table in (frame, pd.read_parquet(stored(frame, tmp_path / "old.parquet"))):
        columns = columns_of(read_again(table))
        assert columns["state"].tolist() == ["Texas", "Texas", None, "Ohio"]
        assert columns["zip_code"].tolist() == [None, "24019", None, None]
        assert columns["city"].tolist() == [None, "Roanoke", "New Haven", "x"]
        assert columns["street"].tolist() == unchanged["street"].tolist()


def stored(frame, path):
    frame.to_parquet(path)
    return path


def test_arrays_of_equals_columns_of_frame(tmp_path):
    listings = [x for x, problems in map(read_row, generate(4, "steady", 0, 200)) if not problems]
    by_frame, plain = columns_of(frame_of(listings)), arrays_of(listings)
    for name in COLUMNS:
        assert by_frame[name].dtype == plain[name].dtype
        np.testing.assert_array_equal(by_frame[name], plain[name])


def test_rows_of_another_width_are_rejected(tmp_path):
    _, rejected = read_csv(csv_of(tmp_path, GOOD, GOOD + ",x", "a,b"))
    assert [(row.line, row.problems[0].reason) for row in rejected] == [
        (3, "has 13 values where the header has 12"),
        (4, "has 2 values where the header has 12"),
    ]


def test_unreadable_files_raise_table_error(tmp_path):
    def refuses(path, message):
        with pytest.raises(TableError, match=message) as caught:
            read_csv(path)
        assert str(path) in str(caught.value)

    refuses(tmp_path / "none.csv", "cannot be read: No such file")
    refuses(tmp_path, "cannot be read: Is a directory")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    refuses(empty, "is empty")
    other = tmp_path / "other.csv"
    other.write_text("Price,state\n1,Ohio\n")
    refuses(other, "has the column Price: it is read if it is named price")
    twice = tmp_path / "twice.csv"
    twice.write_text(f"{HEADER},price\n")
    refuses(twice, "has the column price more than once")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(HEADER.encode() + b"\n\xff\xfe\x00\n")
    refuses(binary, "is not UTF-8 text: byte 0xff in line 2")
    whole = gzip.compress((HEADER + "\n" + f"{GOOD}\n" * 500).encode())
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(whole[: len(whole) // 2])
    refuses(broken, "damaged .gz")
    flipped = tmp_path / "flipped.csv.gz"
    flipped.write_bytes(whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:])
    refuses(flipped, r"flipped\.csv\.gz")
