"""Pause and resume rollouts, and report what serves and what is to serve next."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tasador.clock import now
from tasador.errors import TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.records import DecisionRecord, PauseRecord, RolloutRecord
from tasador.rollout.choice import failures_of
from tasador.rollout.plan import SERVICES
from tasador.rollout.verbs import LOCK
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

# Rows of the rollout history that are read.
_ROWS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """What the histories say about the services.

    ``newest`` is the promotion that should serve, ``serving`` the newest row of each service that
    reported serving, ``message`` all of it as text. ``healthy`` is whether every service serves the
    newest promotion.
    """

    newest: DecisionRecord | None
    serving: dict[str, RolloutRecord]
    pause: PauseRecord | None
    healthy: bool
    message: str


def pause(settings: Settings, reason: str, by: str = "") -> PauseRecord:
    """Pause rollouts, after one that is running; raises TasadorError if they are paused already."""
    wanted = PauseRecord(paused_by=by or whoami(), reason=reason)
    with _warehouse(settings) as warehouse, warehouse.lock(LOCK):
        stored = warehouse.pause_rollouts(wanted)
    if (stored.paused_at, stored.paused_by) != (wanted.paused_at, wanted.paused_by):
        raise TasadorError(stored.message)
    return stored


def resume(settings: Settings, by: str = "") -> tuple[PauseRecord, str]:
    """End the pause and announce the newest promotion again, so that reload catches up at once.

    Returns the pause, and why the event could not be published, or "". Raises TasadorError if
    rollouts are not paused.
    """
    with _warehouse(settings) as warehouse:
        ended = warehouse.resume_rollouts(by or whoami())
        newest = warehouse.latest_promotion(settings.model_name)
    if ended is None:
        raise TasadorError("rollouts are not paused")
    announce_error = ""
    if newest is not None:
        try:
            announce(build.model_promoted(newest), settings)
        except TasadorError as error:
            announce_error = str(error)
    return ended, announce_error


def status(settings: Settings) -> RolloutStatus:
    """What serves, what is to serve, and why the two differ."""
    with _warehouse(settings) as warehouse:
        return read_status(warehouse, settings.model_name)


def read_status(warehouse: Warehouse, model_name: str) -> RolloutStatus:
    """As ``status``, of an open warehouse."""
    newest = warehouse.latest_promotion(model_name)
    attempts = warehouse.rollout_history(limit=_ROWS)
    return describe(newest, attempts, warehouse.rollout_pause(), now())


def describe(
    newest: DecisionRecord | None,
    attempts: Sequence[RolloutRecord],
    open_pause: PauseRecord | None,
    when: datetime,
) -> RolloutStatus:
    """The status by the histories, newest first. Pure."""
    serving: dict[str, RolloutRecord] = {}
    for attempt in attempts:
        if attempt.outcome in ("serving", "unchanged"):
            serving.setdefault(attempt.service, attempt)
    sentences = [] if open_pause is None else [open_pause.message]
    behind = [
        name
        for name in SERVICES
        if newest is not None
        and (name not in serving or serving[name].promotion != newest.promotion)
    ]
    if newest is None:
        sentences.append("no version has been promoted yet")
    elif not behind:
        sentences.append(f"promotion {newest.promotion} ({newest.model}) is in service")
    else:
        sentences.append(_behind(newest, behind, serving))
        failures = failures_of(newest.promotion, attempts)
        if failures.last is not None:
            times = "once" if failures.count == 1 else f"{failures.count} times"
            sentences.append(f"it failed {times}, the last time because {failures.last.reason}")
            if open_pause is None:
                is_down = any(name not in serving for name in SERVICES)
                sentences.append(_next_attempt(failures.next_attempt(down=is_down), when))
    return RolloutStatus(
        newest=newest,
        serving=serving,
        pause=open_pause,
        healthy=newest is not None and not behind,
        message="; ".join(sentences),
    )


def _behind(
    newest: DecisionRecord, behind: Sequence[str], serving: dict[str, RolloutRecord]
) -> str:
    states = [
        f"{name} serves promotion {serving[name].promotion} ({serving[name].model})"
        if name in serving
        else f"{name} has not served yet"
        for name in behind
    ]
    return (
        f"promotion {newest.promotion} ({newest.model}) is not in service: {' and '.join(states)}"
    )


def _next_attempt(at: datetime | None, when: datetime) -> str:
    if at is None or at <= when:
        return "reload tries it again at its next check"
    return f"reload tries it again after {at:%H:%M} UTC; `POST /reload` tries at once"


def whoami() -> str:
    """The user that runs this process; "unknown" where the system has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _warehouse(settings: Settings) -> Warehouse:
    settings.require("database_url")
    return Warehouse(settings.database_url)
