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
class Check:
    """One check of the gate."""

    name: str
    passed: bool
    says: str
    value: str
    limit: str


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
    return MEASURES[name].written.format(value) if isinstance(value, int | float) else "–"


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
                decision=label,
                color=color,
                serving="in service" if newest and d["version"] in serving else "",
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
    measure = MEASURES[name]
    return line_chart(
        [f"v{v}" for v in versions], {measure.name: values}, measure.written.format, [colours]
    )


def serving_sentence(answer: Mapping[str, Any]) -> str:
    """Which version serves, as a sentence."""
    serving = sorted(set(answer["rollouts"]["serving"].values()))
    if not serving:
        return "No version serves yet."
    names = words.listed([f"version {v}" for v in serving])
    return f"{names[0].upper()}{names[1:]} {'serves' if len(serving) == 1 else 'serve'}."


def detail_of(answer: Mapping[str, Any], champion: int | None) -> Detail:
    """The facts of GET /models/VERSION; ``champion`` is the version that should serve."""
    label, color = DECISIONS.get(answer["decision"], (answer["decision"], "gray"))
    passed = sum(bool(check["passed"]) for check in answer["checks"])
    people = [
        f"{what} {name}"
        for what, name in (
            ("trained by", answer.get("started_by")),
            ("decided by", answer.get("decided_by")),
        )
        if name
    ]
    can_return = answer["decision"] in ("promoted", "approved") and answer["version"] != champion
    return Detail(
        version=answer["version"],
        decision=label,
        color=color,
        decided=words.moment(answer["decided_at"]),
        champion=f"version {answer['champion_version']}" if answer["champion_version"] else "none",
        passed=f"{passed} of {len(answer['checks'])} checks passed",
        run_id=answer["run_id"],
        correlation_id=answer["correlation_id"],
        digest=answer["digest"],
        batches=f"{len(answer['batch_ids'])}",
        people=", ".join(people) or "the gate",
        command=_command(answer, can_return),
        target=version_target(answer["version"], answer["digest"]),
        can_return=can_return,
        waits=answer["decision"] == "waiting",
    )


def _command(answer: Mapping[str, Any], can_return: bool) -> str:
    if answer["decision"] == "waiting":
        return f"tasador approve {answer['version']}"
    return f"tasador rollback {answer['version']}" if can_return else ""


def checks_of(answer: Mapping[str, Any]) -> list[Check]:
    """The gate's checks, failed ones first.

    Those that say the same are one: without a champion, six of them do.
    """
    by_finding: dict[str, list[Mapping[str, Any]]] = {}
    for check in answer["checks"]:
        by_finding.setdefault(check["says"], []).append(check)
    checks = []
    for says, alike in by_finding.items():
        first, others = alike[0], len(alike) - 1
        checks.append(
            Check(
                name=_spoken(first["name"]) + (f" and {others} more" if others else ""),
                passed=all(c["passed"] for c in alike),
                says=says,
                value="–" if others else _figure(first.get("value")),
                limit="–" if others else _figure(first.get("limit")),
            )
        )
    return sorted(checks, key=lambda c: c.passed)


_NAMES = {"r2": "R²", "rmse": "RMSE", "cod": "COD", "prb": "PRB", "vei": "VEI", "mki": "MKI"}


def _spoken(name: str) -> str:
    parts = [_NAMES.get(part, part) for part in name.split("_")]
    text = " ".join(parts)
    return text[:1].upper() + text[1:]


def _figure(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


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
        written = f"{100 * abs(difference):.1f} pp" if "%" in form else form.format(abs(difference))
        if re.fullmatch(r"[^1-9]*", written):
            sign, color = "±", "gray"
        rows.append(
            Comparison(
                measure.name,
                measure.written.format(new),
                measure.written.format(old),
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
            outcome=r["outcome"],
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
