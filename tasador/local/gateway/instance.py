"""One function process of the gateway, and how it answers the question whether it is ready."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tasador.local.gateway.services import Revision

_LOG_TAIL = 2000


@dataclass(slots=True, eq=False)
class Instance:
    """One function process. ``settled`` is set once it is ready, has given the reason why it is
    not, or has ended."""

    revision: Revision
    process: asyncio.subprocess.Process
    port: int
    metrics_port: int
    log: Path
    started: float = field(default_factory=time.monotonic)
    last_used: float = field(default_factory=time.monotonic)
    in_flight: int = 0
    ready: bool = False
    final: bool = False
    reason: str = "is starting"
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def alive(self) -> bool:
        """Whether the process is alive, as far as is known."""
        return self.process.returncode is None

    @property
    def url(self) -> str:
        """The address of the process."""
        return f"http://127.0.0.1:{self.port}"

    def state(self) -> tuple[bool, str]:
        """(Whether it serves, the reason why it does not.)"""
        serves = self.ready and self.alive
        return serves, "" if serves else self.why()

    def why(self) -> str:
        """The reason why it does not serve: its own, or the end of its log."""
        if self.alive:
            return self.reason
        tail = self.log.read_text(errors="replace")[-_LOG_TAIL:].strip().splitlines()[-1:]
        return f"its process ended with code {self.process.returncode}" + "".join(
            f" ({line[:300]})" for line in tail
        )


def unready(answer: httpx.Response) -> tuple[bool, int, str]:
    """(Whether waiting is useless, attempts that failed, the reason that the function gives)."""
    if answer.status_code == httpx.codes.OK:
        return False, 0, ""
    try:
        problem = answer.json()
        reason = str(problem.get("detail") or problem)[:500]
        return problem.get("final") is True, int(problem.get("failures") or 0), reason
    except (ValueError, AttributeError, TypeError):
        return False, 0, answer.text[:500]
