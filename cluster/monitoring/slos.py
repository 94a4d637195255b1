"""Write the rules of the service level objectives: slos.yaml -> rules/slos.yaml.

python cluster/monitoring/slos.py        # ./taskw monitoring

Each objective gets recording rules of its error ratio over several windows, and two alerts by the
multiwindow, multi-burn-rate method of the Site Reliability Workbook (Google, 2018, chapter 5): an
alert starts while both a long and a short window burn the budget of 30 days too fast, so it starts
soon for a large fault, late for a small one, and ends soon after the fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
SOURCE, RULES = FOLDER / "slos.yaml", FOLDER / "rules" / "slos.yaml"
# An external label of Prometheus' configuration says where the documentation is served.
RUNBOOKS = "{{ $externalLabels.docs_url }}/runbooks/"
PERIOD = "30d"
HEADER = "# Written by cluster/monitoring/slos.py from slos.yaml: ./taskw monitoring\n"


@dataclass(frozen=True)
class BurnRate:
    """Alert while the error ratio exceeds ``factor`` times the budget in both windows.

    The workbook's table 5-8: 2 % of the budget in an hour, 5 % in six hours, 10 % in a day and in
    three days.
    """

    severity: str
    long: str
    short: str
    factor: float


BURN_RATES = (
    BurnRate("page", "1h", "5m", 14.4),
    BurnRate("page", "6h", "30m", 6),
    BurnRate("ticket", "1d", "2h", 3),
    BurnRate("ticket", "3d", "6h", 1),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", PERIOD)


def anchor(heading: str) -> str:
    """The address of a heading on its page, as Markdown renders it."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def groups(objectives: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rule groups, one for each objective."""
    return [
        {"name": f"slo-{each['name']}", "rules": [*_recordings(each), *_alerts(each)]}
        for each in objectives
    ]


def _recordings(objective: dict[str, Any]) -> list[dict[str, Any]]:
    labels = {"slo": objective["name"]}
    rules: list[dict[str, Any]] = []
    if "bad" in objective:
        rules.append({"record": "slo:bad", "labels": labels, "expr": objective["bad"].strip()})
    for window in WINDOWS:
        rules.append(
            {"record": _ratio(window), "labels": labels, "expr": _error_ratio(objective, window)}
        )
    budget = _budget(objective)
    rules.append(
        {"record": "slo:error_budget:ratio", "labels": labels, "expr": f"vector({budget})"}
    )
    rules.append(
        {
            "record": "slo:error_budget_remaining:ratio",
            "labels": labels,
            "expr": f"1 - {_ratio(PERIOD)}{_selector(objective)} / {budget}",
        }
    )
    return rules


def _alerts(objective: dict[str, Any]) -> list[dict[str, Any]]:
    alerts = []
    for severity in ("page", "ticket"):
        conditions = [
            " and ".join(
                f"({_ratio(window)}{_selector(objective)} > {rate.factor:g} * {_budget(objective)})"
                for window in (rate.long, rate.short)
            )
            for rate in BURN_RATES
            if rate.severity == severity
        ]
        alerts.append(
            {
                "alert": "ErrorBudgetBurn",
                "expr": "\nor\n".join(conditions) + "\n",
                "labels": {"severity": severity, "slo": objective["name"]},
                "annotations": {
                    "summary": objective["summary"],
                    "description": f"{objective['title']}: {objective['objective']:g} % over "
                    f"{PERIOD}. {{{{ $value | humanizePercentage }}}} are bad.",
                    "runbook_url": RUNBOOKS + "#" + anchor(objective["runbook"]),
                },
            }
        )
    return alerts


def _error_ratio(objective: dict[str, Any], window: str) -> str:
    if "bad" in objective:
        return f"avg_over_time(slo:bad{_selector(objective)}[{window}])"
    ratio: str = objective["error_ratio"]
    return ratio.strip().replace("{window}", window)


def _budget(objective: dict[str, Any]) -> str:
    return f"{round(1 - objective['objective'] / 100, 6):g}"


def _ratio(window: str) -> str:
    return f"slo:error:ratio_rate{window}"


def _selector(objective: dict[str, Any]) -> str:
    return f'{{slo="{objective["name"]}"}}'


def rendered() -> str:
    """The content of rules/slos.yaml."""
    objectives = yaml.safe_load(SOURCE.read_text())["slos"]
    content: str = yaml.safe_dump(
        {"groups": groups(objectives)}, sort_keys=False, width=100, allow_unicode=True
    )
    return HEADER + content


if __name__ == "__main__":
    RULES.write_text(rendered())
    print(f"wrote {RULES.relative_to(FOLDER.parents[1])}")
