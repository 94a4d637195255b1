"""Pause, resume and repeat rollouts."""

from __future__ import annotations

from tasador.errors import TasadorError
from tasador.events import build
from tasador.events.announce import announce
from tasador.machine.environment import whoami
from tasador.records.loop import DecisionRecord, PauseRecord
from tasador.rollout.verbs import LOCK
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse


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


def retry(settings: Settings) -> DecisionRecord:
    """Announce the newest promotion again, so that reload tries it at once; returns it.

    Raises TasadorError if nothing has been promoted, rollouts are paused or the broker does not
    accept the event.
    """
    with _warehouse(settings) as warehouse:
        paused = warehouse.rollout_pause()
        newest = warehouse.latest_promotion(settings.model_name)
    if paused is not None:
        raise TasadorError(f"{paused.message}; `tasador rollout resume` ends the pause")
    if newest is None:
        raise TasadorError("no version has been promoted yet")
    announce(build.model_promoted(newest), settings)
    return newest


def _warehouse(settings: Settings) -> Warehouse:
    settings.require("database_url")
    return Warehouse(settings.database_url)
