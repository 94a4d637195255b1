"""What serves, what is to serve next, and why the two differ: from the histories alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tasador.clock import now
from tasador.records.loop import DecisionRecord, PauseRecord, RolloutRecord
from tasador.rollout.choice import failures_of
from tasador.rollout.plan import SERVICES

if TYPE_CHECKING:
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


def read_status(warehouse: Warehouse, model_name: str) -> RolloutStatus:
    """What serves, what is to serve, and why the two differ."""
    newest = warehouse.latest_promotion(model_name)
    attempts = warehouse.rollout_history(limit=_ROWS)
    decided = warehouse.model_history(limit=1, name=model_name)
    return describe(newest, attempts, warehouse.rollout_pause(), now(), decided)


def describe(
    newest: DecisionRecord | None,
    attempts: Sequence[RolloutRecord],
    open_pause: PauseRecord | None,
    when: datetime,
    decided: Sequence[DecisionRecord] = (),
) -> RolloutStatus:
    """The status by the histories, newest first. Pure. ``decided``: the newest decision."""
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
    sentences += [
        f"version {decision.version} waits for approval (`tasador approve {decision.version}`)"
        for decision in decided
        if decision.decision == "waiting"
    ]
    return RolloutStatus(
        newest=newest,
        serving=serving,
        pause=open_pause,
        healthy=newest is not None and not behind,
        message="; ".join(sentences),
    )


def _behind(
    newest: DecisionRecord, behind: Sequence[str], serving: Mapping[str, RolloutRecord]
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
    return f"reload tries it again after {at:%H:%M} UTC; `tasador rollout retry` tries at once"
