"""The warehouse of record and reload: reached before use, then watched."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

from functions.http import not_ready
from functions.observability import STORE_FAILURES, STORES_REACHABLE
from tasador.clock import backoff
from tasador.errors import ConfigurationError, StoreRefused, TasadorError
from tasador.settings import Settings, may_change
from tasador.warehouse.warehouse import Warehouse

log = logging.getLogger("tasador.functions.database")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
# Between two checks whether the stores still accept the current credentials (seconds).
_WATCH_SECONDS = 10.0


class Database:
    """The process's warehouse, created at its first use.

    Each new connection uses the settings of that moment, so a rotated password needs no restart.
    """

    def __init__(self, *required_settings: str, also: Callable[[], None] = lambda: None) -> None:
        """``required_settings``: without these, and without ``database_url``, it never works.

        ``also`` checks what else the function needs; it raises a TasadorError with the reason.
        """
        self._required = ("database_url", *required_settings)
        self._also = also
        self._lock = threading.Lock()
        self._warehouse: Warehouse | None = None
        self._reason = "the database has not been reached yet"
        self._final = False
        self._failures = 0
        self._reached = False
        self._closed = threading.Event()
        STORES_REACHABLE.labels().set(0)
        for cause in ("unavailable", "refused", "other"):
            STORE_FAILURES.labels(cause)

    def settings(self) -> Settings:
        """The current settings; raises ConfigurationError that names a missing one."""
        return Settings.load().require(*self._required)

    def warehouse(self) -> Warehouse:
        """The warehouse; raises ConfigurationError where no database is configured."""
        with self._lock:
            if self._warehouse is None:
                self._warehouse = Warehouse(lambda: self.settings().database_url)
            return self._warehouse

    def load(self) -> None:
        """Try until the database answers and has its tables, then watch it in another thread.

        A setting that is wrong is not tried again, unless it is mounted and may be corrected.
        """
        pauses = backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while not (self._try(lambda: self.warehouse().predictions(1)) or self._final):
            if self._closed.wait(next(pauses)):
                return
        if not self._final:
            threading.Thread(target=self._watch, name="watch", daemon=True).start()

    @property
    def is_connected(self) -> bool:
        """Whether the database, and what else is checked, was in reach at the last check."""
        return self._reached

    def check_ready(self) -> None:
        """Raise HttpProblem 503 while the database, or what else is checked, is out of reach."""
        if not self._reached:
            raise not_ready(self._reason, final=self._final, failures=self._failures)

    def close(self) -> None:
        """Close the connections."""
        self._closed.set()
        if self._warehouse is not None:
            self._warehouse.close()

    # -- inside ---------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Notice what is refused before a request does, and when it is accepted again."""
        pauses: Iterator[float] | None = None
        pause = _WATCH_SECONDS
        while not self._closed.wait(pause):
            if self._try(self._check):
                pauses, pause = None, _WATCH_SECONDS
            else:
                pauses = pauses or backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
                pause = next(pauses)

    def _check(self) -> None:
        self.warehouse().log_in()
        self._also()

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except TasadorError as error:
            # No answer, or no tables: on a new cluster the platform is still creating them.
            self._final = isinstance(error, ConfigurationError) and not may_change()
            cause = "refused" if isinstance(error, StoreRefused) else "unavailable"
            self._failed(cause, str(error))
            return False
        except Exception as error:
            log.exception("unexpected error of a store")
            self._failed("other", f"{error!r}; the log has the details")
            return False
        if self._failures:
            log.info("the stores are in reach again")
        self._reached, self._failures = True, 0
        STORES_REACHABLE.labels().set(1)
        return True

    def _failed(self, cause: str, reason: str) -> None:
        self._reason, self._failures, self._reached = reason, self._failures + 1, False
        STORES_REACHABLE.labels().set(0)
        STORE_FAILURES.labels(cause).inc()
        log.log(logging.ERROR if self._final else logging.WARNING, reason)
