"""The client of the batch source: fetches a batch to a file, and knows every documented answer."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from tasador.errors import ConfigurationError, ServiceUnavailable, SourceError, SourceExhausted
from tasador.source.payload import broken_off, read_head
from tasador.source.refusals import says_used_up

T = TypeVar("T")

_WORTH_ANOTHER_TRY = frozenset({429, 502, 503, 504})
_LONGEST_WORDS = 64 * 1024
_LONGEST_PAUSE = 15.0  # seconds
_SHOWN = 300
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class _TryAgain(Exception):
    """What went wrong this time may be right the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBatch:
    """A payload that came complete: where it lies, its size in bytes, and what it says it is."""

    path: Path
    group_number: int
    day: str
    batch_number: int
    size: int


@dataclass(frozen=True, slots=True)
class SourceClient:
    """A client of the course's API for one group and day.

    ``retries`` bounds how often a request is tried again after it failed for a passing reason: no
    connection, 429, 502, 503, 504, or a body that broke off. Pauses grow from ``backoff`` seconds.
    A server that advances at every call may have counted a batch as delivered that broke off: the
    next ``batch_number`` then leaves a gap, and ``restart`` is the way back.
    """

    url: str
    group: int
    day: str
    retries: int = 5
    backoff: float = 0.5
    # A server may take long to begin a batch of 100 MB.
    timeout: float = 180.0

    def fetch(self, path: Path) -> FetchedBatch:
        """Fetch the next batch into ``path``, which appears only when the payload is complete.

        Raises SourceExhausted when all batches are handed out, SourceError (with the server's
        words) for any other answer that is no batch, ServiceUnavailable after the last retry.
        """
        return self._retried(lambda client: self._fetch(client, path))

    def restart(self) -> None:
        """Have the source begin again with batch 0; raises as ``fetch`` does."""
        self._retried(self._restart)

    def _fetch(self, client: httpx.Client, path: Path) -> FetchedBatch:
        part = path.with_name(path.name + ".part")
        try:
            with client.stream("GET", "/data", params=self._query()) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise self._refusal(answer)
                size = _write(answer, part)
            self._check(part, size)
            head = read_head(part)
            if head.group_number not in (None, self.group):
                raise SourceError(
                    f"{self.url} answered for group {head.group_number} instead of {self.group}"
                )
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return FetchedBatch(
            path=path,
            group_number=self.group,
            day=self.day,
            batch_number=head.batch_number,
            size=size,
        )

    def _restart(self, client: httpx.Client) -> None:
        with client.stream("GET", "/restart_data_generation", params=self._query()) as answer:
            if answer.status_code != httpx.codes.OK:
                raise self._refusal(answer)
            words = _read_words(answer)
        try:
            json.loads(words)
        except ValueError:
            raise SourceError(f"{self.url} did not restart; it says: {_shown(words)}") from None

    def _query(self) -> dict[str, str]:
        return {"group_number": str(self.group), "day": self.day}

    def _retried(self, request: Callable[[httpx.Client], T]) -> T:
        trouble = ""
        limits = httpx.Timeout(self.timeout, connect=min(self.timeout, 10.0))
        try:
            client = httpx.Client(base_url=self.url, timeout=limits, follow_redirects=True)
        except httpx.InvalidURL as error:
            raise self._no_address(error) from error
        with client:
            for attempt in range(self.retries + 1):
                if attempt:
                    longest = min(_LONGEST_PAUSE, self.backoff * 2 ** (attempt - 1))
                    time.sleep(random.uniform(longest / 2, longest))
                try:
                    return request(client)
                except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                    raise self._no_address(error) from error
                except httpx.TooManyRedirects as error:
                    raise SourceError(f"{self.url} redirects in circles: {error}") from error
                except _TryAgain as passing:
                    trouble = str(passing)
                except httpx.RequestError as error:
                    trouble = f"{type(error).__name__}: {error}".rstrip(": ")
        tries = f" in {self.retries + 1} tries" if self.retries else ""
        raise ServiceUnavailable(f"the source at {self.url} gave no whole answer{tries}: {trouble}")

    def _no_address(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(f"TASADOR_SOURCE_URL is {self.url!r}, no http address: {error}")

    def _refusal(self, answer: httpx.Response) -> Exception:
        """The exception for an answer other than 200."""
        status, words = answer.status_code, _read_words(answer)
        if status in _WORTH_ANOTHER_TRY:
            return _TryAgain(f"HTTP {status}: {_shown(words)}")
        return self._said(words, f"HTTP {status}")

    def _said(self, words: str, status: str) -> Exception:
        try:
            # \u escapes hide the accents from a search in the text.
            readable = json.dumps(json.loads(words), ensure_ascii=False)
        except ValueError:
            readable = words
        if says_used_up(readable):
            return SourceExhausted(f"the source at {self.url} has no further batch")
        asked = f"group {self.group}, day {self.day}"
        return SourceError(f"the source at {self.url} ({asked}) answered {status}: {_shown(words)}")

    def _check(self, part: Path, size: int) -> None:
        """Raise for a 200 that is a page or a message instead of a payload, or half a payload."""
        with part.open("rb") as file:
            begin = file.read(_LONGEST_WORDS)
        is_object = begin.lstrip()[:1] == b"{"
        # Framing tells of most broken bodies, but a proxy may frame half an answer well.
        if is_object and not _looks_complete(part) and broken_off(part):
            raise _TryAgain(f"the answer broke off after {size:,} bytes")
        if not is_object or (size == len(begin) and b'"data"' not in begin):
            raise self._said(begin.decode("utf-8", "replace"), "HTTP 200 without a batch")


def _write(answer: httpx.Response, part: Path) -> int:
    size = 0
    with part.open("wb") as file:
        for chunk in answer.iter_bytes():
            size += file.write(chunk)
    return size


def _looks_complete(part: Path) -> bool:
    """Whether brackets balance: a fast yes, where only a parse can tell a sure no."""
    opened = closed = 0
    with part.open("rb") as file:
        while chunk := file.read(1 << 20):
            opened += chunk.count(b"{") + chunk.count(b"[")
            closed += chunk.count(b"}") + chunk.count(b"]")
    return opened == closed


def _read_words(answer: httpx.Response) -> str:
    """The beginning of a short answer, as text."""
    begin = b""
    for chunk in answer.iter_bytes():
        begin += chunk
        if len(begin) >= _LONGEST_WORDS:
            break
    return begin[:_LONGEST_WORDS].decode("utf-8", "replace")


def _shown(words: str) -> str:
    """An answer's words for a message: the detail of JSON, the text of a page."""
    try:
        value = json.loads(words)
    except ValueError:
        text = _TAG.sub(" ", words)
    else:
        detail = value.get("detail", value) if isinstance(value, dict) else value
        text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    return " ".join(text.split())[:_SHOWN] or "nothing"
