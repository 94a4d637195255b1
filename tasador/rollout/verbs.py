"""Rollout: start candidates next to what serves, test each, move all traffic, tidy up.

If anything fails before the traffic has moved, the old revisions keep serving. Every step may be
repeated, so an interrupted rollout is finished by calling it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tasador.clock import now
from tasador.errors import BundleError, RolloutError, StoreUnavailable, TasadorError
from tasador.events import build
from tasador.events.event import Event
from tasador.model.model_ref import ModelRef
from tasador.records.loop import DecisionRecord, PauseRecord, RolloutRecord
from tasador.rollout import canary, plan, shadow
from tasador.rollout.backend import Backend, ServiceState
from tasador.rollout.choice import Choice, choose
from tasador.rollout.plan import SERVICES
from tasador.rollout.service_rollout import Golden, ServiceRollout
from tasador.rollout.smoke import golden_of
from tasador.settings import Settings
from tasador.stores.bundles import fetch_bundle

if TYPE_CHECKING:
    from tasador.warehouse.warehouse import Warehouse

LOCK = "rollout"
# Rows of the rollout history that decide about the next attempt.
_ATTEMPTS = 300

log = logging.getLogger("tasador.rollout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Brings promoted models into service on one platform.

    ``publish`` posts to the broker; ``clock`` tells when a failed promotion may be tried again.
    """

    backend: Backend
    warehouse: Warehouse
    settings: Settings
    publish: Callable[[Event], None]
    services: Sequence[str] = SERVICES
    clock: Callable[[], datetime] = now

    def roll_out(self, model: ModelRef) -> list[RolloutRecord]:
        """Bring a promoted model into service in all services, or in none.

        Returns one stored record for each service: serving, failed (the old revision keeps
        serving), unchanged (it serves already), superseded (a later promotion serves) or paused.
        Raises ServiceUnavailable if the platform does not answer: call again.
        """
        with self.warehouse.lock(LOCK):
            records = self._roll_out(Choice(self._recorded(model)))
            self._keep_shadow()
            return records

    def reconcile(self) -> list[RolloutRecord]:
        """Bring the services to the newest promotion that can serve.

        It does nothing if that one serves already, while a failed one waits for its next attempt
        (see ``choice``), and while rollouts are paused. Returns the records as ``roll_out`` does.
        """
        with self.warehouse.lock(LOCK):
            records = self._reconcile()
            self._keep_shadow()
            return records

    # -- inside ---------------------------------------------------------------------------------

    def _reconcile(self) -> list[RolloutRecord]:
        promotions = self.warehouse.promotions(self.settings.model_name)
        if not promotions:
            return []
        attempts = self.warehouse.rollout_history(limit=_ATTEMPTS)
        paused = self.warehouse.rollout_pause()
        if paused is not None:
            return self._forced(paused, promotions, attempts)
        states = [self._state(name) for name in self.services]
        history = self._history(states)
        serving = [plan.served(state, history) for state in states]
        choice = choose(promotions, attempts, serving, self.clock())
        if choice is not None:
            # No broker repeats this call, so a store that does not answer is a failure.
            return self._roll_out(choice, is_repeated=False)
        if len(set(serving)) > 1 or not serving[0]:
            return []
        self._remove_candidates()
        return self._settle(history[serving[0]], attempts)

    def _state(self, name: str) -> ServiceState:
        return plan.without_shadow(self.backend.state(name))

    def _keep_shadow(self) -> None:
        # What serves does not depend on it; the next check tries again.
        try:
            shadow.keep(self.backend, self.warehouse)
        except TasadorError as error:
            log.warning("the shadow is left as it is: %s", error)

    def _recorded(self, model: ModelRef) -> DecisionRecord:
        """The recorded promotion with the model's number; raises RolloutError if there is none."""
        decision = self.warehouse.promotion(model.promotion)
        if decision is None or decision.model != model:
            raise RolloutError(f"ops.model_history does not hold promotion {model.promotion}")
        return decision

    def _history(self, states: Sequence[ServiceState]) -> dict[int, ModelRef]:
        """The recorded promotions among the numbers that the services carry."""
        carried = [plan.in_service(state) for state in states]
        numbers = {plan.promotion_of(revision) for revision in carried if revision is not None}
        decisions = [self.warehouse.promotion(number) for number in numbers if number]
        return {
            decision.promotion or 0: decision.model
            for decision in decisions
            if decision is not None
            and decision.promotes
            and decision.model_name == self.settings.model_name
        }

    def _services(self, choice: Choice) -> list[ServiceRollout]:
        states = [self._state(name) for name in self.services]
        history = self._history(states)
        return [
            ServiceRollout(
                self.backend,
                state,
                choice.decision.model,
                serving=plan.served(state, history),
                over=choice.over,
                why=choice.why,
            )
            for state in states
        ]

    def _forced(
        self,
        paused: PauseRecord,
        promotions: Sequence[DecisionRecord],
        attempts: Sequence[RolloutRecord],
    ) -> list[RolloutRecord]:
        """Roll out a rollback that was forced during the pause, unless it has had its attempt."""
        newest = promotions[0]
        was_tried = any(a.promotion == newest.promotion for a in attempts if a.outcome != "paused")
        if newest.promotion != paused.forced_promotion or was_tried:
            return []
        return self._roll_out(Choice(newest))

    def _settle(self, model: ModelRef, attempts: Sequence[RolloutRecord]) -> list[RolloutRecord]:
        """Finish a rollout that was interrupted after the traffic had moved: tidy up, record it."""
        decision = self._recorded(model)
        services = self._services(Choice(decision))
        if any(service.need == "settle" for service in services):
            return self._roll_out(Choice(decision))
        recorded = {
            attempt.service
            for attempt in attempts
            if attempt.promotion == model.promotion and attempt.outcome in ("serving", "unchanged")
        }
        unrecorded = [service for service in services if service.name not in recorded]
        records = self._store(
            service.record(
                "serving", f"{service.revision} has all traffic; its rollout was interrupted"
            )
            for service in unrecorded
        )
        self._publish(build.model_serving(record) for record in records)
        return records

    def _roll_out(self, choice: Choice, *, is_repeated: bool = True) -> list[RolloutRecord]:
        shares = canary.read_steps(self.settings.canary)
        model = choice.decision.model
        services = self._services(choice)
        paused = self.warehouse.rollout_pause()
        if paused is not None and paused.forced_promotion != model.promotion:
            return self._store(service.record("paused", paused.message) for service in services)
        if any(service.need == "superseded" for service in services):
            return self._store(service.superseded() for service in services)
        rolling = [service for service in services if service.need == "roll"]
        try:
            golden = self._golden(rolling[0], is_repeated) if rolling else []
            if rolling:
                shadow.end(self.backend, self.warehouse, f"{model} is rolled out")
            for service in rolling:
                service.try_candidate(golden)
            for share in shares:
                for service in rolling:
                    service.run_canary(share, golden)
            _move_traffic(rolling)
        except (RolloutError, BundleError) as error:
            for service in rolling:
                service.withdraw()
            log.error("promotion %d is not in service: %s", model.promotion, error)
            reason = str(error)
            records = self._store(service.record("failed", reason) for service in rolling)
            self._publish(build.rollout_failed(record) for record in records)
            return records
        for service in services:
            if service.need != "nothing":
                service.tidy_up()
        records = self._store(service.finished() for service in services)
        self._publish(build.model_serving(r) for r in records if r.outcome == "serving")
        return records

    def _golden(self, first: ServiceRollout, is_repeated: bool) -> Golden:
        """The golden rows of the promoted bundle; all services are tested with the same rows."""
        cache = self.settings.home / "cache" / "bundles"
        with first.step("fetch and verify the bundle"):
            model = first.model
            try:
                return golden_of(fetch_bundle(model.uri, model.digest, cache, self.settings))
            except StoreUnavailable as error:
                if is_repeated:
                    raise
                raise RolloutError(str(error)) from error

    def _store(self, records: Iterable[RolloutRecord]) -> list[RolloutRecord]:
        return [self.warehouse.record_rollout(record) for record in records]

    def _publish(self, events: Iterable[Event]) -> None:
        # The outcome is in the rollout history: a broker that is down does not undo it.
        for event in events:
            try:
                self.publish(event)
            except TasadorError as error:
                log.warning("%s was not published: %s", event.type, error)

    def _remove_candidates(self) -> None:
        """Remove the candidates of a rollout that was interrupted while it failed."""
        for name in self.services:
            state = self._state(name)
            leftover = plan.candidates(state)
            if leftover:
                self.backend.direct(name, plan.without_candidates(state))
            for revision in leftover:
                self.backend.delete(name, revision)


def _move_traffic(services: Sequence[ServiceRollout]) -> None:
    """Move the traffic of all services, or of none."""
    moved: list[ServiceRollout] = []
    try:
        for service in services:
            service.move_traffic()
            moved.append(service)
    except RolloutError:
        for service in moved:
            service.restore_traffic()
        raise
