"""A person approves or declines a version that waits: a decision like any other.

Everything that can refuse is asked before the decision is recorded, as for a rollback. What comes
after it can only be late, and a repeated call completes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tasador.clock import now
from tasador.errors import RolloutError, TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.events.event import Event
from tasador.records.loop import DecisionKind, DecisionRecord
from tasador.rollout.rollback import check_servable, named_version
from tasador.settings import Settings
from tasador.stores.registry import Registry
from tasador.warehouse.warehouse import Warehouse

_SEARCHED = 1000


class Answered(NamedTuple):
    """A recorded approval or decline. ``left``: what is left to others, and why, or ""."""

    decision: DecisionRecord
    left: str


def approve(
    settings: Settings, version: int, by: str, *, note: str = "", digest: str = ""
) -> Answered:
    """Promote a version that waits. It is rolled out like any other promotion.

    ``digest`` (or its first digits) selects one of several versions with the same number. Raises
    RolloutError or RegistryError, and records nothing, if no such version waits, ``by`` started its
    training, another version was promoted since it was judged, or it cannot serve.
    """
    settings.require("database_url", "broker_url", "s3_endpoint")
    registry = Registry(settings)
    left: list[str] = []
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("promotion"):
        history = warehouse.model_history(_SEARCHED, name=settings.model_name)
        record = _recorded(history, version, digest, "approved", by)
        if record is None:
            chosen = choose_approval(history, version, by, note, digest)
            check_servable(chosen, registry, settings)
            record = warehouse.record_decision(chosen)
        newest = warehouse.latest_promotion(settings.model_name)
        is_newest = newest is not None and newest.promotion == record.promotion
        if is_newest:
            try:
                registry.describe(record)
                registry.set_champion(record)
            except TasadorError as error:
                left.append(f"{error} (the next flow sets MLflow's aliases)")
    if is_newest:
        _announce(build.model_promoted(record), settings, left)
    return Answered(record, "; ".join(left))


def decline(settings: Settings, version: int, by: str, note: str, *, digest: str = "") -> Answered:
    """Reject a version that waits, for the reason in ``note``.

    Raises RolloutError, and records nothing, if no such version waits or ``note`` is empty.
    """
    settings.require("database_url", "broker_url")
    left: list[str] = []
    with Warehouse(settings.database_url) as warehouse, warehouse.lock("promotion"):
        history = warehouse.model_history(_SEARCHED, name=settings.model_name)
        record = _recorded(history, version, digest, "declined", by)
        if record is None:
            record = warehouse.record_decision(
                choose_decline(history, version, by, note, digest),
            )
        if settings.mlflow_url:
            try:
                Registry(settings).describe(record)
            except TasadorError as error:
                left.append(f"{error} (MLflow still says that version {version} waits)")
    _announce(build.model_rejected(record), settings, left)
    return Answered(record, "; ".join(left))


def choose_approval(
    history: Sequence[DecisionRecord], version: int, by: str, note: str = "", digest: str = ""
) -> DecisionRecord:
    """The decision that approves a version; not yet recorded. Pure.

    ``history`` has the decisions on one registered model, newest first. Raises RolloutError if
    ``by`` may not approve it or it does not wait.
    """
    waiting = _waiting(history, version, digest)
    if _same_person(by, waiting.started_by):
        raise RolloutError(
            f"{by} started the training of version {version}, so another person must approve it"
        )
    current = next((decision for decision in history if decision.promotes), None)
    champion = waiting.champion.key if waiting.champion_version else None
    if (None if current is None else current.model.key) != champion:
        judged = (
            f"was compared with version {waiting.champion_version}"
            if champion
            else "was judged without a champion"
        )
        now_champion = "none" if current is None else f"version {current.version}"
        raise RolloutError(
            f"version {version} {judged}, and the champion is now {now_champion}: decline it and "
            "train again, so that it is compared with the champion"
        )
    return _answered(waiting, "approved", by, note)


def choose_decline(
    history: Sequence[DecisionRecord], version: int, by: str, note: str, digest: str = ""
) -> DecisionRecord:
    """The decision that declines a version; not yet recorded. Pure. See ``choose_approval``."""
    if not note.strip():
        raise RolloutError("a decline needs a note that says why")
    return _answered(_waiting(history, version, digest), "declined", by, note)


def _answered(
    waiting: DecisionRecord, decision: DecisionKind, by: str, note: str
) -> DecisionRecord:
    if not by.strip():
        raise RolloutError("an approval needs the name of the person")
    sentence = f"{decision} by {by.strip()}" + (f": {note.strip()}" if note.strip() else "")
    return replace(
        waiting,
        decision=decision,
        reasons=[sentence, *waiting.reasons],
        decided_at=now(),
        decided_by=by.strip(),
        promotion=None,
    )


def _waiting(history: Sequence[DecisionRecord], version: int, digest: str) -> DecisionRecord:
    newest = named_version(history, version, digest)
    if newest is None:
        raise RolloutError(
            f"no decision on version {version} is recorded; `tasador models` lists the versions"
        )
    if newest.decision != "waiting":
        by = f" by {newest.decided_by}" if newest.decided_by else ""
        raise RolloutError(
            f"version {version} does not wait for approval: it was {newest.decision}{by}"
        )
    return newest


def _recorded(
    history: Sequence[DecisionRecord],
    version: int,
    digest: str,
    decision: DecisionKind,
    by: str,
) -> DecisionRecord | None:
    """The same answer of the same person, if an earlier call recorded it."""
    newest = named_version(history, version, digest)
    if newest is None or newest.decision != decision or not _same_person(by, newest.decided_by):
        return None
    return newest


def _same_person(one: str, other: str) -> bool:
    return bool(one.strip()) and one.strip().casefold() == other.strip().casefold()


def _announce(event: Event, settings: Settings, left: list[str]) -> None:
    try:
        announce(event, settings)
    except TasadorError as error:
        left.append(str(error))
