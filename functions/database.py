"""The warehouse of record and reload: opened from the settings, reached once before use."""

from __future__ import annotations

import logging
import threading
import time

from functions.http import not_ready
from tasador.clock import backoff
from tasador.errors import ConfigurationError, TasadorError
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

log = logging.getLogger("tasador.functions.database")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class Database:
    """The process's warehouse, created at its first use."""

    def __init__(self, *required_settings: str) -> None:
        """``required_settings``: without these, and without ``database_url``, it never works."""
        self._required = ("database_url", *required_settings)
        self._lock = threading.Lock()
        self._warehouse: Warehouse | None = None
        self._reason = "the database has not been reached yet"
        self._final = False
        self._reached = False

    def settings(self) -> Settings:
        """The settings; raises ConfigurationError that names a missing one."""
        return Settings.load().require(*self._required)

    def warehouse(self) -> Warehouse:
        """The warehouse; raises ConfigurationError where no database is configured."""
        with self._lock:
            if self._warehouse is None:
                self._warehouse = Warehouse(self.settings().database_url)
            return self._warehouse

    def load(self) -> None:
        """Try until the database answers and has its tables. A wrong setting is not retried."""
        for pause in backoff(_FIRST_PAUSE, _LONGEST_PAUSE):
            try:
                self.warehouse().predictions(1)
                self._reached = True
                return
            except ConfigurationError as error:
                self._reason, self._final = str(error), True
                log.error(self._reason)
                return
            except TasadorError as error:
                # No answer, or no tables: on a new cluster the platform is still creating them.
                self._reason = str(error)
                log.warning(self._reason)
            time.sleep(pause)

    def check_ready(self) -> None:
        """Raise HttpProblem 503 until the database has been reached."""
        if not self._reached:
            raise not_ready(self._reason, final=self._final)

    def close(self) -> None:
        """Close the connections."""
        if self._warehouse is not None:
            self._warehouse.close()
