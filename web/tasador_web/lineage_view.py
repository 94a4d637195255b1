"""What led to one prediction, step by step. No Reflex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasador_web import words
from tasador_web.market_view import VERDICTS
from tasador_web.model_view import DECISIONS, seconds_between
from tasador_web.predictions_view import color_of, home_of, likely, place_of, realised_text


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
    more = f"; {others} earlier {'batch was' if others == 1 else 'batches were'} trained on too"
    return [
        Step(
            "Batch",
            f"Batch {newest['batch_number']}",
            f"{newest['clean']:,} listings{more if others else ''}",
            words.moment(newest["fetched_at"]),
            href=f"/market?batch={newest['batch_id']}",
        )
    ]


def _request_steps(lineage: Mapping[str, Any]) -> list[Step]:
    steps = []
    for verdict in lineage["verdicts"]:
        label, color = VERDICTS.get(verdict["verdict"], (verdict["verdict"], "gray"))
        steps.append(
            Step(
                "Drift",
                label.capitalize(),
                _first(verdict["reasons"]),
                words.moment(verdict["decided_at"]),
                color,
                f"/market?batch={verdict['batch_id']}",
            )
        )
    for check in lineage["checks"]:
        steps.append(
            Step(
                "Monitoring",
                "Training requested",
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
            "Training and gate",
            f"Version {decision['version']} {label}",
            _first(decision["reasons"]),
            words.moment(decision["decided_at"]),
            color,
            f"/models?version={decision['version']}",
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
            "Rollout",
            last["revision"],
            f"{last['outcome']} after {took}: {last['reason']}",
            words.moment(last["finished_at"]),
            "green" if last["outcome"] != "failed" else "red",
            f"/models?version={last['version']}",
        )
    ]


def _prediction_step(record: Mapping[str, Any]) -> Step:
    return Step(
        "Prediction",
        words.dollars(record["price"]),
        f"8 in 10 within {likely(record)}; {home_of(record['listing'])}, "
        f"{place_of(record['listing'])}",
        words.moment(record["predicted_at"]),
        "blue",
    )


def _realised_steps(lineage: Mapping[str, Any]) -> list[Step]:
    realised = lineage["realised"]
    if realised is None:
        return []
    return [
        Step(
            "Price that came in",
            words.dollars(realised["price"]),
            f"The prediction was {realised_text(realised).partition(', ')[2]}.",
            words.moment(realised["fetched_at"]),
            color_of(realised, lineage["prediction"]),
        )
    ]


def _first(reasons: Sequence[str]) -> str:
    return words.plain(reasons[0]) if reasons else ""
