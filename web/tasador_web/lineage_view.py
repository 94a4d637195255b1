"""What led to one prediction, step by step. No Reflex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasador_web import words
from tasador_web.languages import address, counted, known_text, text
from tasador_web.market_view import VERDICTS
from tasador_web.model_view import DECISIONS, seconds_between
from tasador_web.predictions_view import color_of, error_text, home_of, likely, place_of


@dataclass
class Step:
    """One step of a prediction's lineage."""

    kind: str
    title: str
    text: str
    when: str
    color: str = "gray"
    href: str = ""


def path_of(lineage: Mapping[str, Any]) -> list[Step]:
    """The lineage from the batch to the prediction, and to the price that came in."""
    return [
        *_batch_steps(lineage),
        *_request_steps(lineage),
        *_decision_steps(lineage),
        *_rollout_steps(lineage),
        _prediction_step(lineage["prediction"]),
        *_realised_steps(lineage),
    ]


def _batch_steps(lineage: Mapping[str, Any]) -> list[Step]:
    batches, decision = lineage["batches"], lineage["decision"]
    if not batches or decision is None:
        return []
    newest = next(
        (b for b in reversed(batches) if b["correlation_id"] == decision["correlation_id"]),
        batches[-1],
    )
    others = len(batches) - 1
    learned = counted(newest["clean"], "{count} listing", "{count} listings")
    if others:
        learned += counted(
            others,
            "; {count} earlier batch was trained on too",
            "; {count} earlier batches were trained on too",
        )
    return [
        Step(
            text("Ingest"),
            text("Batch {number}", number=newest["batch_number"]),
            learned,
            words.moment(newest["fetched_at"]),
            href=f"{address('/market')}?batch={newest['batch_id']}",
        )
    ]


def _request_steps(lineage: Mapping[str, Any]) -> list[Step]:
    steps = []
    for verdict in lineage["verdicts"]:
        label, color = VERDICTS.get(verdict["verdict"], (verdict["verdict"], "gray"))
        steps.append(
            Step(
                text("Drift"),
                text("The market moved") if label == "drift" else text(label).capitalize(),
                _first(verdict["reasons"]),
                words.moment(verdict["decided_at"]),
                color,
                f"{address('/market')}?batch={verdict['batch_id']}",
            )
        )
    for check in lineage["checks"]:
        steps.append(
            Step(
                text("Monitoring"),
                text("Training requested"),
                check["request_reason"] or _first(check["reasons"]),
                words.moment(check["checked_at"]),
                "amber",
            )
        )
    return steps


def _decision_steps(lineage: Mapping[str, Any]) -> list[Step]:
    decision = lineage["decision"]
    if decision is None:
        return []
    label, color = DECISIONS.get(decision["decision"], (decision["decision"], "gray"))
    return [
        Step(
            text("Training and gate"),
            text("Version {version} {decided}", version=decision["version"], decided=text(label)),
            _first(decision["reasons"]),
            words.moment(decision["decided_at"]),
            color,
            f"{address('/models')}?version={decision['version']}",
        )
    ]


def _rollout_steps(lineage: Mapping[str, Any]) -> list[Step]:
    rollouts = lineage["rollouts"]
    if not rollouts:
        return []
    # A later check that changed nothing led to no prediction.
    last = next((r for r in reversed(rollouts) if r["outcome"] != "unchanged"), rollouts[-1])
    took = words.duration(seconds_between(last["started_at"], last["finished_at"]))
    return [
        Step(
            text("Rollout"),
            last["revision"],
            text(
                "{outcome} after {time}: {reason}",
                outcome=known_text(last["outcome"]),
                time=took,
                reason=last["reason"],
            ),
            words.moment(last["finished_at"]),
            "green" if last["outcome"] != "failed" else "red",
            f"{address('/models')}?version={last['version']}",
        )
    ]


def _prediction_step(record: Mapping[str, Any]) -> Step:
    return Step(
        text("Prediction"),
        words.dollars(record["price"]),
        text(
            "8 in 10 within {range}; {home}, {place}",
            range=likely(record),
            home=home_of(record["listing"]),
            place=place_of(record["listing"]),
        ),
        words.moment(record["predicted_at"]),
        "blue",
    )


def _realised_steps(lineage: Mapping[str, Any]) -> list[Step]:
    realised = lineage["realised"]
    if realised is None:
        return []
    return [
        Step(
            text("Price that came in"),
            words.dollars(realised["price"]),
            text("The prediction was {error}.", error=error_text(realised)),
            words.moment(realised["fetched_at"]),
            color_of(realised, lineage["prediction"]),
        )
    ]


def _first(reasons: Sequence[str]) -> str:
    return words.plain(reasons[0]) if reasons else ""
