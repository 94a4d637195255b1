"""One set of rules: every reader gives the same reading of the same values.

TASADOR_FUZZ_CASES is the number of rows that each reader gets; the same ones every time unless
TASADOR_FUZZ_RANDOM is set, as `./taskw test:fuzz` does.
"""

import io
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasador.ingestion import loading
from tasador.ingestion.batch_file import write_parquet
from tasador.listings.arrays import arrays_of
from tasador.listings.listing import INPUTS, canonical_line, read_listing, read_row
from tasador.listings.rules import BLANK, MISSING_TEXTS, RULES, STATUSES
from tasador.listings.states import STATE_NAMES
from tasador.listings.table import columns_of
from tasador.model.categories import keys_of, zips_of
from tasador.model.own_features import sale_year_of_one, sale_years
from tests.kit.readers import CSV_READERS, JSON_READERS, differences, one_by_one, write_csv

ROWS = int(os.environ.get("TASADOR_FUZZ_CASES", "300"))
PER_TABLE = 12
SETTINGS = settings(
    deadline=None,
    database=None,
    max_examples=max(ROWS // PER_TABLE, 1),
    derandomize="TASADOR_FUZZ_RANDOM" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

GOOD = {
    "number": ["3", "2.5", "1e3", "+4", ".5", "5.", "-0", "0"],
    "name": ["Miami", "St.  Louis", "Cañon City", "Canon\u0303 City", "New\xa0Haven"],
    "state": ["TX", "tx", "Texas", "texas", "N.Y.", "US-PR", "D.C.", "Ontario", *STATE_NAMES[:9]],
    "code": ["33156", "33156.0", "007", "12-B", "9" * 20, "-5", "+5.0"],
    "zip code": ["77084", "2139", "2139.0", "77084-1234", "0"],
    "status": [*STATUSES, "SOLD", "For Sale", "ready-to-build"],
    "date": ["2022-02-23", "2022-02-23T10:00:00Z", "2022-02-23 23:59:59.5+02:00", "0001-01-01"],
}
ODD = [
    *("７７０８４", "1٢", "1_000", "1,000", "$5", "#N/A", "#REF!", "1e999", "-1e999", "inf"),
    *("2022-02-231", "2022-02-30", "20220223", "2022-W08-3", "2022-02-23T25:00", "٢٠٢٢-٠٢-٢٣"),
    *("0x10", "1e5", "3.5", "1d5", "½", "²", "a\x00b", "a\u200bb", "a\x1bb", "x" * 200, "x" * 201),
    *("9" * 400, "true", "=1+1", 'a "b" c', "a,b", "a;b", "é" * 100, "\U0001f3e0", "\u0301", "-"),
]  # fmt: skip
NUMBERS = [
    *(True, False, 1, 1.0, -1, -0.0, 601, 33156.0, 33156.5, 1e-7, 1e16, 1e22, 2**53, 2**53 + 1),
    *(10**20, 10**400, -(10**400), float("inf"), float("-inf"), float("nan"), 1e300, 20220223),
]


NOTHING = st.nothing()


@st.composite
def texts(draw, kind):
    """A text for a column of this kind, good or odd, with blanks around it and in either case."""
    text = draw(
        st.sampled_from(GOOD[kind])
        | st.sampled_from(ODD)
        | st.sampled_from(sorted(MISSING_TEXTS))
        | st.text(max_size=6)
    )
    if not draw(st.integers(0, 3)):
        text = draw(st.text(BLANK, max_size=2)) + text + draw(st.text(BLANK, max_size=2))
    return draw(st.sampled_from([str, str, str, str.upper, str.lower]))(text)


def tables(other=NOTHING):
    """Rows of raw values: None, texts, and ``other`` values."""
    values = {
        rule.column: st.none() | texts(rule.kind) | texts(rule.kind) | other
        for rule in RULES
        if rule.column != "price"
    }
    row = st.fixed_dictionaries({}, optional=values)
    return st.lists(row, min_size=PER_TABLE, max_size=PER_TABLE)


ANY = (
    st.sampled_from(NUMBERS)
    | st.integers(-10, 10**19)
    | st.floats()
    | st.lists(st.none(), max_size=1)
    | st.just({})
    | st.sampled_from(["\ud800", "a\udfff"])
)


@SETTINGS
@given(tables(ANY))
def test_readers_of_json_agree(rows):
    expected = one_by_one(rows)
    for name, reader in JSON_READERS.items():
        assert differences(expected, reader(rows)) == [], name
    for row in rows:
        check_read(*read_row({**row, "price": 1.0}))


@SETTINGS
@given(tables())
def test_readers_of_csv_agree(rows):
    # A line break in a cell is refused with the file; see test_listings_csv_file.py.
    texts_ = [
        {name: "".join(text.splitlines()) if text else None for name, text in row.items()}
        for row in rows
    ]
    expected = one_by_one(texts_)
    with TemporaryDirectory() as folder:
        path = write_csv(texts_, Path(folder) / "rows.csv")
        for name, reader in CSV_READERS.items():
            assert differences(expected, reader(path, len(rows))) == [], name


def check_read(listing, problems):
    """Whatever was read can be stored, and what uses it does not fail."""
    for value in listing.values():
        assert value is None or isinstance(value, float) or value.isprintable()
    canonical_line(listing, problems)
    if listing.prev_sold_date is not None:
        assert sale_year_of_one(listing.prev_sold_date) > 0


@SETTINGS
@given(tables())
def test_parquet_holds_what_was_read(rows):
    texts_ = [{"price": "1", **row} for row in rows]
    read = [read_row(row) for row in texts_]
    expected = arrays_of([listing for listing, problems in read if not problems])
    keys_of(expected), zips_of(expected), sale_years(expected)
    with TemporaryDirectory() as folder:
        columns, out = Path(folder) / "columns.arrow", Path(folder) / "clean.parquet"
        body = json.dumps({"batch_number": 0, "data": texts_}).encode()
        loading.read_payload(io.BytesIO(body), columns, lambda *_: None, print)
        write_parquet(columns, out, "b")
        import pandas as pd

        found = columns_of(pd.read_parquet(out))
    for name in INPUTS:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.column)
def test_reading_again_changes_nothing(rule):
    """The rules are stable: a value as read is read as itself."""
    for text in (*GOOD[rule.kind], *STATE_NAMES):
        value = getattr(read_listing({rule.column: text})[0], rule.column)
        again, problems = read_listing({rule.column: value})
        assert (getattr(again, rule.column), problems) == (value, [])
