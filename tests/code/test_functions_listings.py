"""Answers say which texts were read as another one."""

import json

import pytest

from functions.batches import read_batch
from functions.http import Request
from functions.listings import listing_from_json, read_as

SENT = {
    "state": "TX",
    "zip_code": 601,
    "status": "Sold",
    "prev_sold_date": "2022-02-23T10:00:00",
    "city": " Miami ",
    "street": 33156.0,
    "bed": "3",
    "bath": None,
}
READ = {
    "status": "sold",
    "state": "Texas",
    "zip_code": "00601",
    "prev_sold_date": "2022-02-23",
}
UNCHANGED = {"state": "Texas", "zip_code": "77084", "status": "sold", "city": "N/A"}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (SENT, READ),
        (UNCHANGED, {}),
        ({"state": " Texas\u00a0", "zip_code": 77084.0}, {}),
        ({"state": "Ontario", "zip_code": None}, {}),
        ({}, {}),
    ],
)
def test_read_as_has_the_texts_that_were_read_as_another(sent, expected):
    assert read_as(sent, listing_from_json(sent)) == expected
    assert batch_of({"listings": [UNCHANGED, sent]}).read_as == ({1: expected} if expected else {})


def test_read_as_by_column_has_each_text_once():
    columns = {
        "state": ["TX", "Ohio", "tx", "TX", None],
        "zip_code": ["601", 601, 602, "", "00601"],
    }
    assert batch_of({"columns": columns}).read_as == {
        "state": {"TX": "Texas", "tx": "Texas"},
        "zip_code": {"601": "00601", "602": "00602"},
    }


def batch_of(data):
    body = json.dumps(data).encode()
    return read_batch(
        Request(method="POST", path="/", headers={}, length=len(body), read=lambda: body), 10**6
    )
