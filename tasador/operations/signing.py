"""Sign versions that were promoted before bundles were signed, or with a key that has to go."""

from __future__ import annotations

from typing import NamedTuple

from tasador.errors import RolloutError, TasadorError
from tasador.model.model_ref import ModelRef
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.stores.signing import sign_bundle
from tasador.warehouse.warehouse import Warehouse

_SEARCHED = 1000


class Signed(NamedTuple):
    """A promoted version, and why it could not be signed, or an empty text."""

    model: ModelRef
    problem: str


def sign_versions(settings: Settings, version: int | None = None, digest: str = "") -> list[Signed]:
    """Sign the promoted version (None: every one), newest first; repeating it changes nothing.

    Each bundle is verified against the digest in ops.model_history: the caller vouches for that
    history. Raises RolloutError if nothing
    was promoted under the number, ConfigurationError without a key. One version that is lost does
    not keep the others from being signed.
    """
    settings.require("database_url", "signing_key", "signing_public_keys")
    lake = Lake(settings)
    with Warehouse(settings.database_url) as warehouse:
        history = warehouse.model_history(_SEARCHED, name=settings.model_name)
    models = {
        decision.model.key: decision.model
        for decision in history
        if decision.decision != "rejected"
        and version in (None, decision.version)
        and decision.digest.startswith(digest)
    }
    if not models:
        wanted = "no version" if version is None else f"no version {version}"
        raise RolloutError(f"{wanted} of {settings.model_name} was promoted: nothing was signed")
    signed = []
    for model in models.values():
        try:
            sign_bundle(settings, lake, model)
            signed.append(Signed(model, ""))
        except TasadorError as error:
            if version is not None:
                raise
            signed.append(Signed(model, str(error)))
    return signed
