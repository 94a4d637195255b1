"""Roll back to an older version: a decision like any other, under a newer number.

Everything that can refuse is asked before the decision is recorded: the history, the registry and
the bundle. What comes after it can only be late: the aliases are set by the next flow that reads
the champion, and reload finds the decision in the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tasador.clock import now
from tasador.errors import RolloutError, TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.machine.environment import whoami
from tasador.records.loop import DecisionRecord
from tasador.settings import Settings
from tasador.stores.bundles import check_readable
from tasador.stores.registry import CHAMPION, Registry
from tasador.warehouse.warehouse import Warehouse

_SEARCHED = 1000
# Digits of a digest that a message shows; a prefix selects a version.
_SHOWN = 12


class RolledBack(NamedTuple):
    """A rollback that was decided. ``announce_error``: what is left to others, and why, or ""."""

    decision: DecisionRecord
    announce_error: str


def roll_back(
    settings: Settings,
    version: int | None = None,
    digest: str = "",
    *,
    force: bool = False,
    by: str = "",
) -> RolledBack:
    """Make an older version champion again, under a new promotion number and with the usual event.

    Without ``version``, the previous champion. ``digest`` (or its first digits) selects one of
    several versions with the same number. ``force``: also while rollouts are paused; this one
    is then rolled out, and the pause stays. ``by``: who decides; default: the user of this process.
    Raises RolloutError or RegistryError, and records
    nothing, if there is nothing to go back to, the registry does not hold the version, its bundle
    cannot be read, or rollouts are paused.

    Once the decision is recorded it stands. If an alias cannot be set or the event cannot be
    published, ``announce_error`` says so; an error would make the caller retry, and without
    ``version`` the retry would go forward again.
    """
    settings.require("database_url", "broker_url", "s3_endpoint")
    registry = Registry(settings)
    left: list[str] = []
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("promotion"):
        paused = warehouse.rollout_pause()
        if paused is not None and not force:
            raise RolloutError(
                f"nothing was rolled back: {paused.message}, and --force rolls back all the same"
            )
        history = warehouse.model_history(_SEARCHED, name=settings.model_name)
        record = _unfinished(history, registry, version)
        if record is None:
            chosen = choose(history, version, digest, by or whoami())
            check_servable(chosen, registry, settings)
            record = warehouse.record_decision(chosen)
        if paused is not None and record.promotion is not None:
            warehouse.force_promotion(record.promotion)
        try:
            announce(build.model_promoted(record), settings)
        except TasadorError as error:
            left.append(str(error))
        # Last: an alias that is behind shows the next call that this one was interrupted.
        try:
            registry.describe(record)
            registry.set_champion(record)
        except TasadorError as error:
            left.append(f"{error} (the next flow sets MLflow's aliases)")
    return RolledBack(record, "; ".join(left))


def choose(
    history: Sequence[DecisionRecord], version: int | None, digest: str = "", by: str = ""
) -> DecisionRecord:
    """The decision that makes ``version`` (None: the one before the current) serve again. Pure.

    ``history`` has the decisions on one registered model, newest first. The result is not yet
    recorded. Raises RolloutError if there is nothing to go back to, or more than one choice.
    """
    current = next((d for d in history if d.promotes), None)
    if current is None:
        raise RolloutError("no version has been promoted yet: there is nothing to go back to")
    target = (
        _earlier(history, current) if version is None else named_version(history, version, digest)
    )
    if target is None:
        wanted = "one before it" if version is None else f"version {version}"
        if digest:
            wanted += f" with digest {digest}"
        raise RolloutError(
            f"{current.model} is in service and there is no {wanted} to go "
            "back to; `tasador models` lists the versions"
        )
    if target.decision == "waiting":
        raise RolloutError(
            f"version {target.version} waits for approval: `tasador approve {target.version}` "
            "promotes it"
        )
    if not target.promotes:
        raise RolloutError(
            f"version {target.version} was {target.decision} ({'; '.join(target.reasons)}): "
            "only a version that was promoted can serve again"
        )
    if target.model.key == current.model.key:
        raise RolloutError(f"version {target.version} is the one in service already")
    return replace(
        target,
        decision="rolled_back",
        reasons=[f"rolled back by hand from version {current.version}"],
        champion_version=current.version,
        champion_digest=current.digest,
        decided_at=now(),
        decided_by=by,
        promotion=None,
    )


def check_servable(chosen: DecisionRecord, registry: Registry, settings: Settings) -> None:
    """Raise RolloutError or RegistryError if the version cannot be brought into service."""
    model = chosen.model
    held = registry.version(model.version)  # raises RegistryError if there is none
    if held.model.key != model.key:
        raise RolloutError(
            f"{model} in MLflow has digest {_short(held.digest) or '(none)'}, but the version that "
            f"was promoted has {_short(model.digest)}: the model was registered again since, and "
            "the promoted version is no longer in MLflow"
        )
    try:
        check_readable(model.uri, model.digest, settings)
    except TasadorError as error:
        raise RolloutError(
            f"{model} cannot serve, so nothing was changed: {error}; `tasador models` lists the "
            "other versions"
        ) from error


def named_version(
    history: Sequence[DecisionRecord], version: int, digest: str = ""
) -> DecisionRecord | None:
    """The newest decision on the version that is not a rollback, or None.

    Raises RolloutError if it may be one of several versions.
    """
    matches: dict[str, DecisionRecord] = {}
    for decision in history:
        is_named = decision.decision != "rolled_back" and decision.version == version
        if is_named and decision.digest.startswith(digest):
            matches.setdefault(decision.digest, decision)
    if len(matches) > 1:
        choices = "; ".join(
            f"--digest {_short(d.digest)}: {d.decision} on {d.decided_at:%Y-%m-%d %H:%M} UTC"
            for d in matches.values()
        )
        raise RolloutError(
            f"there are {len(matches)} versions {version} in the history, since the model was "
            f"registered more than once. Choose one with {choices}"
        )
    return next(iter(matches.values()), None)


def _earlier(history: Sequence[DecisionRecord], current: DecisionRecord) -> DecisionRecord | None:
    """The newest decision for another version before the current one."""
    return next(
        (
            decision
            for decision in history
            if decision.promotes
            and decision.model.key != current.model.key
            and (decision.promotion or 0) < (current.promotion or 0)
        ),
        None,
    )


def _unfinished(
    history: Sequence[DecisionRecord], registry: Registry, version: int | None
) -> DecisionRecord | None:
    """The rollback that an earlier call recorded but did not finish; this call finishes it."""
    current = next((d for d in history if d.promotes), None)
    if current is None or current.decision != "rolled_back":
        return None
    if version is not None and version != current.version:
        return None
    champion = registry.aliased(CHAMPION)
    is_finished = champion is None or champion.model.key == current.model.key
    return None if is_finished or not registry.holds(current.model) else current


def _short(digest: str) -> str:
    return digest[:_SHOWN]
