"""The loop while the champion's bundle is lost: drift, training and the gate go on."""

import json
import time

import pytest

from tests.cluster.test_loop import SOURCE, ended
from tests.cluster.test_rollout import served, wait_for_outcomes  # noqa: F401
from tests.cluster.test_states import HIDE, NEWEST, RESTORE, tasador
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(2400), kit.long]


def test_batch_leads_to_a_judged_model_without_the_champions_bundle(served, healed):  # noqa: F811
    counts = {name: len(kit.workflows(f"{name}flow")) for name in ("ingest", "drift", "train")}
    lost = kit.python(NEWEST)
    uri = kit.python(HIDE)
    try:
        began = time.monotonic()
        assert "cannot be read" in tasador("doctor", check=False)[1]
        kit.trigger("ingest", source_url=SOURCE)
        for name in ("ingest", "drift", "train"):
            number = counts[name] + 1
            kit.until(f"{name} has ended", lambda: ended(f"{name}flow", number), 900)  # noqa: B023
        decided = kit.python("report(dataclasses.asdict(warehouse.model_history(limit=1)[0]))")
        healed(
            "a champion without its bundle: a batch to its judged model", time.monotonic() - began
        )
        verdict = kit.python("report(dataclasses.asdict(warehouse.drift_history(limit=1)[0]))")
        assert verdict["verdict"] == "train"
        assert "cannot be read" in verdict["reasons"][0], json.dumps(verdict["reasons"])
        assert decided["champion_version"] == lost["version"]
        says = {check["name"]: check["says"] for check in decided["checks"]}
        assert "only the absolute checks judge" in says["better_than_champion"]
        if decided["decision"] == "promoted":
            results, _ = wait_for_outcomes(decided["promotion"])
            assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    finally:
        kit.python(RESTORE.replace("URI", uri))
