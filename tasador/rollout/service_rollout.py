"""The rollout of one promoted model in one service: its steps on the platform, and their log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasador.clock import now
from tasador.errors import RolloutError, TasadorError
from tasador.model import model_ref
from tasador.model.model_ref import ModelRef
from tasador.records.loop import RolloutOutcome, RolloutRecord
from tasador.rollout import canary, plan
from tasador.rollout.backend import Backend, ServiceState
from tasador.rollout.smoke import smoke_test

START_TIMEOUT = 60.0

Golden = list[dict[str, Any]]


@dataclass
class ServiceRollout:
    """One service on its way to a promoted model. ``state`` is how the rollout found the service.

    ``serving`` is the recorded promotion that has its traffic, or 0. ``over``: the model replaces a
    later promotion too. ``why`` goes into the record's reason.

    Every step may be repeated. Each raises RolloutError if the platform or the candidate refuses,
    ServiceUnavailable if the platform does not answer.
    """

    backend: Backend
    state: ServiceState
    model: ModelRef
    serving: int = 0
    over: bool = False
    why: str = ""
    started_at: datetime = field(default_factory=now)
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The service."""
        return self.state.name

    @property
    def revision(self) -> str:
        """The name of the revision that is to serve, or that serves the promotion already."""
        current = plan.in_service(self.state)
        if current is not None and self.serving == self.model.promotion:
            return current.name
        return plan.revision_of(self.model, self.state).name

    @property
    def need(self) -> plan.Step:
        """What the service needs, as the rollout found it."""
        return plan.next_step(self.state, self.model, self.serving, over=self.over)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time one step. The block may put a summary under ``says``; an error goes there too."""
        step: dict[str, Any] = {"step": name, "seconds": 0.0, "says": ""}
        started = time.perf_counter()
        self.steps.append(step)
        try:
            yield step
        except TasadorError as error:
            step["says"] = str(error)
            raise
        finally:
            step["seconds"] = round(time.perf_counter() - started, 3)

    def try_candidate(self, golden: Golden) -> None:
        """Create the revision, start it under the candidate tag, and test it."""
        with self.step("create the revision"):
            self.backend.create(self.name, plan.revision_of(self.model, self.state))
        with self.step("tag it as candidate at 0 %"):
            self.backend.direct(self.name, plan.with_candidate(self.state, self.revision))
        with self.step("start it"):
            is_ready, reason = self.backend.start(self.name, self.revision, START_TIMEOUT)
            if not is_ready:
                raise RolloutError(f"{self.revision} did not become ready: {reason}")
        with self.step("smoke test") as step:
            address = self.backend.address(self.name, plan.CANDIDATE)
            step["says"] = smoke_test(self.name, address, golden, self.model.digest)

    def run_canary(self, share: canary.CanaryStep, golden: Golden) -> None:
        """Give the candidate a share of the traffic for a while, and compare both revisions."""
        if plan.in_service(self.state) is None:
            return  # Nothing serves yet: there is nothing to compare with.
        with self.step(f"{plan.GIVE_IT} {share.percent} % of the traffic") as step:
            traffic = plan.with_canary(self.state, self.revision, share.percent)
            self.backend.direct(self.name, traffic)
            candidate, stable = canary.watch(
                self.name,
                self.backend.address(self.name, plan.CANDIDATE),
                self.backend.address(self.name, plan.STABLE),
                golden,
                share.seconds,
            )
            if reason := canary.judge(candidate, stable):
                raise RolloutError(f"at {share.percent} % of the traffic {reason}")
            step["says"] = canary.summary(candidate, stable)

    def move_traffic(self) -> None:
        """Give the candidate all traffic."""
        with self.step("move the traffic"):
            self.backend.direct(self.name, plan.all_to(self.revision))

    def restore_traffic(self) -> None:
        """Give the traffic back to the revision that served before."""
        self.backend.direct(self.name, plan.without_candidates(self.state))

    def withdraw(self) -> None:
        """Remove the candidate; the old revision keeps serving."""
        with self.step("withdraw the candidate"):
            self.restore_traffic()
            self.backend.delete(self.name, self.revision)

    def tidy_up(self) -> None:
        """Remove the tags, and delete the revisions that are no longer kept."""
        with self.step("tidy up") as step:
            self.backend.direct(self.name, plan.all_to(self.revision))
            pruned = plan.to_prune(self.backend.state(self.name), self.revision)
            for revision in pruned:
                self.backend.delete(self.name, revision)
            step["says"] = f"deleted {', '.join(pruned)}" if pruned else ""

    def superseded(self) -> RolloutRecord:
        """The record of a promotion that a later one has overtaken, here or in another service."""
        current = plan.in_service(self.state)
        if current is None or self.serving <= self.model.promotion:
            return self.record("superseded", "a later promotion is in service elsewhere")
        return self.record("superseded", f"{current.name} of a later promotion is in service")

    def finished(self) -> RolloutRecord:
        """The record of a service that serves the promoted model."""
        if self.need == "nothing":
            return self.record("unchanged", f"{self.revision} has all traffic already")
        reasons = [f"{self.revision} has all traffic", self._replaced(), self.why]
        return self.record("serving", "; ".join(filter(None, reasons)))

    def _replaced(self) -> str:
        """Which revision without a recorded promotion had the traffic before; empty if none."""
        current = plan.in_service(self.state)
        number = 0 if current is None else plan.promotion_of(current)
        if current is None or not number or self.serving:
            return ""
        return (
            f"before, {current.name} had it with promotion {number} of {plan.model_of(current)}, "
            "which ops.model_history does not hold"
        )

    def record(self, outcome: RolloutOutcome, reason: str) -> RolloutRecord:
        """The record of this attempt, not yet stored."""
        return RolloutRecord(
            **self.model.write(model_ref.ROLLOUT),
            service=self.name,
            revision=self.revision,
            outcome=outcome,
            reason=reason,
            steps=self.steps,
            started_at=self.started_at,
            finished_at=now(),
        )
