"""When monitoring requests training: a pure rule, so that one cause never requests it twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from tasador.model.model_ref import ModelRef
from tasador.records.loop import Batch, DecisionRecord, DriftRecord, MonitorRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietPeriods:
    """How long monitoring requests nothing.

    ``after_request``: after a request for training, whatever its outcome. ``undecided``: while a
    requested training is undecided; after that it counts as lost.
    """

    after_request: timedelta = timedelta(hours=24)
    undecided: timedelta = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What has happened so far; sequences are newest first.

    ``requests``: the checks of this champion that requested training. ``verdicts``: of batches,
    against any champion. ``decisions``: the gate's, and rollbacks. ``ready``: the batches that a
    training would use, in any order.
    """

    requests: Sequence[MonitorRecord]
    verdicts: Sequence[DriftRecord]
    decisions: Sequence[DecisionRecord]
    ready: Sequence[Batch]


class TrainingDecision(NamedTuple):
    """Whether to request training, and the reason."""

    request: bool
    reason: str


def decide(
    champion: ModelRef, hurts: bool, history: History, now: datetime, quiet: QuietPeriods
) -> TrainingDecision:
    """Decide whether a check of this champion's requests leads to a request for training.

    It does if the requests hurt the champion, unless (in this order) monitoring requested training
    a short while ago; a training that monitoring or drift requested is still undecided; or there is
    nothing new to train on: this champion's challenger was rejected, or a requested training has
    ended, and no batch has arrived since.
    """
    if not hurts:
        return TrainingDecision(False, "nothing hurts the champion: no training is requested")
    decided = [d for d in history.decisions if d.decision != "rolled_back"]
    last = history.requests[0] if history.requests else None
    if last is not None and now - last.looked_at < quiet.after_request:
        until = last.looked_at + quiet.after_request
        return TrainingDecision(
            False,
            f"training was requested at {_time(last.looked_at)}: no new request before "
            f"{_time(until)}",
        )
    if undecided := _undecided(champion, history, decided, now, quiet):
        return TrainingDecision(False, undecided)
    if nothing_new := _nothing_new(champion, last, history.ready, decided):
        return TrainingDecision(False, nothing_new)
    return TrainingDecision(True, _reason(champion, last, history.ready, decided))


def _undecided(
    champion: ModelRef,
    history: History,
    decided: Sequence[DecisionRecord],
    now: datetime,
    quiet: QuietPeriods,
) -> str:
    """Which requested training is still undecided; empty if none is."""
    requested = [(check.looked_at, "monitoring") for check in history.requests[:1]]
    requested += [
        (verdict.decided_at, f"the verdict on batch {verdict.batch_id[:12]}")
        for verdict in history.verdicts
        if verdict.requests_training and verdict.champion.key == champion.key
    ][:1]
    for when, source in requested:
        answered = bool(decided) and decided[0].decided_at > when
        if not answered and now - when < quiet.undecided:
            return f"the training that {source} requested at {_time(when)} is not decided yet"
    return ""


def _nothing_new(
    champion: ModelRef,
    last: MonitorRecord | None,
    ready: Sequence[Batch],
    decided: Sequence[DecisionRecord],
) -> str:
    """Why a training would have nothing new to learn from; empty if it may have."""
    newest = decided[0] if decided else None
    if newest is None:
        return ""
    trained_on = set(newest.batch_ids)
    if any(batch.batch_id not in trained_on for batch in ready):
        return ""
    if newest.decision in ("rejected", "declined") and newest.champion.key == champion.key:
        return (
            f"version {newest.version} was {newest.decision} against version {champion.version} at "
            f"{_time(newest.decided_at)}, and no batch has arrived since"
        )
    if newest.decision == "waiting" and newest.champion.key == champion.key:
        return f"version {newest.version} waits for approval, and no batch has arrived since"
    if last is not None and newest.decided_at > last.looked_at:
        return (
            f"the training requested at {_time(last.looked_at)} ended with version "
            f"{newest.version}, and no batch has arrived since"
        )
    return ""


def _reason(
    champion: ModelRef,
    last: MonitorRecord | None,
    ready: Sequence[Batch],
    decided: Sequence[DecisionRecord],
) -> str:
    """Why training is requested."""
    newest = decided[0] if decided else None
    if last is not None and (newest is None or newest.decided_at < last.looked_at):
        return (
            f"training is requested again: the training requested at {_time(last.looked_at)} was "
            "never decided"
        )
    trained_on = set(newest.batch_ids) if newest else set()
    new = sum(batch.batch_id not in trained_on for batch in ready)
    if not new:
        return (
            "training is requested, although no batch has arrived since version "
            f"{champion.version} was trained"
        )
    plural = "batch" if new == 1 else "batches"
    return f"training is requested, with {new} new {plural} to learn from"


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
