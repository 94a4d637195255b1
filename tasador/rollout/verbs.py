"""Rollout: start candidates next to what serves, test each, move all traffic, tidy up.

If anything fails before the traffic has moved, the old revisions keep serving. Every step may be
repeated, so an interrupted rollout is finished by calling it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasador.errors import BundleError, RolloutError, TasadorError
from tasador.events import build
from tasador.events.event import Event
from tasador.model.model_ref import ModelRef
from tasador.records import RolloutRecord
from tasador.rollout import canary, plan
from tasador.rollout.backend import Backend
from tasador.rollout.plan import SERVICES
from tasador.rollout.service_rollout import Golden, ServiceRollout
from tasador.rollout.smoke import golden_of
from tasador.settings import Settings
from tasador.stores.bundles import fetch_bundle

if TYPE_CHECKING:
    from tasador.warehouse.warehouse import Warehouse

LOCK = "rollout"

log = logging.getLogger("tasador.rollout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Brings promoted models into service on one platform. ``publish`` posts to the broker."""

    backend: Backend
    warehouse: Warehouse
    settings: Settings
    publish: Callable[[Event], None]
    services: Sequence[str] = SERVICES

    def roll_out(self, model: ModelRef) -> list[RolloutRecord]:
        """Bring a promoted model into service in all services, or in none.

        Returns one stored record for each service: serving, failed (the old revision keeps
        serving), unchanged (it serves already) or superseded (a later promotion serves). Raises
        ServiceUnavailable if the platform does not answer: call again.
        """
        with self.warehouse.lock(LOCK):
            return self._roll_out(model)

    def reconcile(self) -> list[RolloutRecord]:
        """Bring the newest promotion into service if its event was lost.

        Does nothing if it serves already or has failed before: a new event, `POST /reload` or a
        new promotion tries again. Returns the records as ``roll_out`` does.
        """
        with self.warehouse.lock(LOCK):
            newest = self.warehouse.latest_promotion()
            if newest is None:
                return []
            model = plan.promoted_by_decision(newest)
            needs = {service.need for service in self._services(model)}
            if not needs & {"roll", "settle"}:
                return []
            history = self.warehouse.rollout_history(limit=100)
            if any(r.promotion == model.promotion and r.outcome == "failed" for r in history):
                self._remove_candidates()
                return []
            return self._roll_out(model)

    # -- inside ---------------------------------------------------------------------------------

    def _services(self, model: ModelRef) -> list[ServiceRollout]:
        return [
            ServiceRollout(self.backend, self.backend.state(name), model) for name in self.services
        ]

    def _roll_out(self, model: ModelRef) -> list[RolloutRecord]:
        shares = canary.read_steps(self.settings.canary)
        services = self._services(model)
        if any(service.need == "superseded" for service in services):
            return self._store(service.superseded() for service in services)
        rolling = [service for service in services if service.need == "roll"]
        try:
            golden = self._golden(rolling[0]) if rolling else []
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

    def _golden(self, first: ServiceRollout) -> Golden:
        """The golden rows of the promoted bundle; all services are tested with the same rows."""
        cache = self.settings.home / "cache" / "bundles"
        with first.step("fetch and verify the bundle"):
            model = first.model
            return golden_of(fetch_bundle(model.uri, model.digest, cache, self.settings))

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
            state = self.backend.state(name)
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
