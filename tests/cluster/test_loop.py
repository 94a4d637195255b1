"""The loop on a real cluster; each test continues from the one before it."""

import json
import re
import time

import pytest

from tests.kit import cluster as kit

pytestmark = pytest.mark.timeout(1800)

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}
SOURCE = "http://source.tasador.svc.cluster.local:8000"


def ended(template, number):
    """The ``number``th workflow of a flow, once it exists and has finished."""
    started = kit.workflows(template)
    done = len(started) >= number and kit.finished(started[number - 1])
    return started[number - 1] if done else None


def test_second_apply_changes_nothing(applied):
    before = kit.versions()
    kit.apply()
    after = kit.versions()
    assert {name for name in before if before[name] != after[name]} == set()


def test_batch_leads_to_a_serving_model_without_intervention(loop, measured):
    began = time.monotonic()
    kit.trigger("ingest", source_url=SOURCE)
    kit.until("ingested", lambda: ended("ingestflow", 1), 600)
    measured["ingest, by Metaflow's trigger"] = f"{time.monotonic() - began:.0f} s"
    _, drift = kit.until("drift started by the event", lambda: ended("driftflow", 1), 600)
    training, train = kit.until("training started by the event", lambda: ended("trainflow", 1), 900)
    measured["drift, by event, after the ingest"] = f"{drift:.0f} s"
    measured["training, by event, after the drift"] = f"{train:.0f} s"
    searching = kit.pods_of(training, "search")
    assert [pod["phase"] for pod in searching] == ["Succeeded"] * 2, "a pod for each task"

    def serving():
        rolled = kit.python(
            "report([[r.service, r.outcome, r.revision]"
            " for r in warehouse.rollout_history(limit=9)])"
        )
        good = {service: revision for service, outcome, revision in rolled if outcome == "serving"}
        return good if set(good) == {"predict", "explain"} else None

    good, seconds = kit.until("new revisions serve", serving, 300, pause=3)
    measured["revisions serving, after the training"] = f"{seconds:.0f} s"
    for name, revision in good.items():
        service = kit.get("services.serving.knative.dev", name)
        traffic = [(t["revisionName"], t["percent"]) for t in service["status"]["traffic"]]
        assert traffic == [(revision, 100)]


def test_lineage_of_a_prediction_through_the_ingress(loop):
    answer, _ = kit.until(
        "a prediction",
        lambda: (r := kit.request("POST", "/predict", LISTING)).status_code == 200 and r.json(),
        60,
    )
    newest = kit.python(
        "report(dataclasses.asdict(warehouse.latest_promotion(settings.model_name)))"
    )
    assert answer["model"] == {
        "name": newest["model_name"],
        "version": newest["version"],
        "digest": newest["digest"],
    }
    batches = kit.python("report([dataclasses.asdict(b) for b in warehouse.batches()])")
    assert answer["correlation_id"] == newest["correlation_id"] == batches[0]["correlation_id"]
    lineage, _ = kit.until(
        "its lineage",
        lambda: kit.console("python", "-m", "tasador", "lineage", answer["prediction_id"]),
        60,
        pause=3,
    )
    for part in (answer["revision"], batches[0]["batch_id"][:12], newest["run_id"][:12]):
        assert part in lineage
    # record is not reachable from outside.
    assert kit.request("GET", "/predictions/history", service="record").status_code == 404


def test_the_runbooks_command_reads_whether_a_function_is_ready(loop):
    text = (kit.ROOT / "docs" / "runbooks.md").read_text()
    (pod, code) = re.search(r'exec (deploy/\w+) -- python -c \\\n +"(.+)" ', text).groups()
    said = kit.kubectl("-n", kit.NAMESPACE, "exec", pod, "--", "python", "-c", code)
    assert json.loads(said) == {"status": "ready", "function": "reload"}


def test_artifacts_and_cards_are_in_the_object_store(loop):
    uris = kit.python(
        "from tasador.stores.lake import Lake\n"
        "report(Lake(settings).objects(f's3://{settings.bucket_metaflow}/'))"
    )
    for flow in ("IngestFlow", "DriftFlow", "TrainFlow"):
        assert any(f"/{flow}/data/" in uri for uri in uris), flow
        cards = [uri for uri in uris if f"/mf.cards/{flow}/" in uri]
        assert [uri for uri in cards if uri.endswith(".html")], flow


def test_monitoring_runs_on_schedule_and_on_demand(loop, measured):
    schedules = {each["metadata"]["name"]: each["spec"] for each in kit.get("cronworkflow")}
    assert schedules["monitorflow"]["schedule"].startswith("0 * * *")
    assert not schedules["monitorflow"].get("suspend")
    workflow = kit.trigger("monitor")
    _, seconds = kit.until(
        "a monitoring check", lambda: kit.finished(kit.get("workflow.argoproj.io", workflow)), 600
    )
    measured["a monitoring check"] = f"{seconds:.0f} s"
    check = kit.python("report(dataclasses.asdict(warehouse.monitor_history(limit=1)[0]))")
    assert check["champion_version"] == 1


def test_requested_training_that_is_rejected_starts_no_rollout(loop, measured):
    before = kit.get("services.serving.knative.dev", "predict")["status"]["traffic"]
    rollouts = kit.python("report(len(warehouse.rollout_history(limit=100)))")
    # More than one where a step that announced the drift was retried.
    count = len(kit.workflows("trainflow"))
    versions = kit.python("report([d.version for d in warehouse.model_history(limit=100)])")
    # As the monitor flow does for a check that requests training: the record first, then its event.
    correlation_id = kit.python(
        "from tasador.clock import now\n"
        "from tasador.events import announce, build\n"
        "check = dataclasses.replace(\n"
        "    warehouse.monitor_history(limit=1)[0],\n"
        "    monitor_id=None, window_to=now(), requested_training=True\n"
        ")\n"
        "check = warehouse.record_monitoring(check)\n"
        "announce.announce(build.training_requested(check), settings)\n"
        "report(check.correlation_id)"
    )
    began = time.monotonic()

    def planned():
        started = kit.workflows("trainflow")
        return len(started) > count and kit.phase(started[count], "start") == "Succeeded"

    kit.until("its data chosen", planned, 300)
    # The training uses the data chosen above, so the next batch may be ingested meanwhile.
    kit.trigger("ingest", source_url=SOURCE)
    kit.until("trained", lambda: ended("trainflow", count + 1), 900)
    train = time.monotonic() - began
    measured["training requested by monitoring"] = f"{train:.0f} s"
    decided = kit.python("report(dataclasses.asdict(warehouse.model_history(limit=1)[0]))")
    assert decided["version"] > max(versions)
    assert decided["correlation_id"] == correlation_id
    assert decided["decision"] == "rejected", json.dumps(decided["reasons"])
    assert decided["reasons"]
    after = kit.get("services.serving.knative.dev", "predict")["status"]["traffic"]
    assert after == before
    assert kit.python("report(len(warehouse.rollout_history(limit=100)))") == rollouts


def test_batch_without_drift_starts_no_training(loop, measured):
    kit.until("the second ingest", lambda: ended("ingestflow", 2), 600)
    drift, _ = kit.until("its drift run", lambda: ended("driftflow", 2), 600)
    verdict = kit.python("report(dataclasses.asdict(warehouse.drift_history(limit=1)[0]))")
    assert verdict["verdict"] == "no_drift", json.dumps(verdict["reasons"])
    (*_, training) = kit.workflows("trainflow")
    began = "creationTimestamp"
    assert training["metadata"][began] < drift["metadata"][began]


@pytest.mark.parametrize(
    ("account", "verb", "thing", "may"),
    [
        ("reload", "get", "secrets", False),
        ("reload", "patch", "services.serving.knative.dev/predict", True),
        ("reload", "patch", "services.serving.knative.dev/record", False),
        ("reload", "create", "services.serving.knative.dev", False),
        ("reload", "patch", "podtemplates/predict", False),
        ("reload", "create", "pods", False),
        ("function", "get", "pods", False),
        ("function", "get", "secrets", False),
        ("flow", "create", "workflows.argoproj.io", False),
        ("flow-sensor", "get", "secrets", False),
        ("flow-deployer", "create", "pods", False),
        ("flow-deployer", "get", "secrets", False),
    ],
)
def test_service_accounts_have_only_the_permissions_they_need(applied, account, verb, thing, may):
    who = f"system:serviceaccount:{kit.NAMESPACE}:{account}"
    answer = kit.kubectl(
        *("-n", kit.NAMESPACE, "auth", "can-i", verb, thing, f"--as={who}"), check=False
    )
    assert (answer.strip() == "yes") == may


def test_predict_pods_mount_no_service_account_token(loop):
    pods, _ = kit.until(
        "a pod of predict",
        lambda: (
            kit.request("POST", "/predict", LISTING).status_code == 200
            and kit.get("pod", "", "-l", "serving.knative.dev/service=predict")
        ),
        60,
    )
    mounts = [
        m["mountPath"] for c in pods[0]["spec"]["containers"] for m in c.get("volumeMounts", [])
    ]
    assert not [path for path in mounts if "serviceaccount" in path]
