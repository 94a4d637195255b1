"""What the Models page shows of record's answers. No Reflex."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasador_web import words
from tasador_web.actions import version_target
from tasador_web.chart import Chart, line_chart
from tasador_web.languages import counted, known_text, text

# Decision: (what it is called, the colour of its badge).
DECISIONS = {
    "promoted": ("promoted", "green"),
    "approved": ("approved", "green"),
    "rejected": ("rejected", "red"),
    "declined": ("declined", "red"),
    "waiting": ("waits for approval", "amber"),
    "rolled_back": ("rolled back to", "blue"),
}


# Versions in a chart; more of them are a band of points.
_CHARTED = 60


@dataclass(frozen=True)
class Measure:
    """A metric of a version: its name, how it is written, and which way is better (+1, -1, 0)."""

    name: str
    written: str
    better: int


MEASURES = {
    "median_error": Measure("Median error", "{:.1%}", -1),
    "r2": Measure("R²", "{:.3f}", 1),
    "mae": Measure("Mean error", "${:,.0f}", -1),
    "rmse": Measure("RMSE", "${:,.0f}", -1),
    "ppe_10": Measure("Within 10 % of the price", "{:.1%}", 1),
    "ppe_20": Measure("Within 20 % of the price", "{:.1%}", 1),
    "coverage_80": Measure("In the 80 % interval", "{:.1%}", 0),
    "coverage_90": Measure("In the 90 % interval", "{:.1%}", 0),
    "width_80": Measure("Width of the 80 % interval", "{:.1%}", -1),
    "cod": Measure("Spread of ratios (COD)", "{:.1f}", -1),
    "median_ratio": Measure("Estimate to price, median", "{:.3f}", 0),
    "prd": Measure("Dear against cheap homes (PRD)", "{:.3f}", 0),
    "prb": Measure("Bias by price (PRB)", "{:+.3f}", 0),
    "rows": Measure("Holdout rows", "{:,.0f}", 0),
}


@dataclass
class VersionRow:
    """A version in the list."""

    version: int
    decision: str
    color: str
    serving: str
    decided: str
    median_error: str
    r2: str
    coverage: str
    reason: str


@dataclass
class Comparison:
    """A measure of a version and of the champion that it was compared with."""

    name: str
    challenger: str
    champion: str
    difference: str
    color: str


@dataclass
class Rollout:
    """An attempt to bring the version into service."""

    service: str
    outcome: str
    color: str
    started: str
    took: str
    reason: str


@dataclass
class Detail:
    """The page of a version, without its lists."""

    version: int = 0
    decision: str = ""
    color: str = "gray"
    decided: str = ""
    champion: str = ""
    passed: str = ""
    run_id: str = ""
    correlation_id: str = ""
    digest: str = ""
    batches: str = ""
    people: str = ""
    command: str = ""
    target: str = ""  # of an action
    can_return: bool = False
    waits: bool = False


def measured(metrics: Mapping[str, Any], name: str) -> str:
    """A metric as it is written; a dash if the version lacks it."""
    value = metrics.get(name)
    return _written(name, value) if isinstance(value, int | float) else "–"


def _written(name: str, value: float) -> str:
    return words.formatted(MEASURES[name].written, value)


def version_rows(answer: Mapping[str, Any]) -> list[VersionRow]:
    """The decisions of GET /models as rows, newest first."""
    serving = set(answer["rollouts"]["serving"].values())
    shown: set[int] = set()
    rows = []
    for d in answer["decisions"]:
        label, color = DECISIONS.get(d["decision"], (d["decision"], "gray"))
        newest = d["version"] not in shown
        shown.add(d["version"])
        rows.append(
            VersionRow(
                version=d["version"],
                decision=text(label),
                color=color,
                serving=text("in service") if newest and d["version"] in serving else "",
                decided=words.moment(d["decided_at"]),
                median_error=measured(d["metrics"], "median_error"),
                r2=measured(d["metrics"], "r2"),
                coverage=measured(d["metrics"], "coverage_90"),
                # The figures that follow are in the decision.
                reason=d["reasons"][0].partition(": ")[0] if d["reasons"] else "",
            )
        )
    return rows


def metric_chart(decisions: Sequence[Mapping[str, Any]], name: str) -> Chart:
    """A metric over the newest versions, oldest first.

    A point has the colour of the gate's decision.
    """
    judged: dict[int, Mapping[str, Any]] = {}
    for d in decisions:
        if d["decision"] != "rolled_back":
            judged.setdefault(d["version"], d)
    versions = sorted(judged)[-_CHARTED:]
    values = [judged[v]["metrics"].get(name) for v in versions]
    colours = [DECISIONS.get(judged[v]["decision"], ("", "gray"))[1] for v in versions]
    return line_chart(
        [f"v{v}" for v in versions],
        {text(MEASURES[name].name): values},
        lambda value: _written(name, value),
        [colours],
    )


def serving_sentence(answer: Mapping[str, Any]) -> str:
    """Which version serves, as a sentence."""
    serving = sorted(set(answer["rollouts"]["serving"].values()))
    if not serving:
        return text("No version serves yet.")
    if len(serving) == 1:
        return text("Version {version} serves.", version=serving[0])
    names = words.listed([text("version {version}", version=v) for v in serving])
    return text("{versions} serve.", versions=f"{names[0].upper()}{names[1:]}")


def detail_of(answer: Mapping[str, Any], champion: int | None) -> Detail:
    """The facts of GET /models/VERSION; ``champion`` is the version that should serve."""
    label, color = DECISIONS.get(answer["decision"], (answer["decision"], "gray"))
    passed = sum(bool(check["passed"]) for check in answer["checks"])
    starter = answer.get("started_by")
    people = [
        text(says, name=name)
        for says, name in (
            ("trained by {name}", starter if starter != "event" else ""),
            ("decided by {name}", answer.get("decided_by")),
        )
        if name
    ]
    can_return = answer["decision"] in ("promoted", "approved") and answer["version"] != champion
    return Detail(
        version=answer["version"],
        decision=text(label),
        color=color,
        decided=words.moment(answer["decided_at"]),
        champion=text("version {version}", version=answer["champion_version"])
        if answer["champion_version"]
        else text("none"),
        passed=counted(
            len(answer["checks"]),
            "{passed} of {count} check passed",
            "{passed} of {count} checks passed",
            passed=passed,
        ),
        run_id=answer["run_id"],
        correlation_id=answer["correlation_id"],
        digest=answer["digest"],
        batches=f"{len(answer['batch_ids'])}",
        people=", ".join(people) or text("the gate"),
        command=_command(answer, can_return),
        target=version_target(answer["version"], answer["digest"]),
        can_return=can_return,
        waits=answer["decision"] == "waiting",
    )


def _command(answer: Mapping[str, Any], can_return: bool) -> str:
    if answer["decision"] == "waiting":
        return f"tasador approve {answer['version']}"
    return f"tasador rollback {answer['version']}" if can_return else ""


def comparisons_of(answer: Mapping[str, Any]) -> list[Comparison]:
    """Challenger against champion, measure by measure; empty without a champion."""
    champion = answer.get("champion")
    if champion is None:
        return []
    rows = []
    for name, measure in MEASURES.items():
        new, old = answer["metrics"].get(name), champion["metrics"].get(name)
        if not isinstance(new, int | float) or not isinstance(old, int | float):
            continue
        difference = new - old
        color = "gray"
        if measure.better and difference:
            color = "green" if difference * measure.better > 0 else "red"
        sign = "+" if difference >= 0 else "−"
        form = measure.written.replace("+", "")
        # A difference of shares is in points, since per cent would read as a relative one.
        written = (
            words.formatted("{:.1f} pp", 100 * abs(difference))
            if "%" in form
            else words.formatted(form, abs(difference))
        )
        if re.fullmatch(r"[^1-9]*", written):
            sign, color = "±", "gray"
        rows.append(
            Comparison(
                text(measure.name),
                _written(name, new),
                _written(name, old),
                f"{sign}{written}",
                color,
            )
        )
    return rows


_OUTCOMES = {"serving": "green", "failed": "red", "unchanged": "green"}


def rollouts_of(answer: Mapping[str, Any]) -> list[Rollout]:
    """The rollouts of a version, newest first."""
    return [
        Rollout(
            service=r["service"],
            outcome=known_text(r["outcome"]),
            color=_OUTCOMES.get(r["outcome"], "gray"),
            started=words.moment(r["started_at"]),
            took=words.duration(seconds_between(r["started_at"], r["finished_at"])),
            reason=r["reason"],
        )
        for r in answer["rollouts"]
    ]


def seconds_between(start: str, end: str) -> float:
    """The seconds between two ISO 8601 times."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
