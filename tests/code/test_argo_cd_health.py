"""The health checks of Argo CD (cluster/addons/argo-cd/settings/*.lua), in the Lua that it runs."""

import pytest
from lupa import lua51

from tests.kit.checkout import ROOT

SETTINGS = ROOT / "cluster" / "addons" / "argo-cd" / "settings"


def health(name, status=None, generation=1):
    """(status, message) that the check gives an object."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    metadata = {"name": "it", "generation": generation}
    given = {"metadata": metadata} | ({"status": status} if status is not None else {})
    lua.globals().obj = lua.table_from(given, recursive=True)
    found = lua.execute((SETTINGS / f"{name}.lua").read_text())
    return found["status"], found["message"]


def conditions(observed=1, **values):
    listed = [
        {"type": name, "status": value, "message": f"{name} says"} for name, value in values.items()
    ]
    return {"observedGeneration": observed, "conditions": listed}


@pytest.mark.parametrize("name", ["ready", "deployed", "workflow", "application", "claim"])
@pytest.mark.parametrize("status", [None, {}])
def test_an_object_that_no_controller_has_seen_is_in_progress(name, status):
    assert health(name, status)[0] == "Progressing"


@pytest.mark.parametrize(
    ("value", "expected"), [("True", "Healthy"), ("False", "Degraded"), ("Unknown", "Progressing")]
)
def test_ready_follows_the_condition_and_says_why(value, expected):
    status = conditions(Other="False", Ready=value)
    assert health("ready", status) == (expected, "Ready says")


def test_ready_of_an_earlier_generation_does_not_count():
    status = conditions(observed=1, Ready="True")
    assert health("ready", status, generation=2)[0] == "Progressing"
    assert health("ready", conditions(observed=2, Ready="True"), generation=2)[0] == "Healthy"


def test_an_object_without_a_condition_ready_is_in_progress():
    assert health("ready", conditions(Other="True"))[0] == "Progressing"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (conditions(Deployed="True", SourcesProvided="True"), "Healthy"),
        (conditions(SourcesProvided="True"), "Progressing"),
        (conditions(SourcesProvided="True", Deployed="False"), "Degraded"),
        (conditions(SourcesProvided="Unknown", Deployed="True"), "Progressing"),
        (conditions(observed=0, Deployed="True"), "Progressing"),
        # Older controllers report no generation.
        ({"conditions": [{"type": "Deployed", "status": "True"}]}, "Healthy"),
    ],
)
def test_deployed_needs_every_condition(status, expected):
    assert health("deployed", status)[0] == expected


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        ("Pending", "Progressing"),
        ("Running", "Progressing"),
        ("Succeeded", "Healthy"),
        ("Failed", "Degraded"),
        ("Error", "Degraded"),
    ],
)
def test_a_workflow_is_as_healthy_as_its_phase(phase, expected):
    assert health("workflow", {"phase": phase, "message": "why"}) == (expected, "why")


@pytest.mark.parametrize(
    ("phase", "expected"), [("Pending", "Healthy"), ("Bound", "Healthy"), ("Lost", "Degraded")]
)
def test_a_claim_that_waits_for_its_first_pod_holds_up_no_wave(phase, expected):
    assert health("claim", {"phase": phase})[0] == expected


def application(sync="Synced", health_status="Healthy", phase="Succeeded"):
    return {
        "sync": {"status": sync},
        "health": {"status": health_status},
        "operationState": {"phase": phase, "message": "operation"},
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (application(), "Healthy"),
        (application(health_status="Degraded"), "Degraded"),
        (application(health_status="Progressing"), "Progressing"),
        (application(health_status="Missing"), "Progressing"),
        # The next wave waits until what git has is installed, not only until something is healthy.
        (application(sync="OutOfSync"), "Progressing"),
        (application(phase="Running"), "Progressing"),
        (application(sync="OutOfSync", phase="Failed"), "Degraded"),
        (application(sync="Unknown", phase="Error"), "Degraded"),
    ],
)
def test_an_application_is_healthy_once_git_is_installed(status, expected):
    assert health("application", status)[0] == expected
