"""How much of an answer has come: reported while somebody waits, and limited in time and size."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasador.errors import SourceError


class TooSlow(Exception):
    """The answer is not complete within the time that it may take."""


class Received:
    """The size of an answer so far, in bytes."""

    def __init__(self, url: str, longest: float, largest: int) -> None:
        """The answer may take ``longest`` seconds and have ``largest`` bytes."""
        self._url, self._longest, self._largest = url, longest, largest
        self._began = time.monotonic()
        self.size = 0

    def add(self, size: int) -> None:
        """Count bytes; raises TooSlow, or SourceError if there are too many of them."""
        self.size += size
        if self.size > self._largest:
            raise SourceError(
                f"the source at {self._url} sent more than {self._largest:,} bytes in one answer: "
                "no batch is that large"
            )
        if time.monotonic() - self._began > self._longest:
            raise TooSlow(f"it sent {self.size:,} bytes in {self._longest:,.0f} s, and no end")

    @contextmanager
    def reported_every(self, seconds: float, say: Callable[[str], None]) -> Iterator[None]:
        """Say how much has come, every ``seconds`` until the block ends."""
        ended = threading.Event()

        def report() -> None:
            while not ended.wait(seconds):
                waited = time.monotonic() - self._began
                what = f"{self.size:,} bytes" if self.size else "nothing"
                say(f"waiting for the source at {self._url}: {what} in {waited:,.0f} s")

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            yield
        finally:
            ended.set()
            reporter.join()
