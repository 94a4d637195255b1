"""cluster/digests.py: the images that CI built, in the one file that names images."""

import importlib.util
import shutil
import subprocess

import pytest
import yaml

from tests.kit import manifests as kit

COMPONENT = kit.ROOT / "cluster" / "components" / "images" / "kustomization.yaml"


@pytest.fixture(scope="module")
def digests():
    spec = importlib.util.spec_from_file_location("digests", kit.ROOT / "cluster" / "digests.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def all_of(text):
    names = [e["name"].removeprefix("tasador-") for e in yaml.safe_load(text)["images"]]
    return {name: f"sha256:{number:064x}" for number, name in enumerate(names)}


def test_every_image_is_named_by_its_digest(digests):
    text = COMPONENT.read_text()
    known = all_of(text)
    written = yaml.safe_load(digests.pinned(text, "ghcr.io/me/", known))
    assert written["images"] == [
        {"name": f"tasador-{n}", "newName": f"ghcr.io/me/tasador-{n}", "digest": d}
        for n, d in known.items()
    ]
    # A second release writes over the first one.
    again = digests.pinned(digests.pinned(text, "a/", known), "ghcr.io/me/", known)
    assert yaml.safe_load(again) == written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda known: known.pop("flows"), "no digest of flows"),
        (lambda known: known.update(x="sha256:1"), "names no image x"),
        (lambda known: known.update(flows="latest"), "the digest of flows is 'latest'"),
    ],
)
def test_missing_unknown_and_wrong_digests_are_refused(digests, change, message):
    text = COMPONENT.read_text()
    known = all_of(text)
    change(known)
    with pytest.raises(ValueError, match=message):
        digests.pinned(text, "a/", known)


@pytest.mark.skipif(kit.kustomize() is None, reason="no kustomize and no kubectl here")
def test_manifests_use_the_digests(digests, tmp_path):
    shutil.copytree(kit.ROOT / "cluster", tmp_path / "cluster")
    for folder in ("argo-workflows", "knative"):
        shutil.copytree(kit.ROOT / folder, tmp_path / folder)
    component = tmp_path / digests.COMPONENT
    known = all_of(component.read_text())
    component.write_text(digests.pinned(component.read_text(), "ghcr.io/me/", known))
    built = subprocess.run(
        [*kit.kustomize(), str(tmp_path / "cluster" / "overlays" / "dev")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"ghcr.io/me/tasador-flows@{known['flows']}" in built
    assert "k3d-registry" not in built


def test_workflow_builds_the_images_that_the_component_names(digests):
    workflow = yaml.safe_load((kit.ROOT / ".github" / "workflows" / "images.yml").read_text())
    included = workflow["jobs"]["build"]["strategy"]["matrix"]["include"]
    spec = importlib.util.spec_from_file_location("images", kit.ROOT / "cluster" / "images.py")
    images = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["images"] = images
    spec.loader.exec_module(images)
    assert {each["name"] for each in included} == set(all_of(COMPONENT.read_text()))
    for each in included:
        image = images.IMAGES[each["name"]]
        assert (each["dockerfile"], each.get("target", "")) == (image.dockerfile, image.target)
