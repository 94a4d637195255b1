"""Payloads of a source: one bad row never costs the batch, and a broken payload names the byte."""

import codecs
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.errors import SourceError
from tasador.listings.listing import COLUMNS, canonical_line
from tasador.source.json_reader import BrokenOff
from tasador.source.payload import blocks, is_truncated, read_head, read_payload_row, rows
from tasador.source.plain_rows import PlainRows
from tests.kit.source import http, scripted

GOOD = '{"city": "Ponce", "state": "Puerto Rico", "price": 105000.0, "bed": 3}'
DEEP = "[" * 100_000 + "]" * 100_000


def payload(path, *texts, head='"group_number": 5, "batch_number": 4'):
    path.write_bytes(("{" + head + ', "data": [' + ", ".join(texts) + "]}").encode())
    return path


def read(path):
    return [read_payload_row(row) for row in rows(path)]


@pytest.mark.parametrize(
    ("member", "field", "reason"),
    [
        ('"bed": NaN', "", ""),
        ('"city": NaN', "", ""),
        ('"bed": Infinity', "bed", "is above 1,000"),
        ('"bed": -Infinity', "bed", "is negative"),
        ('"city": Infinity', "city", "is not a finite number"),
        ('"bed": 1e999', "bed", "is above 1,000"),
        ('"state": -1e999', "state", "is not a finite number"),
        ('"bed": 12345678901234567890', "bed", "is above 1,000"),
        ('"zip_code": 12345678901234567890', "zip_code", "is not a zip code"),
        ('"bed": ' + "9" * 5_000, "bed", "is a number with too many digits"),
        ('"city": "\\ud800"', "city", "contains unprintable characters"),
        ('"street": "a\\udfffb"', "street", "contains unprintable characters"),
        ('"state": "a\\u0000"', "state", "contains unprintable characters"),
        ('"status": "sold\\u0000"', "status", "contains unprintable characters"),
        ('"city": "a\0b"', "city", "contains unprintable characters"),
        ('"bath": "2\\ud83d"', "bath", "is not a number"),
        (f'"city": {DEEP}', "city", "is not text"),
        (f'"bed": {DEEP}', "bed", "is not a number"),
        ('"city": {"name": "Ponce"}', "city", "is not text"),
        (f'"colour": {DEEP}', "colour", "is not a column of a listing"),
        ('"\\udc00": 1', "\udc00", "is not a column of a listing"),
        ('"bed": 3, "bed": 4', "bed", "is given more than once"),
        ('"bed": 003', "bed", "is not JSON"),
        ('"bed": nan', "bed", "is not JSON"),
        ('"city": "a\\qb"', "city", "is not JSON"),
        ('"bed": +3', "bed", "is not JSON"),
        ("bed: 3", "row", "is not JSON"),
        ('"bed" 3', "row", "is not JSON"),
        ('"bed": [3', "row", "is not JSON"),
        ('"price": [1]', "price", "is not a number"),
    ],
)
def test_one_bad_row_is_refused_with_its_field_and_the_others_are_read(
    tmp_path, member, field, reason
):
    price = "" if "price" in member else '"price": 1000, '
    path = payload(tmp_path / "b", GOOD, "{" + price + member + "}", GOOD)
    before, bad, after = read(path)
    assert before == after
    assert (before[0].city, before[0].price, before[1]) == ("Ponce", 105_000.0, [])
    assert [(p.field, p.reason.startswith(reason)) for p in bad[1]] == (
        [(field, True)] * bool(field)
    )
    assert all(len(problem.value) <= 200 for problem in bad[1])
    assert canonical_line(*bad) != canonical_line(*before)
    assert not is_truncated(path)
    assert read_head(path).batch_number == 4


@pytest.mark.parametrize(
    "row", ["null", "NaN", "3", '"text"', "-", "true", "[]", DEEP, '{"a": 1 2}']
)
def test_a_row_that_is_no_row_is_refused(tmp_path, row):
    texts = [GOOD, row, GOOD]
    first, bad, last = read(payload(tmp_path / "b", *texts))
    assert first == last
    assert [problem.field for problem in bad[1]] == ["row"]


def test_rows_as_lists_name_the_column(tmp_path):
    values = ['""'] * len(COLUMNS)
    values[COLUMNS.index("price")] = '"1000"'
    values[COLUMNS.index("city")] = "[[]]"
    ((_, problems),) = read(payload(tmp_path / "b", "[" + ",".join(values) + "]"))
    assert [(p.field, p.reason, p.value) for p in problems] == [("city", "is not text", "[[]]")]


def test_byte_order_mark_and_bytes_that_are_not_utf_8(tmp_path):
    path = payload(tmp_path / "b", GOOD, '{"price": 1, "city": "X"}')
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes().replace(b"X", b"\xff"))
    assert read_head(path).group_number == 5
    good, bad = read(path)
    assert good[1] == []
    assert [p.field for p in bad[1]] == ["city"]


def test_client_fetches_a_payload_with_a_byte_order_mark_and_nan(tmp_path):
    from tests.code.test_source_client import client

    body = payload(tmp_path / "sent", GOOD, '{"price": NaN}').read_bytes()
    with scripted(http(200, codecs.BOM_UTF8 + body)) as (url, _):
        fetched = client(url).fetch(tmp_path / "b")
    assert fetched.path.read_bytes() == codecs.BOM_UTF8 + body  # as received
    assert [len(problems) for _, problems in read(fetched.path)] == [0, 1]


@pytest.mark.parametrize(
    ("text", "byte", "says"),
    [
        ('{"data": [1, 2}}', 14, "row 1: ',' is expected"),
        ('{"data": [1]} x', 14, "nothing is expected after the end"),
        ('{"é": 1, "data": [1 2]}', 21, "row 0: ',' is expected"),
        ('{"batch_number": nope}', 21, "batch_number is not JSON"),
        ('{"data": [1], "data": [2]}', 21, "data comes twice"),
        ('{"data": [{"a": 1}, {"a"', 20, "row 1: it breaks off"),
        ('{"data": [1, 2', 14, "row 1: it breaks off"),
        ('{"data": [{"a": "b}]}', 10, "it breaks off"),
    ],
)
def test_broken_payload_names_the_byte(tmp_path, text, byte, says):
    path = tmp_path / "b"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=f"at byte {byte}.*{says}"):
        list(rows(path))
    assert is_truncated(path) == ("breaks off" in says)


def test_a_payload_truncated_anywhere_breaks_off(tmp_path):
    whole = payload(tmp_path / "b", GOOD, '["\\ud800", 1.5e3, null]').read_bytes()
    cut = tmp_path / "cut"
    for size in range(1, len(whole)):
        cut.write_bytes(whole[:size])
        assert is_truncated(cut), size
        with pytest.raises(BrokenOff, match=r"at byte \d+"):
            list(rows(cut))


def test_rows_and_values_longer_than_a_read(tmp_path):
    long = "x" * 700_000
    texts = [f'{{"price": 1, "city": "{long}"}}', *[GOOD] * 9_000, f'{{"bed": "{long}\\q"}}', GOOD]
    result = read(payload(tmp_path / "b", *texts))
    assert len(result) == len(texts)
    assert [i for i, (_, problems) in enumerate(result) if problems] == [0, 9_001]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(categories=["L", "N", "P", "Z", "C", "Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.dictionaries(st.sampled_from(COLUMNS) | st.text(), VALUES, max_size=6) | st.lists(VALUES)


@given(st.lists(ROWS, max_size=5), st.text(max_size=30))
def test_every_row_is_read_whatever_it_holds(tmp_path_factory, sent, junk):
    folder = tmp_path_factory.getbasetemp()
    balanced = "".join(c for c in junk if c not in '[]{}"\\,')
    texts = [json.dumps(row) for row in sent]
    path = payload(
        folder / "b", *texts, json.dumps(balanced), "{" + json.dumps(balanced) + "}", GOOD
    )
    result = list(rows(path))
    assert len(result) == len(sent) + 3
    for row, given_ in zip(sent, result, strict=False):
        plain = not any(
            isinstance(v, dict | list) for v in (row.values() if isinstance(row, dict) else row)
        )
        assert not plain or _same(row, given_.raw)
        listing, problems = read_payload_row(given_)
        canonical_line(listing, problems)
    assert read_payload_row(result[-2])[1]
    assert read_payload_row(result[-1])[1] == []


def _same(left, right):
    """Equal, with NaN equal to NaN."""
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(_same(left[k], right[k]) for k in left)
    return left == right


@pytest.mark.parametrize("separator", [",", " ,\n ", ",\t"])
def test_no_row_is_lost_to_a_comma_after_the_last_one(tmp_path, separator):
    path = tmp_path / "b"
    path.write_text('{"batch_number": 4, "data": [' + ", ".join([GOOD] * 300) + separator + "]}")
    assert [problems for _, problems in read(path)] == [[]] * 300
    with path.open("rb") as file:
        assert sum(block.rows for block in blocks(file) if isinstance(block, PlainRows)) >= 150
    for body in ("[,]", f"[{GOOD},,]", f"[,{GOOD}]"):
        path.write_text('{"batch_number": 4, "data": ' + body + "}")
        with pytest.raises(SourceError, match="a value is expected"):
            read(path)


@pytest.mark.parametrize("number", ["7", "7.0", "7e0", '"7"', '" 07 "'])
def test_number_of_a_batch_in_any_form(tmp_path, number):
    path = tmp_path / "payload.json"
    path.write_text(f'{{"batch_number": {number}, "data": [], "group_number": {number}}}')
    assert read_head(path)[:2] == (7, 7)


@pytest.mark.parametrize(
    "number", ["7.5", "-1", "true", '"7.0"', "[]", '"７"', "99999999999", "1e999"]
)
def test_number_of_a_batch_that_is_none_is_named(tmp_path, number):
    path = tmp_path / "payload.json"
    path.write_text(f'{{"batch_number": {number}, "data": []}}')
    with pytest.raises(SourceError, match="the source's batch_number is"):
        read_head(path)
