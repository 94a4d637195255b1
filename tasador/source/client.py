"""The client of the batch source: fetches a batch into a file and knows every documented answer."""

from __future__ import annotations

import codecs
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np

from tasador.clock import backoff, retry
from tasador.errors import ConfigurationError, ServiceUnavailable, SourceError, SourceExhausted
from tasador.machine.environment import LOOPBACK, PROXIES, variables
from tasador.machine.http import verification
from tasador.source.payload import is_truncated, read_head
from tasador.source.received import Received, TooSlow
from tasador.source.refusals import is_used_up

T = TypeVar("T")

_TEMPORARY = frozenset({429, 500, 502, 503, 504})
_LONGEST_MESSAGE = 64 * 1024  # bytes
_LONGEST_PAUSE = 15.0  # seconds
_EXCERPT = 300  # characters
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class _TemporaryFailure(Exception):
    """A request failed for a reason that may pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBatch:
    """A complete payload: its file, its size in bytes, and its head."""

    path: Path
    group_number: int
    day: str
    batch_number: int
    size: int


@dataclass(frozen=True, slots=True)
class SourceClient:
    """A client of the course's API for one group and day.

    A request that fails for a temporary reason (no connection, 429, 500, 502 to 504, or a truncated
    body) is retried at most ``retries`` times, with pauses that grow from ``backoff`` seconds.
    A server that advances at every call may count a truncated batch as delivered. The next
    ``batch_number`` then leaves a gap, and ``restart`` is the only remedy.

    ``say`` gets a line every ``said_every`` seconds of waiting. An answer may take ``longest``
    seconds and have ``largest`` bytes.
    """

    url: str
    group: int
    day: str
    retries: int = 5
    backoff: float = 0.5
    # Seconds. A server may take long to start sending a batch of 100 MB.
    timeout: float = 180.0
    longest: float = 1_800.0
    largest: int = 4 << 30
    said_every: float = 20.0
    say: Callable[[str], None] = lambda _: None

    def fetch(self, path: Path, begun: Callable[[Path], None] | None = None) -> FetchedBatch:
        """Fetch the next batch into ``path``, which appears only when the payload is complete.

        ``begun`` is called for each answer with status 200 that begins: with the file that grows
        until the answer is complete.

        Raises SourceExhausted when all batches are handed out, SourceError (with the server's
        message) for any other answer that is not a batch, ServiceUnavailable after the last retry.
        """
        return self._with_retries(lambda client: self._fetch(client, path, begun))

    def restart(self) -> None:
        """Make the source start again with batch 0; raises as ``fetch`` does."""
        self._with_retries(self._restart)

    def _fetch(
        self, client: httpx.Client, path: Path, begun: Callable[[Path], None] | None
    ) -> FetchedBatch:
        part = path.with_name(path.name + ".part")
        received = Received(self.url, self.longest, self.largest)
        try:
            with (
                received.reported_every(self.said_every, self.say),
                client.stream("GET", "/data", params=self._query()) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise self._error_of(answer)
                balanced = _write(answer, part, received, begun)
            self._check(part, received.size, balanced)
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
            size=received.size,
        )

    def _restart(self, client: httpx.Client) -> None:
        with client.stream("GET", "/restart_data_generation", params=self._query()) as answer:
            if answer.status_code != httpx.codes.OK:
                raise self._error_of(answer)
            message = _read_message(answer)
        try:
            json.loads(message)
        except (ValueError, RecursionError):
            raise SourceError(f"{self.url} did not restart; it says: {_excerpt(message)}") from None

    def _query(self) -> dict[str, str]:
        return {"group_number": str(self.group), "day": self.day}

    def _with_retries(self, request: Callable[[httpx.Client], T]) -> T:
        limits = httpx.Timeout(self.timeout, connect=min(self.timeout, 10.0))
        try:
            trust_env = httpx.URL(self.url).host not in LOOPBACK
            client = httpx.Client(
                base_url=self.url,
                timeout=limits,
                follow_redirects=True,
                trust_env=trust_env,
                verify=verification(self.url, trust_env=trust_env),
            )
        except httpx.InvalidURL as error:
            raise self._bad_address(error) from error
        except (OSError, ValueError, ImportError) as error:
            raise ConfigurationError(
                f"no client of the source {self.url} can be created: {error}; see "
                f"{', '.join(variables('SSL_CERT_FILE', 'SSL_CERT_DIR', *PROXIES))}"
            ) from error
        pauses = (
            random.uniform(pause / 2, pause) for pause in backoff(self.backoff, _LONGEST_PAUSE)
        )
        with client:
            try:
                return retry(
                    lambda: self._attempt(client, request),
                    _TemporaryFailure,
                    pauses,
                    attempts=self.retries + 1,
                )
            except _TemporaryFailure as error:
                tries = f" in {self.retries + 1} tries" if self.retries else ""
                raise ServiceUnavailable(
                    f"the source at {self.url} gave no whole answer{tries}: {error}"
                ) from error

    def _attempt(self, client: httpx.Client, request: Callable[[httpx.Client], T]) -> T:
        try:
            return request(client)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise self._bad_address(error) from error
        except httpx.TooManyRedirects as error:
            raise SourceError(f"{self.url} redirects in circles: {error}") from error
        except TooSlow as error:
            raise _TemporaryFailure(str(error)) from error
        except httpx.RequestError as error:
            raise _TemporaryFailure(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    def _bad_address(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"TASADOR_SOURCE_URL is {self.url!r}, not an http address: {error}"
        )

    def _error_of(self, answer: httpx.Response) -> Exception:
        """The exception for an answer other than 200."""
        status, message = answer.status_code, _read_message(answer)
        if status in _TEMPORARY:
            return _TemporaryFailure(f"HTTP {status}: {_excerpt(message)}")
        return self._error_of_message(message, f"HTTP {status}")

    def _error_of_message(self, message: str, status: str) -> Exception:
        try:
            # \u escapes would hide the accents from a search in the text.
            readable = json.dumps(json.loads(message), ensure_ascii=False)
        except (ValueError, RecursionError):
            readable = message
        if is_used_up(readable):
            return SourceExhausted(f"the source at {self.url} has no further batch")
        request = f"group {self.group}, day {self.day}"
        return SourceError(
            f"the source at {self.url} ({request}) answered {status}: {_excerpt(message)}"
        )

    def _check(self, part: Path, size: int, balanced: bool) -> None:
        """Raise if a 200 is a page or a message instead of a payload, or a truncated payload.

        ``balanced``: whether its braces balance, the outermost too. Then it is complete, and need
        not be parsed to tell.
        """
        with part.open("rb") as file:
            begin = file.read(_LONGEST_MESSAGE)
        is_object = begin.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"
        # HTTP framing reveals most truncated bodies, but a proxy may frame half an answer well.
        if is_object and not balanced and is_truncated(part):
            raise _TemporaryFailure(f"the answer broke off after {size:,} bytes")
        if not is_object or (size == len(begin) and b'"data"' not in begin):
            message = begin.decode("utf-8", "replace")
            raise self._error_of_message(message, "HTTP 200 without a batch")


def _write(
    answer: httpx.Response, part: Path, received: Received, begun: Callable[[Path], None] | None
) -> bool:
    """Write the answer to ``part``; returns whether as many braces close as open."""
    open_braces = 0
    with part.open("wb") as file:
        if begun is not None:
            begun(part)
        for chunk in answer.iter_bytes():
            received.add(file.write(chunk))
            # bytes.count takes six times as long.
            characters = np.frombuffer(chunk, dtype=np.uint8)
            open_braces += int(np.count_nonzero(characters == ord("{")))
            open_braces -= int(np.count_nonzero(characters == ord("}")))
    return open_braces == 0


def _read_message(answer: httpx.Response) -> str:
    """The start of an answer, as text."""
    begin = b""
    for chunk in answer.iter_bytes():
        begin += chunk
        if len(begin) >= _LONGEST_MESSAGE:
            break
    return begin[:_LONGEST_MESSAGE].decode("utf-8", "replace")


def _excerpt(message: str) -> str:
    """What an answer says, for an error: the detail of JSON, or the text of a page."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        text = _TAG.sub(" ", message)
    else:
        detail = value.get("detail", value) if isinstance(value, dict) else value
        text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    return " ".join(text.split())[:_EXCERPT] or "nothing"
