"""Events at the door, as CloudEvents 1.0 says: nothing is read that cannot be written again."""

import base64
import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.http import Request
from functions.request_parser import BodyBudget, RequestParser
from tasador.events import read, strict_json
from tasador.events.event import Event, EventError, UnsupportedEvent
from tasador.events.timestamps import is_timestamp, parse_timestamp
from tests.kit.events import ANY_JSON, binary_requests, structured_requests

HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def binary(body=b"{}", **attributes):
    return read.parse({**HEADERS, **{f"ce-{k}": v for k, v in attributes.items()}}, body)


def structured(**members):
    body = json.dumps({**EVENT, **members}).encode()
    return read.parse({"content-type": read.STRUCTURED}, body)


# -- attributes in headers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%7a", "z"),
        ("%2525", "%25"),
        ('"quoted"', "quoted"),
        (r'"a \"b\" \\ c"', r'a "b" \ c'),
        ('"50%25"', "50%"),
        ("plain text", "plain text"),
    ],
)
def test_a_header_is_unquoted_and_percent_decoded_once(value, id_):
    assert binary(id=value).id == id_


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("z%FF", "UTF-8"),
        ("z%FE", "UTF-8"),
        ("%C0%A0", "UTF-8"),
        ("%ED%A0%80", "UTF-8"),
        ("z%", "%25"),
        ("z%zz", "%25"),
        ("Z\xfcrich", "ASCII"),
        ('"a', "quoted"),
        ('"a", "b"', "quoted"),
        ("a%00", r"U\+0000"),
        ("a%0Ab", r"U\+000A"),
        ("%EF%BF%BF", r"U\+FFFF"),
        ("", "not empty"),
        ('""', "not empty"),
    ],
)
@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_a_malformed_header_is_refused_and_named(name, value, reason):
    with pytest.raises(EventError, match=f"^{name}: .*{reason}"):
        binary(**{name: value})


@pytest.mark.parametrize("name", ["my-attribute", "data", "datacontenttype", "data_base64", "ñ"])
def test_a_header_that_cannot_be_an_attribute_is_refused_and_named(name):
    with pytest.raises(EventError, match=name):
        binary(**{name: "1"})


class Repeated(dict):
    """Headers with one name twice, as Starlette has them."""

    def items(self):
        return [*super().items(), ("CE-Id", "2")]


def test_a_repeated_header_is_refused():
    with pytest.raises(EventError, match=r"^id: .*once"):
        read.parse(Repeated(HEADERS), b"{}")


@pytest.mark.parametrize(
    ("lines", "named"),
    [("ce-id: 1\r\nCE-ID: 2", "ce-id"), ("ce-type: t\r\nce-my_name: 1", "ce-my_name")],
)
def test_the_server_refuses_headers_that_waitress_would_change(lines, named):
    from waitress.adjustments import Adjustments

    parser = RequestParser(Adjustments(), BodyBudget())
    parser.received(f"POST / HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n".encode())
    assert parser.error.code == 400
    assert named in parser.error.body


# -- types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"id": 5}, "id"),
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"id": "\ud800"}, "id"),
        ({"id": "a\x00"}, "id"),
        ({"id": "a\x85"}, "id"),
        ({"source": ["/s"]}, "source"),
        ({"type": {}}, "type"),
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"subject": ""}, "subject"),
        ({"subject": 5}, "subject"),
        ({"dataschema": ""}, "dataschema"),
        ({"datacontenttype": "json"}, "datacontenttype"),
        ({"datacontenttype": read.STRUCTURED}, "datacontenttype"),
        ({"time": "yesterday"}, "time"),
        ({"time": 1700000000}, "time"),
        ({"number": 2**31}, "number"),
        ({"number": 1.5}, "number"),
        ({"list": []}, "list"),
        ({"Upper": "x"}, "Upper"),
        ({"": "x"}, "names"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"data_base64": "e30", "datacontenttype": "application/json"}, "data_base64"),
        ({"data_base64": 5, "datacontenttype": "application/json"}, "data_base64"),
        ({"data_base64": "bm8=", "datacontenttype": "application/json"}, "data_base64"),
        ({"data_base64": "e30=", "datacontenttype": "a/json", "data": {}}, "data_base64"),
        ({"data": {"bed": math.nan}}, r"data\.bed is NaN"),
        ({"data": [1, -math.inf]}, r"data\[1\] is too large"),
        ({"data": {"a": ["x\udfff"]}}, r"data\.a\[0\] has half"),
        ({"data": {"\udfff": 1}}, r"udfff.* has half"),
    ],
)
def test_a_malformed_member_is_refused_and_named(members, named):
    with pytest.raises(EventError, match=named):
        structured(**members)


def test_values_of_each_type_are_read_as_text():
    event = structured(flag=True, number=-(2**31), text="ñ", unset=None, empty="", dataschema="u:x")
    assert event.extensions == {"flag": "true", "number": "-2147483648", "text": "ñ", "empty": ""}
    assert (event.dataschema, event.time, event.subject) == ("u:x", "", "")


@pytest.mark.parametrize("type_", ["application/json", "Text/JSON; charset=utf-8", "a/b+json"])
def test_json_in_base64_is_read(type_):
    encoded = base64.b64encode(b'{"bed": 3}').decode()
    event = structured(data_base64=encoded, datacontenttype=type_)
    assert (event.data, event.datacontenttype) == ({"bed": 3}, type_)
    assert read.parse(event.headers(), event.body()) == event


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/xml", b"<x/>"),
        ("application/json; charset=latin-1", b"{}"),
        ("application/cloudevents", b"{}"),
        ("application/cloudevents+avro", b"{}"),
        ("application/cloudevents+json; charset=utf-16", b"{}"),
        ("Application/CloudEvents-Batch+JSON", b"[]"),
    ],
)
def test_what_is_not_json_is_415(content_type, body):
    with pytest.raises(UnsupportedEvent) as caught:
        read.parse({**HEADERS, "content-type": content_type}, body)
    assert caught.value.status == 415


def test_a_batch_in_another_format_is_415():
    with pytest.raises(UnsupportedEvent):
        read.parse_batch({"content-type": "application/cloudevents-batch+avro"}, b"[]")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}',
        b"1e999",
        b"9" * 5000,
        b'{"a": 1, "a": 2}',
        b'"\xed\xa0\x80"',
        "{}".encode("utf-16"),
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b"",
        b"{",
    ],
)
def test_json_that_could_not_be_written_again_is_refused(body):
    with pytest.raises(strict_json.NotJson):
        strict_json.loads(body)


def test_json_is_read_with_a_byte_order_mark_and_64_levels():
    assert strict_json.loads(b"\xef\xbb\xbf" + b"[" * 64 + b"]" * 64)
    assert strict_json.loads(b'"\\ud83d\\ude00"') == "😀"


@given(ANY_JSON)
def test_strict_json_reads_what_the_standard_library_reads_or_refuses_it(value):
    body = json.dumps(value).encode()
    try:
        same = strict_json.loads(body)
    except strict_json.NotJson:
        with pytest.raises((ValueError, UnicodeEncodeError)):
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    else:
        assert same == json.loads(body)
        json.dumps(same, allow_nan=False, ensure_ascii=False).encode()


# -- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "1985-04-12T23:20:50.52Z",
        "1996-12-19T16:39:57-08:00",
        "1990-12-31T23:59:60Z",
        "1990-12-31T15:59:60-08:00",
        "1937-01-01T12:00:27.87+00:20",
        "2026-01-31t12:00:00z",
        "0000-02-29T00:00:00Z",
        "2026-01-31T12:00:00.123456789-00:00",
    ],
)
def test_times_of_rfc_3339_are_read(text):
    assert is_timestamp(text)
    assert structured(time=text).time == text
    assert binary(time=text).headers()["ce-time"] == text


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "20260131T120000Z",
        "2026-W01-1T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-30T23:59:60Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00Z",
        "٢026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
    ],
)
def test_other_times_are_refused_and_named(text):
    assert not is_timestamp(text)
    with pytest.raises(EventError, match="time"):
        structured(time=text)
    with pytest.raises(ValueError, match="is not a time"):
        parse_timestamp(text)


@given(st.datetimes(min_value=datetime(1, 1, 3), timezones=st.timezones()))
def test_times_are_read_as_python_writes_them(when):
    text = when.isoformat()
    if len(text.rpartition(":")[0]) < 26 + 6 and when.utcoffset().total_seconds() % 60 == 0:
        assert is_timestamp(text)
        assert parse_timestamp(text) == when.astimezone(UTC)


def test_a_leap_second_is_the_second_after_it():
    assert parse_timestamp("2016-12-31T23:59:60.5Z") == datetime(2017, 1, 1, 0, 0, 0, 500_000, UTC)


# -- any request ----------------------------------------------------------------------------------


@given(binary_requests() | structured_requests())
def test_what_is_read_can_be_written_in_both_modes_and_is_the_same(request):
    headers, body = request
    try:
        event = read.parse(headers, body)
    except EventError:
        return
    written = event.headers()
    assert all(value.isascii() and value.isprintable() for value in written.values())
    assert read.parse(written, event.body()) == event
    content = json.dumps(event.structured(), allow_nan=False, ensure_ascii=False).encode()
    assert read.parse({"content-type": read.STRUCTURED}, content) == event


def test_a_function_reads_an_event_as_the_broker_does():
    from functions.function import Function, is_event
    from functions.http import no_content

    seen = []
    function = Function(
        name="x",
        index=lambda _request: no_content(),
        on_json=lambda _request: no_content(),
        on_event=lambda event: seen.append(("passed on", event.id)) or no_content(),
        on_direct_event=lambda event: seen.append(("direct", event.id)) or no_content(),
    )
    for prefer in ("", "reply", "wait=1, Reply", "return=minimal"):
        request = Request(
            method="POST", path="/", headers={**HEADERS, "prefer": prefer}, read=lambda: b"{}"
        )
        assert is_event(request)
        function.post(request)
    ways = [way for way, _ in seen]
    assert ways == ["direct", "passed on", "passed on", "direct"]
    assert Event(type="t", source="/s", id="1", data={}).headers()["ce-id"] == "1"
