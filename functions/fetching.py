"""Fetches the model that MODEL_URI names while the process still imports its modules.

Downloading a bundle, verifying its digests and loading its trees in xgboost's library all release
the interpreter's lock, so they run at the same time as the imports.
"""

from __future__ import annotations

import os
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
    """A bundle with every byte verified, and those of its models that are loaded already."""

    verified: Verified
    models: dict[str, StoredModel]


class _Fetch(threading.Thread):
    """Fetches once; ``result`` waits for it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(name="fetch", daemon=True)
        self._environ = environ
        self._result: Fetched | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            verified = _fetch(self._environ)
            self._result = Fetched(verified, _load_models(verified.contents))
        except Exception as error:
            self._error = error

    def result(self) -> Fetched:
        self.join()
        if self._result is None:
            raise self._error or RuntimeError("the model was not fetched")
        return self._result


_started: list[_Fetch] = []


def start(environ: Mapping[str, str]) -> None:
    """Start to fetch, if the environment names a model; never raises."""
    if environ.get("MODEL_URI"):
        fetch = _Fetch(environ)
        _started.append(fetch)
        fetch.start()


def fetched(environ: Mapping[str, str]) -> Fetched:
    """The verified bundle. The first call waits for ``start``; later calls fetch again.

    Raises what ``tasador.stores.bundles.fetch_bundle`` raises, and ConfigurationError without
    MODEL_URI.
    """
    return _started.pop().result() if _started else Fetched(_fetch(environ), {})


def _fetch(environ: Mapping[str, str]) -> Verified:
    uri, digest = environ.get("MODEL_URI", ""), environ.get("MODEL_DIGEST", "")
    if not uri:
        raise ConfigurationError("MODEL_URI is not set: no model has been promoted yet")
    settings = Settings.load(environ)
    return fetch_bundle(uri, digest, _cache_folder(settings), settings)


def _load_models(contents: Mapping[str, bytes]) -> dict[str, StoredModel]:
    """The models that load. Loading the bundle reports what is wrong with the others."""
    models = {}
    for name in (MODEL, SPREAD):
        with suppress(BundleError):
            models[name] = StoredModel(contents[name])
    return models


def _cache_folder(settings: Settings) -> Path:
    if settings.home.is_dir() and os.access(settings.home, os.W_OK):
        return settings.home / "cache" / "bundles"
    import tempfile  # seldom needed

    return Path(tempfile.gettempdir()) / f"tasador-bundles-{os.getuid()}"
