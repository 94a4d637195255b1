"""Encoded request bodies: decoded within the limit, or refused with a reason."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.http import HttpProblem, Request, read_body
from tasador import content_encoding
from tasador.content_encoding import DamagedEncoding, TooLong, UnsupportedEncoding

LIMIT = 1000


@given(st.lists(st.binary(max_size=400), max_size=3), st.sampled_from(["gzip", "X-Gzip", " gzip "]))
def test_gzip_is_decoded_up_to_the_limit(members, name):
    content = b"".join(members)
    body = b"".join(map(gzip.compress, members))
    if len(content) > LIMIT:
        with pytest.raises(TooLong, match="1,000"):
            content_encoding.decoded(name, body, LIMIT)
    else:
        assert content_encoding.decoded(name, body, LIMIT) == content


@given(st.binary(max_size=200))
def test_bytes_that_are_not_gzip_are_refused_with_a_reason(body):
    try:
        gzip.decompress(body)
    except (OSError, EOFError):
        with pytest.raises(DamagedEncoding, match="gzip"):
            content_encoding.decoded("gzip", body, LIMIT)


def test_gzip_that_ends_too_early_is_refused():
    with pytest.raises(DamagedEncoding, match="too early"):
        content_encoding.decoded("gzip", gzip.compress(b"[1, 2]")[:-3], LIMIT)


def test_a_bomb_is_refused_without_being_decoded():
    bomb = gzip.compress(bytes(50_000_000), 9)
    assert len(bomb) < 100_000
    with pytest.raises(TooLong):
        content_encoding.decoded("gzip", bomb, LIMIT)


@pytest.mark.parametrize("name", ["br", "deflate", "zstd", "gzip, gzip", "gzip;q=1"])
def test_other_encodings_are_named_and_the_accepted_one_is_offered(name):
    with pytest.raises(UnsupportedEncoding, match=name):
        content_encoding.decoded(name, b"{}", LIMIT)
    request = Request(method="POST", path="/", headers={"content-encoding": name}, read=bytes)
    with pytest.raises(HttpProblem) as caught:
        read_body(request, LIMIT)
    assert (caught.value.status, caught.value.headers) == (415, {"Accept-Encoding": "gzip"})


def test_identity_is_no_encoding():
    assert content_encoding.decoded("identity", b"{}", LIMIT) == b"{}"
