"""The dashboards: up to date, and readable by people who have not written them.

tests/embedded/test_monitoring_stack.py runs each panel's queries.
"""

import json

import yaml

from cluster.monitoring import dashboards
from tests.kit.checkout import ROOT

MONITORING = ROOT / "cluster" / "monitoring"


def test_the_json_is_up_to_date():
    stored = {file.name: file.read_text() for file in dashboards.FOLDER.glob("*.json")}
    assert stored == dashboards.rendered(), "run ./taskw monitoring"


def test_every_dashboard_is_deployed():
    kustomization = yaml.safe_load((MONITORING / "kustomization.yaml").read_text())
    files = {each["name"]: each["files"] for each in kustomization["configMapGenerator"]}
    names = sorted(f"dashboards/{name}" for name in dashboards.rendered())
    assert sorted(files["grafana-dashboards"]) == names


def test_every_panel_has_its_queries_and_the_chosen_source():
    for name, text in dashboards.rendered().items():
        content = json.loads(text)
        assert content["uid"] == name.removesuffix(".json")
        panels = [panel for panel in content["panels"] if panel["type"] != "row"]
        titles = [panel["title"] for panel in panels]
        assert len(titles) == len(set(titles)), name
        for panel in panels:
            assert panel["targets"], panel["title"]
            assert all(target["legendFormat"] for target in panel["targets"])
            assert panel["datasource"]["uid"] == "$datasource"
