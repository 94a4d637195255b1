"""The bytes of the model that MODEL_URI names, fetched while the process still imports the rest.

Reading or downloading a bundle and checking its digests is waiting and hashing, which leave the
interpreter to others: a process that starts does both at one time.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from tasador.errors import ConfigurationError
from tasador.fetch import fetch_bundle
from tasador.manifest import Verified
from tasador.settings import Settings


class _Fetch(threading.Thread):
    """One try, whose outcome is taken once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(name="fetch", daemon=True)
        self._environ = environ
        self._found: Verified | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._found = _fetch(self._environ)
        except Exception as error:
            self._error = error

    def outcome(self) -> Verified:
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


def fetched(environ: Mapping[str, str]) -> Verified:
    """The bundle, verified: what was begun, the first time, and after that a try of its own.

    Raises as ``tasador.fetch.fetch_bundle`` does, and ConfigurationError where none is named.
    """
    return _begun.pop().outcome() if _begun else _fetch(environ)


def _fetch(environ: Mapping[str, str]) -> Verified:
    uri, digest = environ.get("MODEL_URI", ""), environ.get("MODEL_DIGEST", "")
    if not uri:
        raise ConfigurationError("MODEL_URI is not set: no model has been promoted yet")
    settings = Settings.load(environ)
    return fetch_bundle(uri, digest, _cache(settings), settings)


def _cache(settings: Settings) -> Path:
    if settings.home.is_dir() and os.access(settings.home, os.W_OK):
        return settings.home / "cache" / "bundles"
    return Path(tempfile.gettempdir()) / f"tasador-bundles-{os.getuid()}"
