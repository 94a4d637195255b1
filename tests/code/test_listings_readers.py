"""One set of rules: every reader gives the same reading of the same values.

Hypothesis draws few rows, which it shrinks if a reader differs. Python's random numbers make many:
TASADOR_FUZZ_CASES is how many each reader gets. They are the same ones every time unless
TASADOR_FUZZ_RANDOM is set, as `./taskw test:fuzz` does.
"""

import io
import json
import os
import random
import time
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

ROWS = int(os.environ.get("TASADOR_FUZZ_CASES", "400"))
SEED = int(time.time()) if "TASADOR_FUZZ_RANDOM" in os.environ else 0
PER_TABLE = 12
PER_LARGE_TABLE = 200
SETTINGS = settings(
    deadline=None,
    database=None,
    max_examples=20,
    derandomize="TASADOR_FUZZ_RANDOM" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

GOOD = {
    "number": ["3", "2.5", "1e3", "+4", ".5", "5.", "-0", "0"],
    "name": ["Miami", "St.  Louis", "Cañon City", "Canon\u0303 City", "New\xa0Haven"],
    "state": ["TX", "tx", "Texas", "texas", "N.Y.", "US-PR", "D.C.", "Ontario", "new-york",
              "Texas (TX)", "Hawai\u02bbi", *STATE_NAMES[:9]],
    "code": ["33156", "33156.0", "007", "12-B", "9" * 20, "-5", "+5.0"],
    "zip code": ["77084", "2139", "2139.0", "77084-1234", "0"],
    "status": [*STATUSES, "SOLD", "For Sale", "ready-to-build"],
    "date": ["2022-02-23", "2022-02-23T10:00:00Z", "2022-02-23 23:59:59.5+02:00", "0001-01-01",
             "2022-02-23 10:00:00+00", "2022-02-23 10:00:00 UTC"],
}  # fmt: skip
ODD = [
    *("７７０８４", "1٢", "1_000", "1,000", "$5", "#N/A", "#REF!", "1e999", "-1e999", "inf"),
    *("2022-02-231", "2022-02-30", "20220223", "2022-W08-3", "2022-02-23T25:00", "٢٠٢٢-٠٢-٢٣"),
    *("0x10", "1e5", "3.5", "1d5", "½", "²", "a\x00b", "a\u200bb", "a\x1bb", "x" * 200, "x" * 201),
    *("9" * 400, "true", "=1+1", 'a "b" c', "a,b", "a;b", "é" * 100, "\U0001f3e0", "\u0301", "-"),
]  # fmt: skip
MISSING = sorted(MISSING_TEXTS)
BLANKS = sorted(BLANK)
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
        | st.sampled_from(MISSING)
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


def random_text(rng, kind):
    """As ``texts``; the random ones have characters of any plane, but no surrogates."""
    pool = rng.choice((GOOD[kind], GOOD[kind], ODD, MISSING, None))
    if pool is None:
        planes = rng.choices((0x80, 0x800, 0xD800, 0x110000), (4, 2, 1, 1), k=rng.randrange(7))
        text = "".join(chr(rng.randrange(plane)) for plane in planes).encode(errors="ignore")
        text = text.decode()
    else:
        text = rng.choice(pool)
    if rng.random() < 0.25:
        before, after = (rng.choices(BLANKS, k=rng.randrange(3)) for _ in range(2))
        text = "".join((*before, text, *after))
    return rng.choice((str, str, str, str.upper, str.lower))(text)


def random_value(rng, kind, *, only_texts):
    share = rng.random()
    if share < 0.1:
        return None
    if only_texts or share < 0.7:
        return random_text(rng, kind)
    if share < 0.8:
        return rng.choice(NUMBERS)
    other = (rng.randrange(-10, 10**19), rng.gauss(0, 1e3), [], [None], {}, "\ud800", "a\udfff")
    return rng.choice(other)


def random_tables(*, only_texts):
    """Tables of rows as in ``tables``, ROWS in all, each with its seed."""
    for seed in range(SEED, SEED + max(ROWS // PER_LARGE_TABLE, 1)):
        rng = random.Random(seed)
        yield (
            seed,
            [
                {
                    rule.column: random_value(rng, rule.kind, only_texts=only_texts)
                    for rule in RULES
                    if rule.column != "price" and rng.random() < 0.9
                }
                for _ in range(PER_LARGE_TABLE)
            ],
        )


def test_readers_of_json_agree_on_many_rows():
    for seed, rows in random_tables(only_texts=False):
        check_json(rows, seed)


def test_readers_of_csv_and_parquet_agree_on_many_rows():
    for seed, rows in random_tables(only_texts=True):
        check_csv(rows, seed)
        check_parquet([without_refused(row) for row in rows], seed)


def without_refused(row):
    """The values of a row that are not refused; else few random rows would be clean."""
    refused = {problem.field for problem in read_listing(row)[1]}
    return {name: value for name, value in row.items() if name not in refused}


@SETTINGS
@given(tables(ANY))
def test_readers_of_json_agree(rows):
    check_json(rows)


def check_json(rows, seed=None):
    expected = one_by_one(rows)
    for name, reader in JSON_READERS.items():
        assert differences(expected, reader(rows)) == [], (name, seed)
    for row in rows:
        check_read(*read_row({**row, "price": 1.0}))


@SETTINGS
@given(tables())
def test_readers_of_csv_agree(rows):
    check_csv(rows)


def check_csv(rows, seed=None):
    # A line break in a cell is refused with the file; see test_listings_csv_file.py.
    texts_ = [
        {name: "".join(text.splitlines()) if text else None for name, text in row.items()}
        for row in rows
    ]
    expected = one_by_one(texts_)
    with TemporaryDirectory() as folder:
        path = write_csv(texts_, Path(folder) / "rows.csv")
        for name, reader in CSV_READERS.items():
            assert differences(expected, reader(path, len(rows))) == [], (name, seed)


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
    check_parquet(rows)


def check_parquet(rows, seed=None):
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
        np.testing.assert_array_equal(found[name], expected[name], f"{name}, {seed}")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.column)
def test_reading_again_changes_nothing(rule):
    """The rules are stable: a value as read is read as itself."""
    for text in (*GOOD[rule.kind], *STATE_NAMES):
        value = getattr(read_listing({rule.column: text})[0], rule.column)
        again, problems = read_listing({rule.column: value})
        assert (getattr(again, rule.column), problems) == (value, [])
