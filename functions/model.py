"""The model of a process: fetched, verified and checked on its golden rows."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from functions.fetching import fetched
from functions.http import REASON_SECONDS, not_ready
from functions.json_text import use_orjson
from functions.observability import MODEL_INFO, MODEL_LOAD_FAILURES, MODEL_LOADED
from functions.peers import another_serves
from tasador.clock import backoff
from tasador.errors import (
    BundleError,
    ConfigurationError,
    StoreRefused,
    StoreUnavailable,
    TasadorError,
)
from tasador.model.bundle import Bundle
from tasador.model.golden import GOLDEN_TOLERANCE
from tasador.model.manifest import Manifest
from tasador.model.model_ref import ANSWER, ENVIRONMENT, PREDICTION, ModelRef
from tasador.settings import Settings, may_change

log = logging.getLogger("tasador.functions.model")

# Why an attempt to load the model fails.
_CAUSES = ("unavailable", "refused", "bundle", "setting", "other")
# Between two attempts to load the model (seconds).
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
# A starting process lets requests wait for its model this long (seconds): it loads sooner than a
# caller who got a 503 would try again.
_MAX_WAIT = 5.0
# The requests that waited are answered before the fast paths are built (seconds).
_FIRST_REQUESTS_SECONDS = 0.02


class ServedModel:
    """Loads MODEL_URI once.

    The host calls ``load`` in a thread. Requests that arrive during its first attempt wait for it.
    Without a host the first request loads the model. ``explains``: the fast engine is built for
    explanations too.
    """

    def __init__(self, *, explains: bool = False) -> None:
        self._explains = explains
        self._lock = threading.Lock()
        self._bundle: Bundle | None = None
        self._reason = "the model is being loaded"
        self._final = False
        self._failures = 0
        self._has_peer = False
        self._attempted = threading.Event()
        self._load_started: float | None = None
        MODEL_LOADED.labels().set(0)
        for cause in _CAUSES:
            MODEL_LOAD_FAILURES.labels(cause)

    def load(self) -> None:
        """Load until it succeeds, however long a store or an object is missing.

        Only a wrong setting is final: keys are rotated, objects are restored, disks get room.
        """
        self._load_started = time.monotonic()
        loaded = self._attempt()
        self._attempted.set()
        pauses = backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        reported = False
        while not loaded and not self._final:
            self._has_peer = another_serves()
            if not reported and time.monotonic() - self._load_started >= REASON_SECONDS:
                reported = True
                _report(self._reason)
            time.sleep(next(pauses))
            loaded = self._attempt()
        if loaded:
            time.sleep(_FIRST_REQUESTS_SECONDS)
            self._use_fast_engine(self.require())
            use_orjson()

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded."""
        return self._bundle is not None

    def require(self) -> Bundle:
        """The loaded bundle; raises HttpProblem 503 at once if there is none."""
        if self._bundle is None:
            raise not_ready(
                self._reason,
                final=self._final,
                failures=self._failures,
                has_peer=self._has_peer,
            )
        return self._bundle

    def wait_for_bundle(self) -> Bundle:
        """The loaded bundle. Waits for the first attempt; raises HttpProblem 503 if it fails."""
        if self._bundle is None:
            if self._load_started is None:
                self._attempt()
            else:
                self._attempted.wait(max(self._load_started + _MAX_WAIT - time.monotonic(), 0.0))
        return self.require()

    def _use_fast_engine(self, bundle: Bundle) -> None:
        """Switch to the fast engine; if it cannot be built or verified, the library stays."""
        try:
            bundle.encoders.comparables.build_index()
            stored_trees = bundle.stored_trees()
            if stored_trees is None:
                log.warning("the bundle has format 4, without arrays of its trees: prices are slow")
                return
            from tasador.engine.fast_engine import fast_engine  # not needed for a first answer

            bundle.engine = fast_engine(bundle.engine, stored_trees, explains=self._explains)
        except Exception:
            log.exception("the fast engine cannot be used: the library evaluates the model")

    def _attempt(self) -> bool:
        with self._lock:
            if self._bundle is not None or self._final:
                return self._bundle is not None
            started = time.perf_counter()
            try:
                self._bundle = _load(os.environ)
            except StoreUnavailable as error:
                cause = "refused" if isinstance(error, StoreRefused) else "unavailable"
                return self._failed(cause, f"the model is not loaded yet: {error}")
            except BundleError as error:
                return self._failed("bundle", f"the model cannot be loaded: {error}")
            except ConfigurationError as error:
                self._final = not (os.environ.get("MODEL_URI") and may_change())
                return self._failed("setting", f"the model cannot be loaded: {error}")
            except Exception as error:
                # The process must keep reporting that it is not ready, whatever happened.
                log.exception("the model cannot be loaded")
                return self._failed("other", f"the model cannot be loaded: {error!r}; see the log")
            manifest = self._bundle.manifest
            log.info(
                "model loaded",
                extra={
                    "fields": {
                        "model": f"{manifest.name}@{manifest.version}",
                        "digest": manifest.digest,
                        "seconds": round(time.perf_counter() - started, 3),
                        "correlation_id": correlation_id(),
                    }
                },
            )
            MODEL_LOADED.labels().set(1)
            MODEL_INFO.labels(manifest.name, str(manifest.version), str(_promoted().promotion)).set(
                1
            )
            return True

    def _failed(self, cause: str, reason: str) -> bool:
        # Once the count is above 0, probes and the platform may give the reason to callers.
        self._reason, self._failures = reason, self._failures + 1
        MODEL_LOAD_FAILURES.labels(cause).inc()
        log.log(logging.ERROR if self._final else logging.WARNING, reason)
        return False


def _load(environ: os._Environ[str]) -> Bundle:
    bundle = Bundle.of(*fetched(environ))
    manifest = bundle.manifest
    for variable, stated in (("MODEL_NAME", manifest.name), ("MODEL_VERSION", manifest.version)):
        required = environ.get(variable, "")
        if required and required != str(stated):
            raise BundleError(f"{variable} is {required}, but {environ['MODEL_URI']} has {stated}")
    difference = bundle.check_golden()
    # ``not <=``: a NaN fails too.
    if not difference <= GOLDEN_TOLERANCE:
        raise BundleError(
            f"the prices of the golden rows of {environ['MODEL_URI']} differ by {difference:.2%} "
            f"from those of training (at most {GOLDEN_TOLERANCE:.2%} is allowed)"
        )
    return bundle


def _report(reason: str) -> None:
    """Publish that the model is unavailable. Nobody waits for the event, and it may be lost."""
    from tasador.events import build
    from tasador.events.publish import publish

    if not (broker_url := os.environ.get("K_SINK")):
        return
    service = os.environ.get("K_SERVICE", "")
    try:
        publish(
            build.model_unavailable(_promoted(), service, revision(), reason),
            broker_url,
            key=Settings.load().events_key,
        )
    except TasadorError as error:
        log.warning("%s", error)


@cache
def _promoted() -> ModelRef:
    """The model that this process's revision was created for."""
    return ModelRef.read_text(ENVIRONMENT, os.environ)


class Served(NamedTuple):
    """The loaded model as answers and prediction records name it; not to be changed."""

    answer: Mapping[str, Any]
    columns: Mapping[str, Any]


def served(manifest: Manifest) -> Served:
    """The loaded model: named by its bundle, promoted by this process's revision."""
    return _served(manifest.name, manifest.version, manifest.digest)


@cache
def _served(name: str, version: int, digest: str) -> Served:
    # Once for each process: every prediction needs both.
    model = replace(_promoted(), name=name, version=version, digest=digest)
    return Served(model.write(ANSWER), model.write(PREDICTION))


def correlation_id() -> str:
    """The id of the ingest that led to this process's model."""
    return _promoted().correlation_id


@cache
def revision() -> str:
    """The name of this process's Revision; empty outside the platform."""
    return os.environ.get("K_REVISION", "")
