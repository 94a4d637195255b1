"""The report on one batch: its verdict, and its reasons in the order of causes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tasador.drift.checks import Finding
from tasador.records.loop import Verdict

# The order of reasons: a broken feed before any change of the market, then causes before effects.
# A new state explains a price level, and the mix of statuses which fields are missing, not the
# reverse.
_CAUSES_FIRST = (
    "refused",
    "lost",
    "garbled",
    "unit",
    "unseen",
    "brokers",
    "mix of status",
    "missing",
    "outside_market",
    "price_level",
    "realised_error",
    "estimated_error",
    "distribution",
    "mix",
    "answers",
    "structure",
)


@dataclass(slots=True)
class DriftReport:
    """The verdict, its reasons (the most important first) and the findings behind it.

    ``scores`` are JSON values by detector. ``results`` maps the (name, column) of a finding to
    NannyML's own result object, which draws its plots.
    """

    verdict: Verdict
    reasons: list[str]
    scores: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    results: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def exceeded(self) -> list[Finding]:
        """The findings beyond their limits, in the order of the reasons."""
        return _causes_first(self.findings)

    @property
    def moved(self) -> bool:
        """Whether the listings differ from the champion's data."""
        return any(f.exceeded and f.effect in ("moved", "both") for f in self.findings)

    @property
    def hurts(self) -> bool:
        """Whether the champion's error on them rose, as measured or as estimated."""
        return any(f.exceeded and f.effect in ("hurts", "both") for f in self.findings)


def broken_feed(findings: list[Finding], scores: dict[str, Any]) -> DriftReport | None:
    """The report on a batch whose feed broke, with the fields; None if it did not."""
    broken = _causes_first([f for f in findings if f.effect == "broken"])
    if not broken:
        return None
    scores |= {"moved": False, "hurts": False}
    scores["broken_fields"] = list(dict.fromkeys(f.column for f in broken if f.column))
    return DriftReport("broken_feed", [f.message for f in broken], scores, findings)


def _causes_first(findings: list[Finding]) -> list[Finding]:
    """The findings beyond their limits, causes first; within a name the largest excess first."""

    def order(finding: Finding) -> tuple[int, float]:
        both = f"{finding.name} of {finding.column}"
        name = both if both in _CAUSES_FIRST else finding.name
        return _CAUSES_FIRST.index(name), -finding.value / finding.limit

    return sorted((f for f in findings if f.exceeded), key=order)


def reasons_of(findings: list[Finding]) -> list[str]:
    """What was exceeded, likely causes first; for a quiet batch, how close it came to a limit."""
    if exceeded := _causes_first(findings):
        return [f.message for f in exceeded]
    nearest = max((f for f in findings if f.effect == "moved"), key=lambda f: f.value / f.limit)
    about = f"{nearest.name} of {nearest.column}" if nearest.column else nearest.name
    quiet = (
        f"nothing moved beyond its limit; the closest is the {about.replace('_', ' ')} with "
        f"{nearest.value:.2f} of {nearest.limit:.2f}"
    )
    return [quiet, *(f.message for f in findings if f.effect == "hurts")]
