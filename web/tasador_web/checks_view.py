"""The gate's checks as the Models page shows them. No Reflex."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasador_web import words
from tasador_web.languages import known_text, text


@dataclass
class Check:
    """One check of the gate."""

    name: str
    passed: bool
    says: str
    value: str
    limit: str


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
                name=_spoken(first["name"])
                + (text(" and {count} more", count=others) if others else ""),
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
    says = " ".join(parts)
    return known_text(says[:1].upper() + says[1:])


def _figure(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return words.formatted("{:,.0f}" if abs(value) >= 1_000 else "{:.3g}", value)
