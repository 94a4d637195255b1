"""The add-ons as kustomize renders them from upstream's manifests.

They come from the network. TASADOR_UPSTREAM names a folder that has them instead, where there is no
network: `https://HOST/PATH` is its file HOST/PATH.
"""

import os
from pathlib import Path

import pytest
import yaml

from tests.kit import manifests as kit

pytestmark = pytest.mark.skipif(kit.kustomize() is None, reason="needs kustomize or kubectl")
ADDONS = sorted(path.name for path in (kit.ROOT / "cluster" / "addons").iterdir() if path.is_dir())


@pytest.fixture
def rendered(tmp_path):
    """A function from the name of an add-on to its objects."""
    upstream = os.environ.get("TASADOR_UPSTREAM")
    if upstream is None:
        pytest.skip("set TASADOR_UPSTREAM to a folder of upstream's manifests")
    return lambda name: kit.built_offline(f"cluster/addons/{name}", Path(upstream), tmp_path)


@pytest.mark.parametrize("name", [name for name in ADDONS if name != "traefik"])
def test_every_image_has_a_version_or_a_digest(rendered, name):
    images = {container["image"] for _, container in kit.containers(rendered(name))}
    assert images
    for image in images:
        tag = image.rpartition("/")[2].partition(":")[2]
        assert tag, image
        assert tag != "latest", image


def test_knative_uses_traefik_and_asks_no_registry_of_k3d(rendered):
    maps = kit.named(rendered("knative-serving"), "ConfigMap")
    assert maps["config-network"]["data"]["ingress-class"] == (
        "traefik.ingress.networking.knative.dev"
    )
    assert "localhost" in maps["config-domain"]["data"]
    skipping = maps["config-deployment"]["data"]["registries-skipping-tag-resolving"]
    assert skipping == "k3d-registry.localhost:5000"


def test_the_in_memory_channel_has_requests(rendered):
    deployments = kit.named(rendered("knative-eventing"), "Deployment")
    for name in ("imc-controller", "imc-dispatcher"):
        (container,) = deployments[name]["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"] == {"cpu": "100m", "memory": "100Mi"}


def test_argo_cd_has_the_settings_of_the_project(rendered):
    data = kit.named(rendered("argo-cd"), "ConfigMap")["argocd-cm"]["data"]
    ready = (kit.ROOT / "cluster/addons/argo-cd/settings/ready.lua").read_text()
    assert data["resource.customizations.health.serving.knative.dev_Service"] == ready


def test_argo_server_lets_people_log_in_with_a_token(rendered):
    deployment = kit.named(rendered("argo-workflows"), "Deployment")["argo-server"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["server", "--auth-mode=client"]


def test_traefik_is_an_ingress_for_knative():
    objects = kit.built("cluster/addons/traefik")
    config = kit.named(objects, "HelmChartConfig")["traefik"]
    values = yaml.safe_load(config["spec"]["valuesContent"])
    assert values["experimental"]["knative"] is True
    assert values["providers"]["knative"]["enabled"] is True
    private = values["ports"]["private"]
    assert private["expose"] == {"default": False, "private": True}
