"""The model that MODEL_URI names, fetched while the process still imports the rest.

Downloading a bundle, checking its digests and having xgboost's library read its trees is waiting,
hashing and C++, which leave the interpreter to others: a process that starts does both at one time.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasador.engine.xgboost_library import StoredModel
from tasador.errors import BundleError, ConfigurationError
from tasador.model.manifest import MODEL, SPREAD, Verified
from tasador.settings import Settings
from tasador.stores.bundles import fetch_bundle


class Fetched(NamedTuple):
    """A bundle whose every byte has been checked, and those of its models that were read ahead."""

    verified: Verified
    models: dict[str, StoredModel]


class _Fetch(threading.Thread):
    """One try, whose outcome is taken once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(name="fetch", daemon=True)
        self._environ = environ
        self._found: Fetched | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            verified = _fetch(self._environ)
            self._found = Fetched(verified, _read_ahead(verified.contents))
        except Exception as error:
            self._error = error

    def outcome(self) -> Fetched:
        self.join()
        if self._found is None:
            raise self._error or RuntimeError("the model was not fetched")
        return self._found


_begun: list[_Fetch] = []


def begin(environ: Mapping[str, str]) -> None:
    """Begin to fetch, if a model is named at all; never raises."""
    if environ.get("MODEL_URI"):
        fetch = _Fetch(environ)
        _begun.append(fetch)
        fetch.start()


def fetched(environ: Mapping[str, str]) -> Fetched:
    """The bundle, verified: what was begun, the first time, and after that a try of its own.

    Raises as ``tasador.stores.bundles.fetch_bundle`` does, and ConfigurationError where none is
    named.
    """
    return _begun.pop().outcome() if _begun else Fetched(_fetch(environ), {})


def _fetch(environ: Mapping[str, str]) -> Verified:
    uri, digest = environ.get("MODEL_URI", ""), environ.get("MODEL_DIGEST", "")
    if not uri:
        raise ConfigurationError("MODEL_URI is not set: no model has been promoted yet")
    settings = Settings.load(environ)
    return fetch_bundle(uri, digest, _cache(settings), settings)


def _read_ahead(contents: Mapping[str, bytes]) -> dict[str, StoredModel]:
    """The models that can be read; who loads the bundle says what is wrong with one."""
    models = {}
    for name in (MODEL, SPREAD):
        with suppress(BundleError):
            models[name] = StoredModel(contents[name])
    return models


def _cache(settings: Settings) -> Path:
    if settings.home.is_dir() and os.access(settings.home, os.W_OK):
        return settings.home / "cache" / "bundles"
    return Path(tempfile.gettempdir()) / f"tasador-bundles-{os.getuid()}"
