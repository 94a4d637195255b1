"""kube-score finds nothing in what each application renders, but for the exceptions below.

`./taskw lint:manifests` installs kube-score and runs this; without the program it is skipped.
"""

import json
import shutil
import subprocess

import pytest
import yaml

from tests.kit import manifests as kit

PROGRAM = shutil.which("kube-score", path=kit.ROOT / ".build" / "bin") or shutil.which("kube-score")

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="no kube-score: ./taskw lint:manifests installs it"),
    pytest.mark.skipif(kit.kustomize() is None, reason="no kustomize and no kubectl here"),
]

FOLDERS = (
    *("cluster/overlays/dev-metaflow", "cluster/monitoring"),
    *("cluster/source", "cluster/console", "cluster/git", "cluster/environments/production/web"),
)
# check -> why it does not apply.
EXCEPTIONS = {
    "container-image-pull-policy": "a tag is a commit or a version, and never changes its meaning",
    "container-image-tag": "the bases name no tag; components/images does",
    "container-security-context-user-group-id": "upstream's images: Postgres, SeaweedFS, Grafana",
    "deployment-replicas": "the state of MLflow, the web app and the source is in one process",
    "deployment-strategy": "two of them would migrate one database at the same time",
    "networkpolicy-targets-pod": "controllers create those pods: steps, sensors, functions",
    "pod-networkpolicy": "cluster/policies is an application by itself; those of others are tested",
    "pod-probes-identical": "liveness asks the same, and is patient for a minute",
    "service-type": "for the ports of this machine; test_environments forbids others",
    "statefulset-has-servicename": "one replica each, which nobody calls by its pod's name",
}
WITHOUT_POLICIES = {"cluster/source", "cluster/console", "cluster/environments/production/web"}


def findings(folder, *arguments):
    """(check, object, comment) of what kube-score finds in a kustomization."""
    objects = yaml.safe_dump_all(kit.built(folder))
    command = [PROGRAM, "score", "--output-format", "json", *arguments, "-"]
    done = subprocess.run(command, input=objects, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return [
        (check["check"]["id"], scored["object_name"], check["comments"])
        for scored in json.loads(done.stdout)
        for check in scored["checks"]
        if not check["skipped"] and check["grade"] < 10
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_kube_score_finds_nothing(folder):
    needed = set(EXCEPTIONS) - ({"pod-networkpolicy"} if folder not in WITHOUT_POLICIES else set())
    found = findings(folder, *(f"--ignore-test={each}" for each in sorted(needed)))
    assert found == []


def test_every_exception_is_needed():
    found = {check for folder in FOLDERS for check, _, _ in findings(folder)}
    assert set(EXCEPTIONS) <= found
