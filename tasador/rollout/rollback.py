"""Roll back to an older version: a decision like any other, under a newer number."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from tasador.clock import now
from tasador.errors import RolloutError, TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.records import DecisionRecord
from tasador.settings import Settings
from tasador.stores.registry import Registry
from tasador.warehouse.warehouse import Warehouse

_SEARCHED = 1000


class RolledBack(NamedTuple):
    """A rollback that was decided. ``announce_error``: why its event was not published, or ""."""

    decision: DecisionRecord
    announce_error: str


def roll_back(settings: Settings, version: int | None = None) -> RolledBack:
    """Make an older version champion again, under a new promotion number and with the usual event.

    Without ``version``, the previous champion. Raises RolloutError if there is nothing to go back
    to. If the event cannot be published, the decision stands, because reload finds it in the
    database. An error here would make the caller retry, and without ``version`` the retry would
    go forward again.
    """
    settings.require("database_url", "broker_url")
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("promotion"):
        record = decide_rollback(version, warehouse)
        Registry(settings).set_champion(record.version, previous=record.champion_version)
    announce_error = ""
    try:
        announce(build.model_promoted(record), settings)
    except TasadorError as error:
        announce_error = str(error)
    return RolledBack(record, announce_error)


def decide_rollback(version: int | None, warehouse: Warehouse) -> DecisionRecord:
    """Decide that ``version`` (None: the one before the current) is to serve again.

    Returns the stored decision. The caller publishes it; if that fails, reload finds the decision
    when it next starts. Raises RolloutError if there is nothing to go back to.
    """
    current = warehouse.latest_promotion()
    if current is None:
        raise RolloutError("no version has been promoted yet: there is nothing to go back to")
    target = _earlier(warehouse, current) if version is None else warehouse.decision(version)
    if target is None:
        wanted = "one before it" if version is None else f"version {version}"
        raise RolloutError(
            f"{current.model} is in service and there is no {wanted} to go "
            "back to; `tasador models` lists the versions"
        )
    if target.decision == "rejected":
        raise RolloutError(
            f"version {target.version} was rejected ({'; '.join(target.reasons)}): "
            "only a version that was promoted can serve again"
        )
    if target.version == current.version:
        raise RolloutError(f"version {target.version} is the one in service already")
    return warehouse.record_decision(
        replace(
            target,
            decision="rolled_back",
            reasons=[f"rolled back by hand from version {current.version}"],
            champion_version=current.version,
            decided_at=now(),
            promotion=None,
        )
    )


def _earlier(warehouse: Warehouse, current: DecisionRecord) -> DecisionRecord | None:
    """The newest decision for another version before the current one."""
    return next(
        (
            decision
            for decision in warehouse.model_history(_SEARCHED)
            if decision.decision != "rejected"
            and decision.version != current.version
            and (decision.promotion or 0) < (current.promotion or 0)
        ),
        None,
    )
