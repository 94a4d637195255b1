"""Verification of Ed25519 signatures (RFC 8032, section 5.1.7) in plain Python.

A function verifies one signature at its start. Importing the package `cryptography` for it would
take ten times as long as this code runs, and 15 MB of the image (docs/decisions/0040). Verification
handles public values only, so its timing reveals nothing. Signing, which handles the private key,
is done by `cryptography` (``tasador.stores.signing``).
"""

from __future__ import annotations

import hashlib

# The field's prime, the order of the base point, and the constant of the curve.
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

# A point in extended coordinates: x = X/Z, y = Y/Z, x * y = T/Z.
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


def is_valid(signature: bytes, message: bytes, public_key: bytes) -> bool:
    """Whether ``signature`` (64 bytes) of ``message`` was made with the key of ``public_key`` (32).

    As OpenSSL does, it accepts only the shortest form of the second half, and compares the first
    half byte by byte.
    """
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    point = _decode(public_key)
    scalar = int.from_bytes(signature[32:], "little")
    if point is None or scalar >= _ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    x, y, z, t = point
    return _encode(_combined(scalar, challenge, (_P - x, y, z, _P - t))) == signature[:32]


def _combined(scalar: int, challenge: int, point: _Point) -> _Point:
    """``scalar`` times the base point, plus ``challenge`` times ``point``, bit by bit together."""
    both = _sum(_BASE, point)
    result = _NEUTRAL
    for bit in range(max(scalar.bit_length(), challenge.bit_length()) - 1, -1, -1):
        result = _doubled(result)
        of_base, of_point = scalar >> bit & 1, challenge >> bit & 1
        if of_base and of_point:
            result = _sum(result, both)
        elif of_base:
            result = _sum(result, _BASE)
        elif of_point:
            result = _sum(result, point)
    return result


def _sum(one: _Point, other: _Point) -> _Point:
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * t1 * t2 * _D % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _doubled(point: _Point) -> _Point:
    x, y, z, _ = point
    a, b = x * x % _P, y * y % _P
    h = a + b
    e = h - (x + y) * (x + y)
    g = a - b
    f = 2 * z * z + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _encode(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(content: bytes) -> _Point | None:
    """The point of 32 bytes; None if they are the encoding of no point."""
    number = int.from_bytes(content, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT_OF_MINUS_ONE % _P
        if v * x * x % _P != u:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _base() -> _Point:
    point = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert point is not None
    return point


_BASE = _base()
