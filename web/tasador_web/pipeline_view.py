"""What the Pipeline page shows of record's answers: the turns of the loop. No Reflex.

A turn begins with a batch, with a check that requested training, or with a rollback by a person. It
is identified by its correlation id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasador_web import words
from tasador_web.languages import address, counted, known_text, text
from tasador_web.market_view import VERDICTS, newest_verdict
from tasador_web.model_view import DECISIONS, seconds_between

STAGES = ("Ingest", "Drift", "Train", "Gate", "Rollout")
# A stage that has not ended after this long has probably stopped (seconds).
_LONG = 3_600.0
_NOT_YET = "not yet"
# State: the colour of its badge.
_COLORS = {
    "done": "green",
    "running": "blue",
    "waiting": "amber",
    "failed": "red",
    "skipped": "gray",
    "next": "gray",
}


@dataclass
class Stage:
    """One stage of a turn; ``state`` is done, running, waiting, failed, skipped or next."""

    name: str
    state: str = "next"
    label: str = ""  # "not yet" if it is empty
    text: str = ""
    took: str = ""
    when: str = ""
    href: str = ""

    @property
    def color(self) -> str:
        """The colour of its badge."""
        return _COLORS[self.state]


@dataclass
class ShownStage:
    """A stage as the page shows it; ``title`` is its name in the language of the page."""

    name: str
    title: str
    state: str
    label: str
    text: str
    took: str
    when: str
    href: str
    color: str


@dataclass
class Turn:
    """One turn of the loop."""

    identity: str
    title: str
    began: str
    took: str
    label: str
    color: str
    stages: list[ShownStage] = field(default_factory=list)
    selected: bool = False


def turns_of(
    batches: Sequence[Mapping[str, Any]],
    decisions: Sequence[Mapping[str, Any]],
    rollouts: Sequence[Mapping[str, Any]],
    now: datetime,
) -> list[Turn]:
    """The turns, the newest first. Each history is newest first, and of any length."""
    begun = [(batch["fetched_at"], _of_batch(batch, decisions, rollouts, now)) for batch in batches]
    known = {batch["correlation_id"] for batch in batches}
    oldest = min((batch["fetched_at"] for batch in batches), default="")
    for decision in decisions:
        own = decision["decision"] == "rolled_back" or decision["correlation_id"] not in known
        # Older decisions belong to batches that are not on the page.
        if own and decision["decided_at"] >= oldest:
            begun.append((decision["decided_at"], _of_decision(decision, rollouts, now)))
    return [turn for _, turn in sorted(begun, key=lambda pair: pair[0], reverse=True)]


def _of_batch(
    batch: Mapping[str, Any],
    decisions: Sequence[Mapping[str, Any]],
    rollouts: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Turn:
    correlation_id = batch["correlation_id"]
    verdict = newest_verdict(batch)
    decision = next(
        (
            d
            for d in decisions
            if d["correlation_id"] == correlation_id and d["decision"] != "rolled_back"
        ),
        None,
    )
    train, gate = _train_and_gate(verdict, decision, now)
    rollout = _rollout(decision, rollouts, now)
    if gate.state == "skipped":
        rollout = Stage("Rollout", "skipped", text("not needed"))
    stages = [_ingest(batch, now), _drift(batch, verdict, now), train, gate, rollout]
    return _turn(
        correlation_id,
        text("Batch {number}", number=batch["batch_number"]),
        batch["fetched_at"],
        stages,
    )


def _of_decision(
    decision: Mapping[str, Any], rollouts: Sequence[Mapping[str, Any]], now: datetime
) -> Turn:
    rolled_back = decision["decision"] == "rolled_back"
    none = text("not part of a rollback" if rolled_back else "requested by monitoring")
    train = Stage("Train", "skipped", text("not needed"))
    if not rolled_back:
        train = Stage("Train", "done", _version(decision), href=_model(decision))
    stages = [
        Stage("Ingest", "skipped", text("no batch"), none),
        Stage("Drift", "skipped", text("no batch"), none),
        train,
        _gate(decision),
        _rollout(decision, rollouts, now),
    ]
    title = "Rollback: version {version}" if rolled_back else "Training: version {version}"
    return _turn(
        decision["correlation_id"] or f"promotion-{decision['promotion']}",
        text(title, version=decision["version"]),
        decision["decided_at"],
        stages,
    )


def _turn(identity: str, title: str, began: str, stages: Sequence[Stage]) -> Turn:
    ends = [stage.when for stage in stages if stage.when and stage.state != "running"]
    current = next((s for s in stages if s.state in ("failed", "running", "waiting")), None)
    goes_on = any(s.state in ("running", "waiting", "next") for s in stages)
    last = next(
        (s for s in reversed(stages) if s.state in ("done", "failed")),
        stages[0],
    )
    said = current or last
    return Turn(
        identity=identity,
        title=title,
        began=words.moment(began),
        took="" if goes_on or not ends else words.duration(seconds_between(began, max(ends))),
        label=f"{text(said.name)}: {said.label or text(_NOT_YET)}",
        color=said.color,
        stages=[
            ShownStage(
                s.name,
                text(s.name),
                s.state,
                s.label or text(_NOT_YET),
                s.text,
                s.took,
                words.moment(s.when) if s.when else "",
                s.href,
                s.color,
            )
            for s in stages
        ],
    )


def _since(name: str, label: str, begun: str, now: datetime, href: str = "") -> Stage:
    """A stage that has begun and not ended."""
    if (now - datetime.fromisoformat(begun)).total_seconds() > _LONG:
        said = text("no news since {time}", time=words.moment(begun))
        more = text("Its log or card says more.")
        return Stage(name, "waiting", said, more, when=begun, href=href)
    return Stage(
        name,
        "running",
        label,
        text("since {time}", time=words.moment(begun)),
        when=begun,
        href=href,
    )


def _ingest(batch: Mapping[str, Any], now: datetime) -> Stage:
    began, href = batch["fetched_at"], f"{address('/market')}?batch={batch['batch_id']}"
    if batch.get("set_aside_at"):
        why = batch.get("failure", "")
        return Stage(
            "Ingest", "failed", text("set aside"), why, when=batch["set_aside_at"], href=href
        )
    if batch["ready_at"] is None:
        return _since("Ingest", text("running"), began, now, href)
    return Stage(
        "Ingest",
        "done",
        counted(batch["clean"], "{count} listing", "{count} listings"),
        counted(
            batch["rows"],
            "{refused} of {count} row refused",
            "{refused} of {count} rows refused",
            refused=words.count(batch["quarantined"]),
        ),
        words.duration(seconds_between(began, batch["ready_at"])),
        batch["ready_at"],
        href,
    )


def _drift(batch: Mapping[str, Any], verdict: Mapping[str, Any] | None, now: datetime) -> Stage:
    href = f"{address('/market')}?batch={batch['batch_id']}"
    if batch["ready_at"] is None:
        return Stage("Drift")
    if verdict is None:
        return _since("Drift", text("running"), batch["ready_at"], now, href)
    label, _ = VERDICTS.get(verdict["verdict"], (verdict["verdict"], ""))
    return Stage(
        "Drift",
        "failed" if verdict["verdict"] == "broken_feed" else "done",
        known_text(label),
        words.plain(verdict["reasons"][0]) if verdict["reasons"] else "",
        words.duration(max(seconds_between(batch["ready_at"], verdict["decided_at"]), 0.0)),
        verdict["decided_at"],
        href,
    )


def _train_and_gate(
    verdict: Mapping[str, Any] | None, decision: Mapping[str, Any] | None, now: datetime
) -> tuple[Stage, Stage]:
    if decision is not None:
        took = ""
        if verdict is not None:
            seconds = seconds_between(verdict["decided_at"], decision["decided_at"])
            took = words.duration(max(seconds, 0.0))
        train = Stage("Train", "done", _version(decision), "", took, "", _model(decision))
        return train, _gate(decision)
    if verdict is None:
        return Stage("Train"), Stage("Gate")
    if verdict["verdict"] in ("train", "drift"):
        return _since("Train", text("running"), verdict["decided_at"], now), Stage("Gate")
    reason = text("The champion keeps serving.")
    if verdict["verdict"] == "broken_feed":
        reason = text("Nothing is learned from a broken feed.")
    needless = text("not needed")
    return Stage("Train", "skipped", needless, reason), Stage("Gate", "skipped", needless)


def _gate(decision: Mapping[str, Any]) -> Stage:
    kind = decision["decision"]
    label, _ = DECISIONS.get(kind, (kind, ""))
    state = {"rejected": "failed", "declined": "failed", "waiting": "waiting"}.get(kind, "done")
    if kind == "rolled_back":
        said = text("rolled back by {name}", name=decision.get("decided_by") or text("a person"))
    else:
        said = known_text(label)
    reasons = decision["reasons"]
    return Stage(
        "Gate",
        state,
        said,
        reasons[0] if reasons else "",
        when=decision["decided_at"],
        href=_model(decision),
    )


def _model(decision: Mapping[str, Any]) -> str:
    return f"{address('/models')}?version={decision['version']}"


def _version(decision: Mapping[str, Any]) -> str:
    return text("version {version}", version=decision["version"])


def _rollout(
    decision: Mapping[str, Any] | None, rollouts: Sequence[Mapping[str, Any]], now: datetime
) -> Stage:
    if decision is None:
        return Stage("Rollout")
    if decision["decision"] not in ("promoted", "approved", "rolled_back"):
        # A decision that waits may still lead to one.
        waits = decision["decision"] == "waiting"
        return Stage("Rollout") if waits else Stage("Rollout", "skipped", text("not needed"))
    own = [r for r in rollouts if r["promotion"] == decision["promotion"]]
    if not own:
        return _since("Rollout", text("running"), decision["decided_at"], now, _model(decision))
    newest = {row["service"]: row for row in reversed(own)}
    failed = [row for row in newest.values() if row["outcome"] == "failed"]
    began = min(row["started_at"] for row in own)
    ended = max(row["finished_at"] for row in own)
    return Stage(
        "Rollout",
        "failed" if failed else "done",
        text("failed") if failed else text("serving"),
        failed[0]["reason"] if failed else f"{words.listed(sorted(newest))}",
        words.duration(seconds_between(began, ended)),
        ended,
        _model(decision),
    )
