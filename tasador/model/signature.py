"""The signature of a bundle: who promoted it, and that nothing was changed since.

``signature.json`` lies next to ``manifest.json``, and signs its bytes: the name, the version, and
the digest of every file of the bundle. A digest alone proves only that a bundle is undamaged:
a client that can write to the object store and to the database computes another one.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import NamedTuple

from tasador.errors import ConfigurationError, SignatureError
from tasador.model import ed25519

SIGNATURE = "signature.json"
PUBLIC_KEYS_SETTING = "TASADOR_SIGNING_PUBLIC_KEYS"
KEY_SETTING = "TASADOR_SIGNING_KEY"
_ALGORITHM = "ed25519"
# So that a signature of anything else that the key may sign one day is none of a bundle.
_CONTEXT = b"tasador bundle 1\0"


class Trust(NamedTuple):
    """Whose bundles may be loaded. ``required``: a bundle without a signature may not.

    Of several keys each one is accepted, so that a new key can be added before the old one goes.
    """

    public_keys: tuple[bytes, ...]
    required: bool

    def check(self, manifest: bytes, signature: bytes | None, uri: str, version: object) -> None:
        """Raise SignatureError unless the bundle at ``uri`` is signed by a trusted key.

        ``manifest`` is the content of its manifest.json, ``signature`` that of its signature.json
        or None. Without trusted keys, and where none is required, every bundle passes.
        """
        if not self.public_keys and not self.required:
            return
        if not self.public_keys:
            raise ConfigurationError(
                f"{PUBLIC_KEYS_SETTING} is not set: no bundle may be loaded here without the "
                "public key that its signature is verified with"
            )
        if signature is None:
            if self.required:
                raise SignatureError(
                    f"{uri} has no {SIGNATURE}: only signed bundles are loaded. If the version was "
                    f"promoted before bundles were signed, `tasador sign {version}` signs it"
                )
            return
        public_key, value = _read(signature, uri)
        if public_key not in self.public_keys:
            raise SignatureError(
                f"{uri} is signed by a key that is not in {PUBLIC_KEYS_SETTING}. After a change of "
                f"keys, `tasador sign {version}` signs it again"
            )
        if not ed25519.is_valid(value, signed_bytes(manifest), public_key):
            raise SignatureError(
                f"{uri} was changed after it was signed: {SIGNATURE} does not match manifest.json"
            )


def read_public_keys(text: str) -> tuple[bytes, ...]:
    """The keys in TASADOR_SIGNING_PUBLIC_KEYS: base64 of 32 bytes each, separated by commas."""
    return tuple(
        read_key(part, PUBLIC_KEYS_SETTING) for part in text.replace(",", " ").split() if part
    )


def read_key(text: str, setting: str) -> bytes:
    """A key of 32 bytes in base64; raises ConfigurationError with the setting, never the key."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != ed25519.PUBLIC_KEY_BYTES:
        raise ConfigurationError(
            f"{setting} holds a key that is not 32 bytes in base64; `tasador sign --new-key` "
            "creates a pair"
        )
    return key


def signed_bytes(manifest: bytes) -> bytes:
    """What is signed for a manifest.json with this content."""
    return _CONTEXT + manifest


def write_signature(public_key: bytes, signature: bytes) -> bytes:
    """The content of signature.json."""
    content = {
        "algorithm": _ALGORITHM,
        "public_key": base64.b64encode(public_key).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def _read(content: bytes, uri: str) -> tuple[bytes, bytes]:
    try:
        fields = json.loads(content)
        if fields["algorithm"] != _ALGORITHM:
            raise ValueError(f"the algorithm is {fields['algorithm']!r}, not {_ALGORITHM}")
        return tuple(  # type: ignore[return-value]
            base64.b64decode(fields[name], validate=True) for name in ("public_key", "signature")
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignatureError(f"{uri}/{SIGNATURE} cannot be read: {error!r}") from None
