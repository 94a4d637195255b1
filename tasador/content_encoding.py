"""The Content-Encoding of a request: gzip is decoded, within the limit of the body."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

_GZIP = ("gzip", "x-gzip")
_IDENTITY = ("", "identity")


class EncodingError(Exception):
    """A body that cannot be decoded; ``status`` and ``headers`` are those of the answer."""

    status: ClassVar[int]
    headers: ClassVar[Mapping[str, str]] = MappingProxyType({})


class UnsupportedEncoding(EncodingError):
    """The body has an encoding that is not read."""

    status = 415
    headers = MappingProxyType({"Accept-Encoding": "gzip"})  # RFC 9110, 12.5.3


class TooLong(EncodingError):
    """The decoded body is longer than the limit."""

    status = 413


class DamagedEncoding(EncodingError):
    """The body does not have the encoding that its header states."""

    status = 400


def decoded(encoding: str, body: bytes, limit: int) -> bytes:
    """The body without its encoding, at most ``limit`` bytes; never holds more than that.

    ``encoding`` is the value of the header, empty without one. Raises UnsupportedEncoding, TooLong
    or DamagedEncoding; each message is for the client.
    """
    name = encoding.strip().lower()
    if name in _IDENTITY:
        return body
    if name not in _GZIP:
        raise UnsupportedEncoding(
            f"content-encoding is {encoding[:100]!r}: send the body without one, or as gzip"
        )
    import zlib  # most requests have no encoding

    pieces: list[bytes] = []
    size = 0
    while body:
        stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            piece = stream.decompress(body, limit - size + 1)
        except zlib.error as error:
            raise DamagedEncoding(
                f"the body is not gzip, as content-encoding says: {error}"
            ) from None
        size += len(piece)
        if size > limit:
            raise TooLong(f"the decoded body has more than {limit:,} bytes, which is the limit")
        if not stream.eof:
            raise DamagedEncoding(
                "the body is not gzip, as content-encoding says: it ends too early"
            )
        pieces.append(piece)
        body = stream.unused_data  # gzip allows several members in a row
    return b"".join(pieces)
