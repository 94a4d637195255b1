"""Argo CD installs Tasador from a git repository and keeps it as the repository says.

Without what needs an image or a manifest that the test cluster cannot get: see
cluster/environments/test.
"""

import json
import os
import re
import shlex
import subprocess
import time

import pytest

from cluster.k3d.repository import IMAGES
from tests.kit import cluster as kit
from tests.kit import gitops, manifests

pytestmark = [
    pytest.mark.timeout(1500),
    kit.long,
    pytest.mark.skipif(bool(gitops.missing()), reason=gitops.missing()),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory, measured):
    """The platform, installed by Argo CD from nothing."""
    gitops.remove()
    scratch = tmp_path_factory.mktemp("gitops")
    (scratch / "settings").mkdir()
    gitops.configure(scratch / "settings")
    made = gitops.Repository(scratch / "repository", gitops.built_images())
    began = time.monotonic()
    gitops.start()
    gitops.healthy(gitops.git("rev-parse", "HEAD", folder=made.folder), 900)
    measured["Argo CD: from nothing to every application healthy"] = (
        f"{time.monotonic() - began:.0f} s"
    )
    yield made
    gitops.remove()


def wave(application):
    return int(application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])


def test_applications_start_once_the_wave_before_is_installed(repository):
    found = [each for each in gitops.get() if each["metadata"]["name"] != "root"]
    wanted = manifests.named(manifests.built("cluster/environments/test"), "Application")
    assert set(wanted) == {each["metadata"]["name"] for each in found}
    for earlier in found:
        installed = gitops.when(earlier["status"]["history"][0]["deployedAt"])
        for later in found:
            if wave(earlier) < wave(later):
                started = gitops.when(later["metadata"]["creationTimestamp"])
                assert installed <= started, (
                    earlier["metadata"]["name"],
                    later["metadata"]["name"],
                )


def test_stores_then_databases_then_mlflow(repository):
    def created(kind, name):
        return gitops.when(kit.get(kind, name)["metadata"]["creationTimestamp"])

    prepared = gitops.when(kit.get("job", "prepare")["status"]["completionTime"])
    assert created("statefulset", "postgres") <= created("job", "prepare") <= prepared
    assert prepared <= created("deployment", "mlflow")


def test_the_kubelet_measures_how_full_the_volumes_are(repository):
    """What the alert of a disk that is almost full reads."""
    nodes = json.loads(kit.kubectl("get", "nodes", "-o", "json"))["items"]
    paths = [f"/api/v1/nodes/{each['metadata']['name']}/proxy/metrics" for each in nodes]

    def found():
        text = "".join(kit.kubectl("get", "--raw", path) for path in paths)
        pattern = r'^kubelet_volume_stats_available_bytes\{.*persistentvolumeclaim="([^"]+)"'
        return set(re.findall(pattern, text, re.MULTILINE)) >= {
            *("data-postgres-0", "data-objects-0"),
            *("data-prometheus-0", "data-alertmanager-0"),
        }

    kit.until("the volumes' metrics", found, 180, pause=5)


def test_a_commit_with_a_new_image_rolls_it_out(repository, measured):
    images = gitops.built_images()
    name, tag = images["web"]
    images["web"] = (name, f"{tag}-next")
    build_again(f"{name}:{tag}", f"{name}:{tag}-next")
    began = time.monotonic()
    commit = repository.write(IMAGES, gitops.component(images))
    gitops.healthy(commit, 300)
    measured["Argo CD: from a commit with a new image to its pod ready"] = (
        f"{time.monotonic() - began:.0f} s"
    )
    deployment = kit.get("deployment", "web")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{name}:{tag}-next"
    status = deployment["status"]
    assert status["readyReplicas"] == status["updatedReplicas"] == status["replicas"] == 1


def build_again(base, image):
    """Build an image that differs from its base in a label only."""
    builder = shlex.split(os.environ.get("TASADOR_IMAGE_BUILDER") or "docker build -t")
    command = [*builder, image, "tests/cluster", "-f", "tests/cluster/again.Dockerfile"]
    subprocess.run([*command, "--build-arg", f"BASE={base}"], cwd=kit.ROOT, check=True)


def test_a_change_by_hand_is_undone(repository, measured):
    kit.kubectl("-n", kit.NAMESPACE, "scale", "deployment/source", "--replicas=0")
    healed = kit.until(
        "the source to be scaled back",
        lambda: kit.get("deployment", "source")["spec"]["replicas"] == 1,
        120,
    )[1]
    measured["Argo CD: a change by hand is undone after"] = f"{healed:.0f} s"


def test_an_object_that_leaves_git_is_deleted(repository, measured):
    path = "cluster/environments/k3d/web/kustomization.yaml"
    before = (repository.folder / path).read_text()
    added = "configMapGenerator:\n  - {name: added, literals: [a=b], namespace: tasador}\n"
    gitops.healthy(repository.write(path, before + added), 180)
    names = {each["metadata"]["name"] for each in kit.get("configmap")}
    (created,) = [name for name in names if name.startswith("added-")]
    began = time.monotonic()
    gitops.healthy(repository.write(path, before), 180)
    assert created not in {each["metadata"]["name"] for each in kit.get("configmap")}
    measured["Argo CD: from a commit without an object to its deletion"] = (
        f"{time.monotonic() - began:.0f} s"
    )


def test_traffic_stays_while_the_rest_of_a_service_is_restored(repository):
    kind, name = "services.serving.knative.dev", "record"
    traffic = [{"latestRevision": True, "percent": 100, "tag": "held"}]
    annotation = "autoscaling.knative.dev/max-scale"
    wanted = kit.get(kind, name)["spec"]["template"]["metadata"]["annotations"][annotation]
    change = {"metadata": {"annotations": {annotation: "7"}}}
    kit.patch(kind, name, {"spec": {"traffic": traffic, "template": change}})

    def restored():
        template = kit.get(kind, name)["spec"]["template"]
        return template["metadata"]["annotations"][annotation] == wanted

    kit.until("record's template to be restored", restored, 120)
    kit.until("functions to be in sync", lambda: gitops.states()["functions"].done, 120)
    assert kit.get(kind, name)["spec"]["traffic"] == traffic


def test_a_service_of_reload_is_neither_changed_nor_deleted(repository):
    kind = "services.serving.knative.dev"
    template = kit.get(kind, "record")["spec"]["template"]
    made = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "predict", "namespace": kit.NAMESPACE},
        "spec": {"template": template},
    }
    kit.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(made))
    generation = kit.get(kind, "predict")["metadata"]["generation"]
    # A sync of its application, with everything that it prunes and heals.
    kit.kubectl("-n", kit.NAMESPACE, "delete", "trigger", "predict")
    kit.until("the trigger to return", lambda: kit.get("trigger", "predict"), 120)
    kit.until("functions to be in sync", lambda: gitops.states()["functions"].done, 180)
    assert kit.get(kind, "predict")["metadata"]["generation"] == generation
