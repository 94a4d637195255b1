"""A platform is lost and restored from a backup, as cluster/README.md says.

It replaces the platform, so it runs last.
"""

import json
import os
from contextlib import contextmanager

import pytest

from tests.cluster.test_rollout import LISTING, promote, served, wait_for_outcomes  # noqa: F401
from tests.cluster.test_states import NEWEST, mlflow_searches, tasador
from tests.kit import cluster as kit
from tests.kit import gitops

pytestmark = [pytest.mark.timeout(1500), kit.long]

RESTORE = kit.OVERLAY / "restore"
FLOWS = ("ingest-schedule", "monitorflow")  # on a schedule


def test_a_lost_platform_is_restored_from_its_backup(served, measured, tmp_path):  # noqa: F811
    answer = kit.until(
        "a prediction",
        lambda: (r := kit.request("POST", "/predict", LISTING)).status_code == 200 and r.json(),
        120,
    )[0]
    lineage = ("python", "-m", "tasador", "lineage", answer["prediction_id"])
    kit.until("it is recorded", lambda: kit.console(*lineage), 60, pause=3)
    newest = kit.python(NEWEST)
    batches = kit.python("report([b.batch_id for b in warehouse.batches()])")

    create = ("create", "job", "--from=cronjob/backup", "backup-now")
    kit.kubectl("-n", kit.NAMESPACE, *create)
    measured["a backup on the cluster"] = f"{completed('backup-now'):.0f} s"
    overlay = same_secrets(tmp_path / "overlay")
    with kept_volume("backups") as claim:
        gitops.remove()
        kit.kubectl("create", "namespace", kit.NAMESPACE)
        claim_again(claim)
        kit.until("applied", lambda: kit.kubectl("apply", "-k", str(overlay)), 120, pause=5)
        kit.until("everything ready", lambda: not kit.unready(), 900, pause=3)
        assert kit.request("POST", "/predict", LISTING).status_code == 404

        for name in FLOWS:
            kit.patch("cronworkflow", name, {"spec": {"suspend": True}})
        kit.kubectl("apply", "-k", str(RESTORE))
        measured["its restore"] = f"{completed('restore'):.0f} s"
        kit.kubectl("-n", kit.NAMESPACE, "rollout", "restart", "deployment/mlflow")
        kit.kubectl("-n", kit.NAMESPACE, "rollout", "status", "deployment/mlflow", "--timeout=300s")

        again, seconds = kit.until(
            "the same price",
            lambda: (r := kit.request("POST", "/predict", LISTING)).status_code == 200 and r.json(),
            300,
            pause=3,
        )
        measured["a price again, after MLflow's start"] = f"{seconds:.0f} s"
        assert (again["price"], again["model"]) == (answer["price"], answer["model"])
        # The ingest of the dev overlay stays suspended.
        kit.patch("cronworkflow", "monitorflow", {"spec": {"suspend": False}})
        kit.guests(rows=2500, scenario="price-shift")
        assert kit.python(NEWEST) == newest
        assert kit.python("report([b.batch_id for b in warehouse.batches()])") == batches
        assert answer["revision"] in kit.console(*lineage)
        kit.until("MLflow answers", mlflow_searches, 120, pause=3)
        number = promote()
        assert number > newest["promotion"]
        results, _ = wait_for_outcomes(number)
        assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
        code, status = tasador("status", check=False)
        assert code == 0, status


def completed(job):
    """Seconds until a job is complete; its log says why if it fails."""

    def complete():
        found = kit.get("job", job)
        if kit.condition(found, "Failed") == "True":
            selector = ("logs", f"job/{job}", "--all-containers", "--tail=20")
            pytest.fail(kit.kubectl("-n", kit.NAMESPACE, *selector, check=False))
        return kit.condition(found, "Complete") == "True"

    return kit.until(f"the job {job}", complete, 600, pause=2)[1]


def same_secrets(folder):
    """An overlay with the Secrets as they are now: an earlier test may have rotated them."""
    folder.mkdir()
    names = []
    for each in kit.get("secret"):
        name = each["metadata"]["name"]
        # The collector of the tests is in the endpoints.
        if name.startswith("tasador-") and name != "tasador-endpoints":
            patch = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
            (folder / f"{name}.json").write_text(json.dumps(patch | {"data": each["data"]}))
            names.append(name)
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": kit.NAMESPACE,
        "resources": [os.path.relpath(kit.OVERLAY, folder.resolve())],
        "patches": [{"path": f"{name}.json"} for name in names],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(overlay))
    return folder


@contextmanager
def kept_volume(name):
    """Yields a claim; its volume outlives it, as one of another StorageClass would."""
    found = kit.get("pvc", name)
    volume = found["spec"]["volumeName"]
    policy = '{"spec": {"persistentVolumeReclaimPolicy": "%s"}}'
    kit.kubectl("patch", "pv", volume, "-p", policy % "Retain")
    try:
        yield {key: found[key] for key in ("apiVersion", "kind", "spec")} | {
            "metadata": {"name": name}
        }
    finally:
        kit.kubectl("patch", "pv", volume, "-p", policy % "Delete")


def claim_again(claim):
    """Create the claim of a kept volume; by itself an installation would ask for a new one."""
    kit.kubectl("patch", "pv", claim["spec"]["volumeName"], "-p", '{"spec": {"claimRef": null}}')
    kit.kubectl("-n", kit.NAMESPACE, "create", "-f", "-", stdin=json.dumps(claim))
