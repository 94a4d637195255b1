"""Answers say which texts were read as another one."""

import gzip
import json

import pytest
from hypothesis import given, strategies

from functions.batch_reader import read_batch
from functions.http import HttpProblem, Request, parse_json
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


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"bed": 3, "bath": 2, "bed": 4}', "bed"),
        (b'{"bed" \n: 3, "city": "a\\":b", "bed": 3}', "bed"),
        (b'{"bed": 3, "\\u0062ed": null}', "bed"),
        (b'\xef\xbb\xbf{"bed": 3, "bed": NaN}', "bed"),
        ('{"bed": 3, "bed": 4}'.encode("utf-16"), "bed"),
        (b'{"bed": 3, "note": {"a": 1, "a": 1}}', "note.a"),
        (b'{"state": {"a:b": 1, "a:b": 2}}', "state.a:b"),
    ],
)
def test_field_that_is_there_twice_is_named(body, name):
    with pytest.raises(HttpProblem, match=f"^{name} is given twice") as raised:
        parse_json(body)
    assert (raised.value.status, raised.value.errors[0].field) == (400, name)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"listings": [{"bed": 1}, {"bed": 3, "city": ":", "bed": 4}]}', r"listings\[1\].bed"),
        (b'{"listings": [{"bed": 3, "bed": NaN}]}', r"listings\[0\].bed"),
        (b'{"columns": {"bed": [1, 2], "bath": [1, 2], "bed": [3, 4]}}', "columns.bed"),
        (b'{"listings": [{}], "listings": [{"bed": 3}]}', "listings"),
    ],
)
def test_field_of_a_batch_that_is_there_twice_is_named(body, name):
    with pytest.raises(HttpProblem, match=f"^{name} is given twice") as raised:
        batch_of_bytes(body)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (
            gzip.compress(b"{}", mtime=0),
            "the body is gzip: send the header Content-Encoding: gzip with it",
        ),
        (b"state=TX&bed=3", 'the body is a form; JSON is expected, such as {"state": "Texas"}'),
        (
            b"--x\r\nContent-Disposition: form-data",
            "the body is a multipart form; JSON is expected",
        ),
        (b" <listing/>", "the body is XML or HTML; JSON is expected"),
        (b"[" * 100_000, "the body is not JSON that can be read: it has too many levels"),
        (
            b'{"bed": ' + b"9" * 5_000 + b"}",
            "the body is not JSON that can be read: a number is too long",
        ),
        (b'{"city": "Ca\xf1on"}', "the body is not JSON: byte 12 is not UTF-8"),
        (b"-x", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"", "the body is empty; JSON is expected"),
    ],
)
def test_a_body_that_is_no_json_is_named_as_what_it_is(body, detail):
    for read in (parse_json, batch_of_bytes):
        with pytest.raises(HttpProblem) as raised:
            read(body)
        assert (raised.value.status, raised.value.detail) == (400, detail)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Bed", "; is it bed?"),
        ("zip code", "; is it zip_code?"),
        ("House-Size", "; is it house_size?"),
        ("batch", "; is it bath?"),
        ("rooms", ""),
        ("listings", ""),
    ],
)
def test_a_misspelled_field_is_named_with_the_right_one(name, hint):
    requests = (
        lambda: listing_from_json({name: 1}),
        lambda: batch_of({"listings": [{name: 1}]}),
        lambda: batch_of({"columns": {name: [1]}}),
    )
    for request in requests:
        with pytest.raises(HttpProblem) as raised:
            request()
        assert raised.value.errors[0].reason == f"is not a column of a listing{hint}"


MEMBERS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["bed", "a:b", 'a"', "é", ""]),
        strategies.none() | strategies.integers(0, 9) | strategies.sampled_from([":", '":', '"']),
    ),
    max_size=5,
)


@given(MEMBERS, strategies.sampled_from([":", " :", "\n\t:  "]))
def test_only_fields_that_are_there_twice_are_refused(members, colon):
    body = (
        "{" + ",".join(f"{json.dumps(k)}{colon}{json.dumps(v)}" for k, v in members) + "}"
    ).encode()
    if len(dict(members)) == len(members):
        assert parse_json(body) == dict(members)
    else:
        with pytest.raises(HttpProblem, match="is given twice"):
            parse_json(body)


def batch_of(data):
    return batch_of_bytes(json.dumps(data).encode())


def batch_of_bytes(body):
    return read_batch(
        Request(method="POST", path="/", headers={}, length=len(body), read=lambda: body), 10**6
    )
