"""The warehouse as record and reload hold it: opened by the settings, proven once before use."""

from __future__ import annotations

import logging
import threading
import time

from functions.surface import unready
from tasador.errors import ConfigurationError, TasadorError
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

log = logging.getLogger("tasador.functions.store")

_LONGEST_PAUSE = 15.0


class Store:
    """One warehouse for the process; made when first asked for."""

    def __init__(self, *needed: str) -> None:
        """``needed`` names the settings without which the function cannot work."""
        self._needed = ("database_url", *needed)
        self._lock = threading.Lock()
        self._warehouse: Warehouse | None = None
        self._reason = "the database has not been reached yet"
        self._final = False
        self._reached = False

    def settings(self) -> Settings:
        """The settings; raises ConfigurationError that names what is not set."""
        return Settings.load().require(*self._needed)

    def warehouse(self) -> Warehouse:
        """The warehouse; raises ConfigurationError where no database is named."""
        with self._lock:
            if self._warehouse is None:
                self._warehouse = Warehouse(self.settings().database_url)
            return self._warehouse

    def load(self) -> None:
        """Reach the database and its tables, trying again; a wrong setting is not tried again."""
        pause = 0.5
        while not self._reached:
            try:
                self.warehouse().predictions(1)
                self._reached = True
            except ConfigurationError as error:
                self._reason, self._final = str(error), True
                log.error(self._reason)
                return
            except TasadorError as error:
                # No answer, or no tables yet: on a new cluster they are being made beside this.
                self._reason = str(error)
                log.warning(self._reason)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def ready(self) -> None:
        """Raise a Problem while the database has not been reached."""
        if not self._reached:
            raise unready(self._reason, final=self._final)

    def close(self) -> None:
        """Close the connections."""
        if self._warehouse is not None:
            self._warehouse.close()
