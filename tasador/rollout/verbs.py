"""roll_out: candidates beside what serves, a test of each, then all traffic, then tidiness.

Whatever fails before the traffic moves leaves the old revisions serving. Every step may be
repeated, so a rollout that was broken off is finished by calling it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.clock import now
from tasador.errors import BundleError, RolloutError, TasadorError
from tasador.events import build
from tasador.events.event import Event
from tasador.records import RolloutOutcome, RolloutRecord
from tasador.rollout import canary, plan
from tasador.rollout.backend import Backend, ServiceState
from tasador.rollout.plan import SERVICES, Promotion
from tasador.rollout.smoke import golden_of, smoke_test
from tasador.settings import Settings
from tasador.stores.bundles import fetch_bundle

if TYPE_CHECKING:
    from tasador.warehouse import Warehouse

LOCK = "rollout"
START_TIMEOUT = 60.0

log = logging.getLogger("tasador.rollout")

Publish = Callable[[Event], None]


@dataclass
class _Service:
    """One service on its way to a promotion, with a log of its steps."""

    state: ServiceState
    promotion: Promotion
    started_at: datetime = field(default_factory=now)
    steps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def revision(self) -> str:
        return self.promotion.revision(self.name).name

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Time one step; what the block puts under ``says`` is kept with it."""
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

    def record(self, outcome: RolloutOutcome, reason: str) -> RolloutRecord:
        return RolloutRecord(
            service=self.name,
            revision=self.revision,
            model_name=self.promotion.model_name,
            version=self.promotion.version,
            digest=self.promotion.digest,
            promotion=self.promotion.promotion,
            outcome=outcome,
            reason=reason,
            steps=self.steps,
            correlation_id=self.promotion.correlation_id,
            started_at=self.started_at,
            finished_at=now(),
        )


def roll_out(
    promotion: Promotion,
    *,
    backend: Backend,
    warehouse: Warehouse,
    settings: Settings,
    publish: Publish,
    services: Sequence[str] = SERVICES,
) -> list[RolloutRecord]:
    """Bring the promotion into service in all of ``services``, or in none.

    Returns one stored record a service: serving, failed (the old revision goes on), unchanged (it
    serves already) or superseded (a later promotion serves). Raises ServiceUnavailable when the
    platform does not answer: call again.
    """
    with warehouse.lock(LOCK):
        return _roll_out(promotion, backend, warehouse, settings, publish, services)


def reconcile(
    *,
    backend: Backend,
    warehouse: Warehouse,
    settings: Settings,
    publish: Publish,
    services: Sequence[str] = SERVICES,
) -> list[RolloutRecord]:
    """Bring the newest promotion into service if no event did: events may be lost, it is not.

    What serves already is left alone, and so is a promotion that failed: a new event, `POST
    /reload` or a new promotion tries again.
    """
    with warehouse.lock(LOCK):
        newest = warehouse.latest_promotion()
        if newest is None:
            return []
        promotion = Promotion.of_decision(newest)
        steps = {plan.next_step(backend.state(name), promotion) for name in services}
        if not steps & {"roll", "settle"}:
            return []
        tried = warehouse.rollout_history(limit=100)
        if any(r.promotion == promotion.promotion and r.outcome == "failed" for r in tried):
            _forget_candidates(backend, services)
            return []
        return _roll_out(promotion, backend, warehouse, settings, publish, services)


def _roll_out(
    promotion: Promotion,
    backend: Backend,
    warehouse: Warehouse,
    settings: Settings,
    publish: Publish,
    services: Sequence[str],
) -> list[RolloutRecord]:
    shares = canary.read_steps(settings.canary)
    all_of_them = [_Service(backend.state(name), promotion) for name in services]
    needs = {each.name: plan.next_step(each.state, promotion) for each in all_of_them}
    if "superseded" in needs.values():
        records = [each.record("superseded", _superseded(each)) for each in all_of_them]
        return [warehouse.record_rollout(record) for record in records]
    going = [each for each in all_of_them if needs[each.name] == "roll"]
    try:
        golden = _try_candidates(going, backend, settings)
        for share in shares:
            _give_a_share(going, backend, share, golden)
        _move_traffic(going, backend)
    except (RolloutError, BundleError) as error:
        _withdraw(going, backend)
        log.error("promotion %d is not in service: %s", promotion.promotion, error)
        records = [warehouse.record_rollout(each.record("failed", str(error))) for each in going]
        _tell(publish, [build.rollout_failed(record) for record in records])
        return records
    for each in all_of_them:
        if needs[each.name] != "nothing":
            _tidy(each, backend)
    records = [
        each.record("serving", f"{each.revision} has all traffic")
        if needs[each.name] != "nothing"
        else each.record("unchanged", f"{each.revision} has all traffic already")
        for each in all_of_them
    ]
    records = [warehouse.record_rollout(record) for record in records]
    _tell(publish, [build.model_serving(r) for r in records if r.outcome == "serving"])
    return records


def _try_candidates(
    going: Sequence[_Service], backend: Backend, settings: Settings
) -> list[dict[str, Any]]:
    """Each candidate ready and its golden rows answered; returns these."""
    golden: list[dict[str, Any]] = []
    for each in going:
        promotion, revision = each.promotion, each.promotion.revision(each.name)
        if not golden:
            with each.step("fetch and verify the bundle"):
                golden = golden_of(
                    fetch_bundle(promotion.model_uri, promotion.digest, _cache(settings), settings)
                )
        with each.step("create the revision"):
            backend.create(each.name, revision)
        with each.step("tag it as candidate at 0 %"):
            backend.direct(each.name, plan.with_candidate(each.state, revision.name))
        with each.step("start it"):
            is_ready, reason = backend.start(each.name, revision.name, START_TIMEOUT)
            if not is_ready:
                raise RolloutError(f"{revision.name} did not become ready: {reason}")
        with each.step("smoke test") as step:
            address = backend.address(each.name, plan.CANDIDATE)
            step["says"] = smoke_test(each.name, address, golden, promotion)
    return golden


def _give_a_share(
    going: Sequence[_Service],
    backend: Backend,
    share: canary.CanaryStep,
    golden: list[dict[str, Any]],
) -> None:
    """One canary step of each service; raises RolloutError where a candidate does worse."""
    for each in going:
        if plan.in_service(each.state) is None:
            continue  # Nothing served before: there is nobody to share with.
        with each.step(f"give it {share.percent} % of the traffic") as step:
            backend.direct(each.name, plan.with_canary(each.state, each.revision, share.percent))
            asked = canary.watch(
                each.name,
                backend.address(each.name, plan.CANDIDATE),
                backend.address(each.name, plan.STABLE),
                golden,
                share.seconds,
            )
            if reason := canary.judge(*asked):
                raise RolloutError(f"at {share.percent} % of the traffic {reason}")
            step["says"] = canary.says(*asked)


def _move_traffic(going: Sequence[_Service], backend: Backend) -> None:
    moved: list[_Service] = []
    try:
        for each in going:
            with each.step("move the traffic"):
                backend.direct(each.name, plan.all_to(each.revision))
            moved.append(each)
    except RolloutError:
        for each in moved:
            backend.direct(each.name, plan.without_candidates(each.state))
        raise


def _withdraw(going: Sequence[_Service], backend: Backend) -> None:
    """Take the candidates away; what served goes on serving."""
    for each in going:
        with each.step("withdraw the candidate"):
            backend.direct(each.name, plan.without_candidates(each.state))
            backend.delete(each.name, each.revision)


def _forget_candidates(backend: Backend, services: Sequence[str]) -> None:
    """Take away what a rollout that was broken off while it failed has left."""
    for name in services:
        state = backend.state(name)
        left = plan.candidates(state)
        if left:
            backend.direct(name, plan.without_candidates(state))
        for revision in left:
            backend.delete(name, revision)


def _tidy(each: _Service, backend: Backend) -> None:
    with each.step("tidy up") as step:
        backend.direct(each.name, plan.all_to(each.revision))
        gone = plan.to_prune(backend.state(each.name), each.revision)
        for revision in gone:
            backend.delete(each.name, revision)
        step["says"] = f"deleted {', '.join(gone)}" if gone else ""


def _superseded(each: _Service) -> str:
    current = plan.in_service(each.state)
    if current is None or plan.promotion_of(current) <= each.promotion.promotion:
        return "a later promotion is in service elsewhere"
    return f"{current.name} of a later promotion is in service"


def _tell(publish: Publish, told: Sequence[Event]) -> None:
    # The history holds the outcome; a broker that is away does not undo it.
    for event in told:
        try:
            publish(event)
        except TasadorError as error:
            log.warning("%s was not published: %s", event.type, error)


def _cache(settings: Settings) -> Path:
    return settings.home / "cache" / "bundles"
