"""Password hashes: scrypt of the standard library. Pure.

A hash is ``scrypt$LOG2_N$R$P$SALT$KEY``, with salt and key in base64. The cost is one of those that
OWASP's Password Storage Cheat Sheet gives as equal: N = 2^15, r = 8, p = 3; 32 MiB of memory and
about a quarter of a second.

An account of somebody who signs in at an OpenID provider has ``openid$SUBJECT`` in its place, which
no password matches.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata

from tasador.errors import InvalidValue

SHORTEST = 12
LONGEST = 256
_FEWEST_DIFFERENT = 5
_COST = (15, 8, 3)  # log2 of N, r, p
_MARK = "openid$"
_SALT_BYTES = 16
_KEY_BYTES = 32


def check_new_password(password: str, name: str) -> None:
    """Raise InvalidValue unless the password may be used: 12 to 256 characters, not the name."""
    length = len(_normal(password))
    if length < SHORTEST:
        raise InvalidValue(f"the password has {length} characters; it needs {SHORTEST} or more")
    if length > LONGEST:
        raise InvalidValue(f"the password has {length} characters; it may have {LONGEST} at most")
    rest = _normal(password).casefold().replace(name, "")
    if len(set(rest)) < _FEWEST_DIFFERENT:
        raise InvalidValue("the password repeats a few characters or the name; choose another one")


def hash_password(password: str) -> str:
    """A hash of the password with a new salt."""
    log2_n, r, p = _COST
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derived(password, salt, log2_n, r, p)
    return f"scrypt${log2_n}${r}${p}${_text(salt)}${_text(key)}"


def mark_of(subject: str) -> str:
    """What stands for a hash in the account of that subject of an OpenID provider."""
    return f"{_MARK}{subject}"


def is_mark(stored: str) -> bool:
    """Whether the account has no password, since its person signs in at an OpenID provider."""
    return stored.startswith(_MARK)


def is_password(password: str, stored: str) -> bool:
    """Whether the password has that hash. Raises InvalidValue if the hash is not one."""
    try:
        kind, log2_n, r, p, salt, key = stored.split("$")
        if kind != "scrypt":
            raise ValueError(kind)
        wanted = base64.b64decode(key, validate=True)
        derived = _derived(
            password, base64.b64decode(salt, validate=True), int(log2_n), int(r), int(p)
        )
    except (ValueError, binascii.Error):
        raise InvalidValue(
            "a password hash in ops.accounts is damaged: set the password again with "
            "`tasador user passwd`"
        ) from None
    return hmac.compare_digest(derived, wanted)


def is_outdated(stored: str) -> bool:
    """Whether the hash has another cost than new ones."""
    return stored.split("$")[1:4] != [str(part) for part in _COST]


def _derived(password: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        _normal(password).encode(),
        salt=salt,
        n=1 << log2_n,
        r=r,
        p=p,
        maxmem=256 * r * (1 << log2_n),
        dklen=_KEY_BYTES,
    )


def _normal(password: str) -> str:
    """The same characters have the same bytes on every keyboard."""
    return unicodedata.normalize("NFKC", password)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
