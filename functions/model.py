"""The model that a process serves: fetched, verified and proven on its golden rows, or a reason why
not."""

from __future__ import annotations

import logging
import os
import threading
import time
from functools import cache

from functions.fetching import fetched
from functions.observability import MODEL_LOADED
from functions.surface import quicken, unready
from tasador.errors import BundleError, ConfigurationError, StoreUnavailable
from tasador.listings.listing import Listing
from tasador.model.bundle import GOLDEN_TOLERANCE, Bundle

log = logging.getLogger("tasador.functions.model")

_LONGEST_PAUSE = 15.0
# So long a process that starts lets requests wait for its model (seconds), since that is sooner
# there than a caller who was sent away comes back.
_PATIENCE = 5.0
# For so long (seconds) those who have waited have the interpreter for themselves.
_FIRST_TURN = 0.02


class ServedModel:
    """Loads MODEL_URI once. The host gives the loading a thread, and requests that come before its
    first try has ended wait for it; without a host the first request does it.

    ``explains``: the function explains prices, so that is made fast too."""

    def __init__(self, *, explains: bool = False) -> None:
        self._explains = explains
        self._lock = threading.Lock()
        self._bundle: Bundle | None = None
        self._reason = "the model is being loaded"
        self._final = False
        self._tried = threading.Event()
        self._begun: float | None = None

    def load(self) -> None:
        """Load until it is loaded or can never be; an unavailable store alone is tried again."""
        self._begun = time.monotonic()
        loaded = self._attempt()
        self._tried.set()
        pause = 0.5
        while not loaded and not self._final:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            loaded = self._attempt()
        if loaded:
            time.sleep(_FIRST_TURN)
            self._optimise()
            quicken()

    def bundle(self) -> Bundle:
        """The loaded bundle; raises a Problem (503) that says why there is none."""
        if self._bundle is None:
            if self._begun is None:
                self._attempt()
            else:
                self._tried.wait(max(self._begun + _PATIENCE - time.monotonic(), 0.0))
        return self.loaded()

    @property
    def here(self) -> bool:
        """Whether ``bundle`` gives one at once."""
        return self._bundle is not None

    def loaded(self) -> Bundle:
        """As ``bundle``, but never waits."""
        if self._bundle is None:
            raise unready(self._reason, final=self._final)
        return self._bundle

    def _optimise(self) -> None:
        """Switch to the fast engine; if it cannot be built or verified, the library stays."""
        bundle = self.loaded()
        try:
            bundle.encoders.comparables.build_index()
            if bundle.stored_trees is None:
                log.warning("the bundle has format 4, without arrays of its trees: prices are slow")
                return
            from tasador.engine.fast_engine import fast_engine  # not needed for a first answer

            bundle.engine = fast_engine(bundle.engine, bundle.stored_trees, explains=self._explains)
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
                self._reason = f"the model is not loaded yet: {error}"
                log.warning(self._reason)
                return False
            except (BundleError, ConfigurationError) as error:
                self._reason, self._final = f"the model cannot be loaded: {error}", True
                log.error(self._reason)
                return False
            except Exception:
                # Whatever it was, the process must go on saying that it is not ready.
                self._reason, self._final = "the model cannot be loaded; the log says why", True
                log.exception(self._reason)
                return False
            manifest = self._bundle.manifest
            seconds = round(time.perf_counter() - started, 3)
            log.info(
                "model loaded",
                extra={
                    "fields": {
                        "model": f"{manifest.name}@{manifest.version}",
                        "digest": manifest.digest,
                        "seconds": seconds,
                        "correlation_id": correlation_id(),
                    }
                },
            )
            MODEL_LOADED.set(1)
            return True


def _load(environ: os._Environ[str]) -> Bundle:
    bundle = Bundle.of(*fetched(environ))
    manifest = bundle.manifest
    for variable, stated in (("MODEL_NAME", manifest.name), ("MODEL_VERSION", manifest.version)):
        wanted = environ.get(variable, "")
        if wanted and wanted != str(stated):
            raise BundleError(f"{variable} is {wanted}, but {environ['MODEL_URI']} says {stated}")
    difference = bundle.check_golden()
    # Also true of a NaN.
    if not difference <= GOLDEN_TOLERANCE:
        raise BundleError(
            f"the golden rows of {environ['MODEL_URI']} are answered {difference:.2%} away from "
            f"what training expects (at most {GOLDEN_TOLERANCE:.2%})"
        )
    # The first prediction of a process would otherwise pay for what is made on demand.
    bundle.predict_one(Listing())
    return bundle


@cache
def correlation_id() -> str:
    """The id of the ingest that led to this process's model."""
    return os.environ.get("MODEL_CORRELATION_ID", "")


@cache
def revision() -> str:
    """The name of the Revision that this process is of; empty outside the platform."""
    return os.environ.get("K_REVISION", "")
