"""Canary steps: a share of the traffic for a while, and the candidate's errors and latency judge.

``TASADOR_CANARY=10:30,50:30`` gives a candidate 10 % of the traffic for 30 seconds, then 50 % for
30, and only then all of it. Meanwhile the candidate and what serves are asked the same golden rows
at their own addresses, under the load that either has by then.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from tasador.errors import ConfigurationError, RolloutError
from tasador.prediction_record import SMOKE_TEST_HEADER

if TYPE_CHECKING:
    import httpx

# Beyond this the broker's delivery to reload would have to be longer than a rollout should be.
_LONGEST = 150.0
_PAUSE = 0.2
_TIMEOUT = 5.0
_REACHABLE_WITHIN = 30.0
# Of a few hundred questions one may be lost to the network; a slow start is no slow model.
_FEWEST = 10
_ERRORS = 0.01
_SLOWER, _SECONDS = 2.0, 0.05

_PATHS = {"predict": "/predict", "explain": "/explain"}


@dataclass(frozen=True, slots=True)
class CanaryStep:
    """``percent`` of the traffic for ``seconds``."""

    percent: int
    seconds: float


def read_steps(text: str) -> tuple[CanaryStep, ...]:
    """The steps in a text like ``10:30,50:30``; none in an empty one. Raises ConfigurationError.

    Shares grow and end at half: what has more traffic than the other is what serves.
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
            raise _wrong(text, f"{seconds} is no time in seconds")
        steps.append(step)
    if [step.percent for step in steps] != sorted({step.percent for step in steps}):
        raise _wrong(text, "the shares do not grow")
    if sum(step.seconds for step in steps) > _LONGEST:
        raise _wrong(text, f"the steps take more than {_LONGEST:.0f} s")
    return tuple(steps)


def _wrong(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"TASADOR_CANARY is {text!r}: {why}; an example is 10:30,50:30")


@dataclass(slots=True)
class Asked:
    """How one revision answered: seconds of each good answer, and what the others were."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How often it was asked."""
        return len(self.seconds) + len(self.failures)

    @property
    def error_rate(self) -> float:
        """The share that failed."""
        return len(self.failures) / self.count if self.count else 0.0


def judge(candidate: Asked, stable: Asked) -> str:
    """Why the candidate must not go on, or nothing. Pure.

    It may not fail more often than what serves does by more than a hundredth, nor take more than
    twice as long and 50 ms besides (medians).
    """
    if candidate.count < _FEWEST:
        return f"it could be asked {candidate.count} times only"
    if candidate.error_rate > stable.error_rate + _ERRORS:
        return (
            f"{candidate.error_rate:.0%} of {candidate.count} requests failed ("
            f"{candidate.failures[-1]}), of what serves {stable.error_rate:.0%}"
        )
    if candidate.seconds and stable.seconds:
        took, usual = median(candidate.seconds), median(stable.seconds)
        if took > _SLOWER * usual + _SECONDS:
            return f"it takes {took * 1000:.0f} ms, what serves {usual * 1000:.0f} ms"
    return ""


def says(candidate: Asked, stable: Asked) -> str:
    """Both in figures."""
    return "; ".join(
        f"{name}: {len(asked.failures)} of {asked.count} failed"
        + (f", {median(asked.seconds) * 1000:.1f} ms" if asked.seconds else "")
        for name, asked in (("candidate", candidate), ("what serves", stable))
    )


def watch(
    service: str,
    candidate: str,
    stable: str,
    golden: Sequence[dict[str, Any]],
    seconds: float,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[Asked, Asked]:
    """Ask both addresses the golden rows in turn, for so many seconds; none of it is recorded.

    Raises RolloutError where what serves cannot be reached at an address of its own.
    """
    import httpx

    answers = Asked(), Asked()
    headers = {SMOKE_TEST_HEADER: "1"}
    with httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=False) as client:
        _await_address(client, stable, pause)
        until, number = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            listing = golden[number % len(golden)]["listing"]
            for address, asked in zip((candidate, stable), answers, strict=True):
                began = time.perf_counter()
                try:
                    answer = client.post(f"{address}{_PATHS[service]}", json=listing)
                except httpx.TransportError as error:
                    asked.failures.append(type(error).__name__)
                    continue
                if answer.status_code == 200:
                    asked.seconds.append(time.perf_counter() - began)
                else:
                    asked.failures.append(f"HTTP {answer.status_code}")
            number += 1
            pause(_PAUSE)
    return answers


def _await_address(client: httpx.Client, address: str, pause: Callable[[float], None]) -> None:
    """A new tag takes a moment until it is reachable."""
    import httpx

    until = time.monotonic() + _REACHABLE_WITHIN
    while True:
        try:
            said = f"HTTP {client.get(f'{address}/ready').status_code}"
        except httpx.TransportError as error:
            said = type(error).__name__
        if said == "HTTP 200":
            return
        if time.monotonic() >= until:
            raise RolloutError(f"{address} does not answer ({said}): there is nothing to compare")
        pause(_PAUSE)
