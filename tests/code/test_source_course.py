"""A CSV split into six batches, compared with independent counts."""

import csv
import gzip
import io
import json
from collections import Counter

import pandas as pd
import pytest

from tasador.errors import TasadorError
from tasador.listings.listing import COLUMNS, canonical_line, read_row
from tasador.source.course import split_csv
from tests.kit.checkout import real_listings

GOOD = {
    "brokered_by": "103378.0",
    "status": "for_sale",
    "price": "105000.0",
    "bed": "3.0",
    "bath": "2.0",
    "acre_lot": "0.12",
    "street": "1962661.0",
    "city": "Adjuntas",
    "state": "Ohio",
    "zip_code": "44120.0",
    "house_size": "1500.0",
    "prev_sold_date": "2021-02-03",
}


def write(path, rows, columns=COLUMNS):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    plain = text.getvalue().encode()
    path.write_bytes(gzip.compress(plain) if path.suffix == ".gz" else plain)
    return path


@pytest.fixture
def batches():
    """A function that splits a file: the decoded rows of its batches, and the SplitCsv."""
    made = []

    def decoded(path, *how):
        done = split_csv(path, *how)
        made.extend(done.batches)
        return [json.loads(b"[" + b"".join(b.chunks()) + b"]") for b in done.batches], done

    yield decoded
    for batch in made:
        batch.close()


@pytest.mark.parametrize(
    ("change", "batch"),
    [
        ({}, 0),
        ({"house_size": "1499.9"}, 1),
        ({"price": "300000.0"}, 0),
        ({"status": "sold"}, 2),
        ({"status": "sold", "house_size": "900.0"}, 2),
        ({"state": "Massachusetts"}, 3),
        ({"state": "Massachusetts", "status": "sold"}, 3),
        ({"price": "300000.01"}, 4),
        ({"price": "500000.0", "state": "Massachusetts"}, 4),
        ({"price": "500000.01"}, 5),
        ({"status": "ready_to_build"}, None),
        ({"price": "much"}, None),
        *(({column: ""}, "incomplete") for column in COLUMNS),
        ({"bath": "NaN"}, "incomplete"),
    ],
)
def test_course_rule(tmp_path, batches, change, batch):
    path = write(tmp_path / "a.csv", [GOOD | change, {**GOOD, "price": "900000.0"}])
    rows, done = batches(path)
    counts = [0, 0, 0, 0, 0, 1]
    if isinstance(batch, int):
        counts[batch] += 1
    assert [len(b) for b in rows] == [b.rows for b in done.batches] == counts
    assert (done.rows, done.incomplete) == (2, int(batch == "incomplete"))
    assert (done.unmatched, done.malformed) == (int(batch is None), 0)


def test_values_are_sent_as_written(tmp_path, batches):
    odd = GOOD | {"zip_code": "02139", "bed": "", "street": "12-B", "city": 'Fort "Q", ñ'}
    path = write(tmp_path / "a.csv.gz", [odd])
    rows, _ = batches(path, "random", "object")
    (row,) = (row for batch in rows for row in batch)
    assert row == odd | {
        "brokered_by": 103378.0,
        "price": 105000.0,
        "bed": None,
        "bath": 2.0,
        "acre_lot": 0.12,
        "house_size": 1500.0,
    }
    rows, _ = batches(path, "random", "list")
    assert [row for batch in rows for row in batch] == [[odd[column] for column in COLUMNS]]


def test_columns_by_name_and_extra_columns(tmp_path, batches):
    columns = [*reversed(COLUMNS), "note"]
    path = write(tmp_path / "a.csv", [GOOD | {"note": "x"}], columns)
    rows, _ = batches(path, "course", "list")
    assert rows[0] == [[GOOD[column] for column in COLUMNS]]


def test_random_order_is_even_complete_and_deterministic(tmp_path, batches):
    many = [GOOD | {"street": str(n), "bath": "" if n % 2 else "9.5"} for n in range(100)]
    path = write(tmp_path / "a.csv", many)
    rows, done = batches(path, "random", "list")
    assert sorted(len(b) for b in rows) == [16, 16, 17, 17, 17, 17]
    assert (done.rows, done.incomplete) == (100, 0)
    dealt = [int(row[6]) for batch in rows for row in batch]
    assert sorted(dealt) == list(range(100))
    assert [r[6] for r in rows[0]] != [str(n) for n in range(0, 100, 6)]
    assert batches(path, "random", "list")[0] == rows


def test_malformed_lines(tmp_path, batches):
    path = write(tmp_path / "a.csv", [GOOD])
    path.write_text(path.read_text() + "1,2,3\n")
    rows, done = batches(path)
    assert sum(map(len, rows)) == 1
    assert (done.rows, done.malformed) == (2, 1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"price,bed\n1,2\n", "no column status, state, house_size"),
        (b"\x1f\x8b\x08garbage", "a.csv"),
        (b"\xff\xfe\x00", "a.csv"),
        ((",".join(COLUMNS) + "\n").encode(), "0 rows"),
        ((",".join(COLUMNS) + "\n" + "," * 11 + "\n").encode(), "1 incomplete"),
    ],
)
def test_unusable_file(tmp_path, content, says):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(TasadorError, match=says) as raised:
        split_csv(path)
    assert str(path) in str(raised.value)


def test_absent_file(tmp_path):
    with pytest.raises(TasadorError, match=r"nothing\.csv"):
        split_csv(tmp_path / "nothing.csv")


def test_real_listings_by_course_rule_equal_pandas(batches):
    path = real_listings()
    rows, done = batches(path)
    frame = pd.read_csv(path)
    whole = frame.dropna(subset=list(COLUMNS))
    low, ma = whole.price <= 300_000, whole.state == "Massachusetts"
    offered, large = whole.status == "for_sale", whole.house_size >= 1500
    expected = [
        low & ~ma & offered & large,
        low & ~ma & offered & ~large,
        low & ~ma & (whole.status == "sold"),
        low & ma,
        (whole.price > 300_000) & (whole.price <= 500_000),
        whole.price > 500_000,
    ]
    assert [len(b) for b in rows] == [int(mask.sum()) for mask in expected]
    assert (done.rows, done.incomplete) == (len(frame), len(frame) - len(whole))
    assert done.rows == done.incomplete + sum(b.rows for b in done.batches)
    for batch, mask in zip(rows, expected, strict=True):
        assert [row["price"] for row in batch] == whole.price[mask].tolist()
        assert [float(row["street"]) for row in batch] == whole.street[mask].tolist()


def test_real_listings_in_random_order_are_unchanged(batches):
    path = real_listings()
    with gzip.open(path, "rt", newline="") as file:
        raw = list(csv.reader(file))[1:]
    lists, _ = batches(path, "random", "list")
    assert max(map(len, lists)) - min(map(len, lists)) <= 1
    assert Counter(tuple(row) for batch in lists for row in batch) == Counter(map(tuple, raw))
    objects, _ = batches(path, "random", "object")
    assert [len(batch) for batch in objects] == [len(batch) for batch in lists]
    for one, other in zip(objects[0], lists[0], strict=True):
        assert canonical_line(*read_row(one)) == canonical_line(*read_row(other))
