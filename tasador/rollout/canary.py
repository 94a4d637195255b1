"""Canary steps: the candidate gets a share of the traffic for a while, and is then judged.

``TASADOR_CANARY=10:30,50:30`` gives a candidate 10 % of the traffic for 30 seconds, then 50 % for
30 seconds, then all of it. During each step the candidate and the serving revision are sent the
same golden rows at separate addresses, under the load that each has by then. Errors and latency
decide whether the rollout continues.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from tasador.clock import wait_until
from tasador.errors import ConfigurationError, RolloutError
from tasador.records.prediction import SMOKE_TEST_HEADER

if TYPE_CHECKING:
    import httpx

# The broker waits for reload's answer, so all steps together must not take longer (seconds).
_LONGEST = 150.0
_PAUSE = 0.2
_TIMEOUT = 5.0
_REACHABLE_WITHIN = 30.0
# Fewer requests than this prove nothing about a candidate. A step on a busy machine takes longer
# than it was given, for at most this many seconds, until it has sent them.
_MIN_REQUESTS = 10
_EXTRA_SECONDS = 15.0
# One request in a hundred may fail. Of fewer, one may get no answer: a busy network loses it, too.
_MAX_EXTRA_ERRORS = 0.01
_MAX_LOST = 1
# The candidate's median may be twice the serving revision's, plus 0.05 seconds.
_MAX_SLOWDOWN, _MARGIN_SECONDS = 2.0, 0.05

_PATHS = {"predict": "/predict", "explain": "/explain"}


@dataclass(frozen=True, slots=True)
class CanaryStep:
    """``percent`` of the traffic for ``seconds``."""

    percent: int
    seconds: float


def read_steps(text: str) -> tuple[CanaryStep, ...]:
    """Parse steps such as ``10:30,50:30``; an empty text has none. Raises ConfigurationError.

    Shares grow and end at 50 %, because the revision with more traffic is the one in service.
    """
    steps = []
    for part in filter(None, text.replace(" ", "").split(",")):
        percent, _, seconds = part.partition(":")
        try:
            step = CanaryStep(int(percent), float(seconds))
        except ValueError:
            raise _wrong(text, f"{part!r} is not PERCENT:SECONDS") from None
        if not 1 <= step.percent <= 50:
            raise _wrong(text, f"{step.percent} is not a share from 1 to 50")
        if not 0 < step.seconds < math.inf:
            raise _wrong(text, f"{seconds} is not a time in seconds")
        steps.append(step)
    if [step.percent for step in steps] != sorted({step.percent for step in steps}):
        raise _wrong(text, "the shares do not grow")
    if sum(step.seconds for step in steps) > _LONGEST:
        raise _wrong(text, f"the steps take more than {_LONGEST:.0f} s")
    return tuple(steps)


def _wrong(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"TASADOR_CANARY is {text!r}: {why}; an example is 10:30,50:30")


@dataclass(slots=True)
class Responses:
    """How one revision answered: the seconds of each good answer, and a text for each failure.

    ``lost`` of the failures got no answer at all.
    """

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lost: int = 0

    @property
    def count(self) -> int:
        """The number of requests."""
        return len(self.seconds) + len(self.failures)

    @property
    def error_rate(self) -> float:
        """The share of requests that failed."""
        return len(self.failures) / self.count if self.count else 0.0


def judge(candidate: Responses, stable: Responses) -> str:
    """Why the rollout must stop, or an empty text. Pure.

    The candidate may fail at most 1 % more of its requests than the serving revision, or leave one
    without an answer, and take at most twice as long plus 50 ms (medians).
    """
    if candidate.count < _MIN_REQUESTS:
        return f"it could be sent only {candidate.count} requests"
    is_only_lost = len(candidate.failures) == candidate.lost <= _MAX_LOST
    if candidate.error_rate > stable.error_rate + _MAX_EXTRA_ERRORS and not is_only_lost:
        return (
            f"{candidate.error_rate:.0%} of its {candidate.count} requests failed "
            f"({candidate.failures[-1]}), compared with {stable.error_rate:.0%} of the serving "
            "revision's"
        )
    if candidate.seconds and stable.seconds:
        took, usual = median(candidate.seconds), median(stable.seconds)
        if took > _MAX_SLOWDOWN * usual + _MARGIN_SECONDS:
            return (
                f"it takes {took * 1000:.0f} ms, compared with {usual * 1000:.0f} ms of the "
                "serving revision"
            )
    return ""


def summary(candidate: Responses, stable: Responses) -> str:
    """Failures and median latency of both revisions."""
    return "; ".join(
        f"{name}: {len(responses.failures)} of {responses.count} failed"
        + (f", {median(responses.seconds) * 1000:.1f} ms" if responses.seconds else "")
        for name, responses in (("candidate", candidate), ("serving revision", stable))
    )


def watch(
    service: str,
    candidate: str,
    stable: str,
    golden: Sequence[dict[str, Any]],
    seconds: float,
    *,
    pause: Callable[[float], None] = time.sleep,
    elapsed: Callable[[], float] = time.monotonic,
) -> tuple[Responses, Responses]:
    """Send the golden rows in turn to both addresses, for ``seconds``; nothing is recorded.

    Where that is too short for the requests that a judgement needs, it takes up to 15 seconds more.
    Returns the responses of the candidate and of the serving revision. Raises RolloutError if the
    serving revision cannot be reached at its own address.
    """
    import httpx

    responses = Responses(), Responses()
    headers = {SMOKE_TEST_HEADER: "1"}
    with httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=False) as client:
        _await_address(client, stable, pause)
        until, number = elapsed() + seconds, 0
        while elapsed() < until + (_EXTRA_SECONDS if number < _MIN_REQUESTS else 0.0):
            listing = golden[number % len(golden)]["listing"]
            for address, received in zip((candidate, stable), responses, strict=True):
                began = time.perf_counter()
                try:
                    answer = client.post(f"{address}{_PATHS[service]}", json=listing)
                except httpx.TransportError as error:
                    received.failures.append(type(error).__name__)
                    received.lost += 1
                    continue
                if answer.status_code == 200:
                    received.seconds.append(time.perf_counter() - began)
                else:
                    received.failures.append(f"HTTP {answer.status_code}")
            number += 1
            pause(_PAUSE)
    return responses


def _await_address(client: httpx.Client, address: str, pause: Callable[[float], None]) -> None:
    """Wait until a new tag can be reached."""
    import httpx

    last = ""

    def is_reachable() -> bool:
        nonlocal last
        try:
            last = f"HTTP {client.get(f'{address}/ready').status_code}"
        except httpx.TransportError as error:
            last = type(error).__name__
        return last == "HTTP 200"

    if not wait_until(is_reachable, _REACHABLE_WITHIN, _PAUSE, sleep=pause):
        raise RolloutError(f"{address} does not answer ({last}): there is nothing to compare with")
