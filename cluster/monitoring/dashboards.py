"""Write Grafana's dashboards: dashboards.yaml -> dashboards/*.json.

python cluster/monitoring/dashboards.py        # ./taskw monitoring
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = Path(__file__).parent / "dashboards.yaml"
FOLDER = Path(__file__).parent / "dashboards"
_SOURCE = "$datasource"
# Three panels in a row of Grafana's 24 columns.
_WIDTH, _HEIGHT = 8, 7


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel; ``queries`` maps a legend to its PromQL."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: Literal["graph", "number"] = "graph"
    platform: Literal["", "cluster", "embedded"] = ""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard: the panels of each row, by the row's title."""

    uid: str
    title: str
    rows: dict[str, list[Panel]]


def dashboards() -> list[Dashboard]:
    """The dashboards of dashboards.yaml."""
    return [
        Dashboard(
            uid=each["uid"],
            title=each["title"],
            rows={row["title"]: [Panel(**p) for p in row["panels"]] for row in each["rows"]},
        )
        for each in yaml.safe_load(SOURCE.read_text())["dashboards"]
    ]


def rendered() -> dict[str, str]:
    """File name -> JSON, of every dashboard."""
    return {f"{each.uid}.json": _json(each) for each in dashboards()}


def _json(each: Dashboard) -> str:
    builder = (
        dashboard.Dashboard(f"Tasador: {each.title}")
        .uid(each.uid)
        .tags(["tasador"])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("utc")
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
    )
    for title, panels in each.rows.items():
        builder = builder.with_row(dashboard.Row(title))
        for panel in panels:
            builder = builder.with_panel(_panel(panel))
    content = json.loads(JSONEncoder(sort_keys=True).encode(builder.build()))
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _panel(panel: Panel) -> Any:
    source = DataSourceRef(type_val="prometheus", uid=_SOURCE)
    shown: Any
    if panel.kind == "graph":
        shown = timeseries.Panel().min(0)
    else:
        shown = stat.Panel().text_mode(BigValueTextMode.VALUE_AND_NAME)
    shown = shown.title(panel.title).unit(panel.unit).datasource(source)
    shown = shown.span(_WIDTH).height(_HEIGHT)
    if panel.platform:
        shown = shown.description(f"Has data on the {panel.platform} platform only.")
    for legend, query in panel.queries.items():
        target = prometheus.Dataquery().expr(query).legend_format(legend).datasource(source)
        shown = shown.with_target(target.instant() if panel.kind == "number" else target)
    return shown


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    files = rendered()
    for stale in FOLDER.glob("*.json"):
        if stale.name not in files:
            stale.unlink()
    for name, content in files.items():
        (FOLDER / name).write_text(content)
    print(f"wrote {len(files)} dashboards")
