"""The standard library and orjson read and write the same."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions import json_text

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
TEXTS = [
    b"",
    b"{",
    b"{} {}",
    b'{"bed": 3,}',
    b'{"bed": 3, "bed": 4}',
    b'{"bed": NaN, "bath": -Infinity}',
    b"[-0, -0.0, 1e400, 1E2, 18446744073709551616, 0.12345678901234567890]",
    b'"\\ud800"',
    b"\xef\xbb\xbf{}",
    '{"city": "Peñasco"}'.encode("utf-16"),
    '{"city": "Peñasco"}'.encode(),
    b'{"city": "\xff"}',
    b"[" * 3_000 + b"]" * 3_000,
    b"1" * 5_000,
]


@pytest.fixture(scope="module")
def quick():
    """The functions of orjson; the module is as before afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_encode", "_encode_line", "_decode"):
            patch.setattr(json_text, name, getattr(json_text, name))
        json_text.use_orjson()
        assert json_text._decode is not json.loads
        yield json_text


def outcome(read, body):
    """What ``read`` makes of ``body``: a value with its types, or the error and its text."""
    try:
        return repr(read(body))
    except (ValueError, RecursionError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("body", TEXTS, ids=[repr(text[:24]) for text in TEXTS])
def test_both_read_the_same_or_refuse_with_the_same_words(quick, body):
    assert outcome(quick.decode, body) == outcome(json.loads, body)


@given(VALUES)
def test_both_read_every_value_the_same(quick, value):
    body = json.dumps(value).encode()
    assert outcome(quick.decode, body) == outcome(json.loads, body)


def test_both_write_the_same_line(quick):
    fields = {"ms": 1.25, "status": 200, "city": "Peñasco", "odd": Decimal("1.5"), "none": None}
    assert json.loads(quick.encode_line(fields)) == json.loads(json_text._standard_line(fields))


@pytest.mark.parametrize("value", [2**70, "\ud800", {1: 2}])
def test_a_line_that_orjson_refuses_is_written_all_the_same(quick, value):
    written = json.loads(quick.encode_line({"value": value}))
    assert written == json.loads(json.dumps({"value": value}))
