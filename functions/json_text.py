"""JSON of requests, answers and log lines.

The standard library reads and writes it until ``use_orjson``, orjson afterwards: importing orjson
would delay the first prediction. The values are the same, whichever reads them: what orjson refuses
or would round is left to the standard library.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

# json.dumps with options would create an encoder on every call.
_ANSWERS = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
# What a log line may hold besides JSON's types is written by its text.
_LINES = json.JSONEncoder(separators=(",", ":"), default=str)
# A whole number of so many digits may have more than 64 bits, which orjson reads as a float.
_LONG_NUMBER = re.compile(rb"[0-9]{19}")


def encode(data: Any) -> bytes:
    """``data`` as JSON; raises ValueError or TypeError for what JSON cannot hold."""
    return _encode(data)


def encode_line(fields: dict[str, Any]) -> bytes:
    """The fields of a log line as JSON; what JSON cannot hold is written by its text."""
    return _encode_line(fields)


def decode(body: bytes) -> Any:
    """The value of ``body``; raises ValueError or RecursionError where it is not JSON."""
    return _decode(body)


def use_orjson() -> None:
    """Read and write by orjson from now on."""
    global _encode, _encode_line, _decode
    import orjson

    def decode_quickly(body: bytes) -> Any:
        if _LONG_NUMBER.search(body) is None:
            try:
                return orjson.loads(body)
            except orjson.JSONDecodeError:
                pass  # NaN, or an error, which the standard library locates
        return json.loads(body)

    def encode_line_quickly(fields: dict[str, Any]) -> bytes:
        try:
            return orjson.dumps(fields, default=str)
        except orjson.JSONEncodeError:
            return _standard_line(fields)

    _encode, _encode_line, _decode = orjson.dumps, encode_line_quickly, decode_quickly


def _standard_answer(data: Any) -> bytes:
    return _ANSWERS.encode(data).encode()


def _standard_line(fields: dict[str, Any]) -> bytes:
    return _LINES.encode(fields).encode()


_encode: Callable[[Any], bytes] = _standard_answer
_encode_line: Callable[[dict[str, Any]], bytes] = _standard_line
_decode: Callable[[bytes], Any] = json.loads
