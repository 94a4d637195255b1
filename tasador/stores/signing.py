"""Signing bundles with the key in TASADOR_SIGNING_KEY. Serving only verifies signatures."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

from tasador.errors import ConfigurationError
from tasador.model.signature import KEY_SETTING, read_key, signed_bytes, write_signature

if TYPE_CHECKING:
    from tasador.model.model_ref import ModelRef
    from tasador.settings import Settings
    from tasador.stores.lake import Lake


def check_key(settings: Settings) -> None:
    """Raise ConfigurationError if a promotion could not be signed, where it has to be."""
    if settings.signing_key:
        read_key(settings.signing_key, KEY_SETTING)
    elif not settings.accepts_unsigned:
        settings.require("signing_key")


def sign_bundle(settings: Settings, lake: Lake, model: ModelRef) -> bool:
    """Verify and sign the stored bundle of ``model``; signing it again gives the same bytes.

    False if there is no key and none is needed. Raises as ``Lake.sign_bundle`` does.
    """
    check_key(settings)
    if not settings.signing_key:
        return False
    key = read_key(settings.signing_key, KEY_SETTING)
    # The setting is checked first: `cryptography` takes a while to import.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(key)
    public = private.public_key().public_bytes_raw()
    if public not in lake.trust.public_keys:
        raise ConfigurationError(
            f"the public key of {KEY_SETTING} ({base64.b64encode(public).decode()}) is not in "
            "TASADOR_SIGNING_PUBLIC_KEYS: add it there first, so that what is signed can be loaded"
        )
    lake.sign_bundle(
        model, lambda manifest: write_signature(public, private.sign(signed_bytes(manifest)))
    )
    return True


def new_key() -> tuple[str, str]:
    """A new private key and its public key, both in base64."""
    key = secrets.token_bytes(32)
    return base64.b64encode(key).decode(), public_key_of(base64.b64encode(key).decode())


def public_key_of(key: str) -> str:
    """The public key of a private one, both in base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(read_key(key, KEY_SETTING))
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()
