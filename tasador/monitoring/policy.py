"""When monitoring asks for training: a pure rule, so that one cause never asks twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from tasador.records import Batch, DecisionRecord, DriftRecord, MonitorRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietPeriods:
    """For how long nothing is asked: ``after_asking`` training was asked for, whatever came of it;
    and while it is ``undecided``, after which it counts as lost."""

    after_asking: timedelta = timedelta(hours=24)
    undecided: timedelta = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What has happened so far. Sequences are the newest first.

    ``asked``: the looks at this champion's requests that asked for training. ``verdicts``: of
    batches, against whichever champion. ``decisions``: the gate's, rollbacks among them. ``ready``:
    the batches that a training would learn from, in any order.
    """

    asked: Sequence[MonitorRecord]
    verdicts: Sequence[DriftRecord]
    decisions: Sequence[DecisionRecord]
    ready: Sequence[Batch]


class Answer(NamedTuple):
    """Whether to ask for training, and why or why not, in words."""

    ask: bool
    says: str


def answer(
    champion_version: int, hurts: bool, past: Past, now: datetime, quiet: QuietPeriods
) -> Answer:
    """Decide whether a look at this champion's requests asks for training.

    It does when the requests hurt, unless (in this order) it asked a short while ago; a training
    that monitoring or drift asked for is not decided yet; or nothing has come that such a training
    could learn: this champion's challenger was rejected, or training was asked for before, and no
    batch has come since.
    """
    if not hurts:
        return Answer(False, "nothing was found that hurts the champion: no training is asked for")
    decided = [d for d in past.decisions if d.decision != "rolled_back"]
    last = past.asked[0] if past.asked else None
    if last is not None and now - last.looked_at < quiet.after_asking:
        until = last.looked_at + quiet.after_asking
        return Answer(
            False, f"training was asked for at {_time(last.looked_at)}: quiet until {_time(until)}"
        )
    if waiting := _undecided(champion_version, past, decided, now, quiet):
        return Answer(False, waiting)
    if nothing := _nothing_new(champion_version, last, past.ready, decided):
        return Answer(False, nothing)
    return Answer(True, _why(champion_version, last, past.ready, decided))


def _undecided(
    champion_version: int,
    past: Past,
    decided: Sequence[DecisionRecord],
    now: datetime,
    quiet: QuietPeriods,
) -> str:
    """Which training is on its way, in words; empty if none is."""
    asked_at = [(look.looked_at, "monitoring") for look in past.asked[:1]]
    asked_at += [
        (verdict.decided_at, f"the verdict on batch {verdict.batch_id[:12]}")
        for verdict in past.verdicts
        if verdict.verdict != "no_drift" and verdict.champion_version == champion_version
    ][:1]
    for when, who in asked_at:
        answered = bool(decided) and decided[0].decided_at > when
        if not answered and now - when < quiet.undecided:
            return f"the training that {who} asked for at {_time(when)} is not decided yet"
    return ""


def _nothing_new(
    champion_version: int,
    last: MonitorRecord | None,
    ready: Sequence[Batch],
    decided: Sequence[DecisionRecord],
) -> str:
    """Why a training would find nothing new, in words; empty where it may."""
    newest = decided[0] if decided else None
    if newest is None:
        return ""
    learnt = set(newest.batch_ids)
    if any(batch.batch_id not in learnt for batch in ready):
        return ""
    if newest.decision == "rejected" and newest.champion_version == champion_version:
        return (
            f"version {newest.version} was rejected against version {champion_version} at "
            f"{_time(newest.decided_at)}, and no batch has come since"
        )
    if last is not None and newest.decided_at > last.looked_at:
        return (
            f"the training asked for at {_time(last.looked_at)} ended with version "
            f"{newest.version}, and no batch has come since"
        )
    return ""


def _why(
    champion_version: int,
    last: MonitorRecord | None,
    ready: Sequence[Batch],
    decided: Sequence[DecisionRecord],
) -> str:
    newest = decided[0] if decided else None
    if last is not None and (newest is None or newest.decided_at < last.looked_at):
        return (
            f"training is asked for again: what was asked for at {_time(last.looked_at)} was "
            "never decided"
        )
    learnt = set(newest.batch_ids) if newest else set()
    fresh = sum(batch.batch_id not in learnt for batch in ready)
    if not fresh:
        return (
            "training is asked for, though no batch has come since version "
            f"{champion_version} was trained"
        )
    plural = "batch" if fresh == 1 else "batches"
    return f"training is asked for, with {fresh} new {plural} to learn from"


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
