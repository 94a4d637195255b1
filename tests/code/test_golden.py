"""Golden rows: one writer, one reader, and errors that name the file."""

from pathlib import Path

import pytest

from tasador.errors import BundleError
from tasador.listings.listing import Listing
from tasador.model.golden import GoldenRow, read_golden, write_golden

PATH = Path("bundle") / "golden.json"
ROWS = [
    GoldenRow(Listing(), 250_000.0),
    GoldenRow(Listing(bed=3.0, zip_code="00501", city="Holtsville"), 1 / 3),
]


def test_round_trip():
    content = write_golden(ROWS)
    assert read_golden(content, PATH) == ROWS
    assert write_golden(read_golden(content, PATH)) == content


def test_body_has_only_given_fields():
    assert ROWS[0].body() == {}
    assert ROWS[1].body() == {"bed": 3.0, "zip_code": "00501", "city": "Holtsville"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"5",
        b"[5]",
        b'[{"price": 1}]',
        b'[{"listing": {}, "price": "much"}]',
        b'[{"listing": {"zip_code": "no"}, "price": 1}]',
        b'[{"listing": {"color": "red"}, "price": 1}]',
    ],
)
def test_read_golden_names_file_of_other_content(content):
    with pytest.raises(BundleError, match=r"bundle.golden\.json cannot be read"):
        read_golden(content, PATH)
