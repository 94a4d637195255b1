"""Shadow: a version prices what the champion answers, without traffic, and both are compared.

The row of ops.shadows is what people want; reload brings the service to it (``keep``). The version
runs as a revision of predict at 0 % with its own tag. The broker delivers each prediction.made
event to that address too, the revision replies with prediction.compared, and record stores that
apart from predictions. A rollout ends a shadow, because it changes what serves.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tasador.errors import RolloutError, TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.machine.environment import whoami
from tasador.model.model_ref import CANDIDATE
from tasador.records.shadow import ShadowRecord
from tasador.rollout import plan
from tasador.rollout.backend import Backend
from tasador.rollout.rollback import check_servable, named_version
from tasador.settings import Settings
from tasador.stores.registry import Registry

if TYPE_CHECKING:
    from tasador.records.loop import DecisionRecord
    from tasador.warehouse.warehouse import Warehouse

SERVICE = "predict"
# Who ends a shadow that a rollout overtakes, or that cannot start.
RELOAD = "reload"
_SEARCHED = 1000
_START_SECONDS = 60.0

log = logging.getLogger("tasador.rollout")


def start(
    settings: Settings, version: int, by: str = "", *, digest: str = ""
) -> tuple[ShadowRecord, str]:
    """Let a version shadow the champion; returns the shadow and what is left to reload, and why.

    ``digest`` (or its first digits) selects one of several versions with the same number. Raises
    RolloutError or RegistryError, and records nothing, if there is no such version, its bundle is
    the one that serves or cannot be loaded, nothing serves, or another version shadows.
    """
    from tasador.warehouse.warehouse import Warehouse

    settings.require("database_url", "broker_url", "s3_endpoint")
    registry = Registry(settings)
    with Warehouse(settings.database_url) as warehouse:
        history = warehouse.model_history(_SEARCHED, name=settings.model_name)
        newest = warehouse.latest_promotion(settings.model_name)
        chosen = named_version(history, version, digest)
        if chosen is None:
            raise RolloutError(
                f"no decision on version {version} is recorded; `tasador models` lists the versions"
            )
        if newest is None:
            raise RolloutError("no version has been promoted yet: there is nothing to shadow")
        if newest.model.key == chosen.model.key:
            raise RolloutError(f"version {version} is the one in service: it cannot shadow itself")
        if newest.model.digest == chosen.model.digest:
            # A revision does not compare what its own bundle answered.
            raise RolloutError(
                f"version {version} has the same bundle as version {newest.version}, which serves: "
                "every price would be the same"
            )
        check_servable(chosen, registry, settings)
        values = chosen.model.write(CANDIDATE)
        wanted = ShadowRecord(**values, started_by=by or whoami())
        stored = warehouse.start_shadow(wanted)
    if stored.digest != wanted.digest:
        raise RolloutError(
            f"{stored.model} shadows already, started by {stored.started_by}; `tasador rollout "
            "shadow --stop` ends that"
        )
    return stored, _notify(newest, settings)


def stop(settings: Settings, by: str = "") -> tuple[ShadowRecord, str]:
    """End the shadow; returns it and what is left to reload, and why. Raises RolloutError if
    nothing shadows."""
    from tasador.warehouse.warehouse import Warehouse

    settings.require("database_url", "broker_url")
    with Warehouse(settings.database_url) as warehouse:
        who = by or whoami()
        ended = warehouse.end_shadow(who, f"stopped by {who}")
        newest = warehouse.latest_promotion(settings.model_name)
    if ended is None:
        raise RolloutError("no version shadows")
    return ended, "" if newest is None else _notify(newest, settings)


def _notify(newest: DecisionRecord, settings: Settings) -> str:
    """Announce what serves again: reload then looks at the shadow too, at once."""
    try:
        announce(build.model_promoted(newest), settings)
    except TasadorError as error:
        return str(error)
    return ""


def keep(backend: Backend, warehouse: Warehouse) -> None:
    """Bring the service to the open shadow, or remove what is left of an ended one.

    Every step may be repeated. A version that does not become ready ends its shadow, with the
    reason. Raises ServiceUnavailable if the platform does not answer: call again.
    """
    wanted = warehouse.open_shadow()
    state = backend.state(SERVICE)
    if plan.in_service(state) is None:
        return
    revision = None if wanted is None else plan.shadow_revision(wanted.model, state)
    if others := [n for n in plan.shadows(state) if revision is None or n != revision.name]:
        _remove(backend, others)
        state = backend.state(SERVICE)
    if wanted is None or revision is None or wanted.shadow_id is None:
        return
    tagged = any(t.revision == revision.name and t.tag == plan.SHADOW for t in state.traffic)
    if tagged and wanted.mirroring_at is not None:
        return
    try:
        backend.create(SERVICE, revision)
        backend.direct(SERVICE, plan.with_shadow(state, revision.name))
        is_ready, reason = backend.start(SERVICE, revision.name, _START_SECONDS, tag=plan.SHADOW)
        if not is_ready:
            raise RolloutError(f"{revision.name} did not become ready: {reason}")
        backend.mirror(SERVICE, plan.SHADOW)
    except RolloutError as error:
        warehouse.end_shadow(RELOAD, str(error))
        _remove(backend, [revision.name])
        log.error("%s does not shadow: %s", wanted.model, error)
        return
    warehouse.mirror_to_shadow(wanted.shadow_id)
    log.info("%s shadows as %s", wanted.model, revision.name)


def end(backend: Backend, warehouse: Warehouse, reason: str) -> None:
    """End the shadow, if there is one, and remove its revision before a rollout begins."""
    if warehouse.open_shadow() is not None:
        warehouse.end_shadow(RELOAD, reason)
    if left := plan.shadows(backend.state(SERVICE)):
        _remove(backend, left)


def _remove(backend: Backend, revisions: list[str]) -> None:
    # Last the revisions: as long as there is one, a repeated call finds what is left.
    backend.mirror(SERVICE, "")
    state = backend.state(SERVICE)
    backend.direct(SERVICE, plan.without_shadow(state).traffic)
    for revision in revisions:
        backend.delete(SERVICE, revision)
