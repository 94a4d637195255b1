"""./taskw images: the arguments of the builder, and the overlay that names the images."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import manifests as kit

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def images(tmp_path, monkeypatch):
    """The script, on a copy of the manifests, with a builder that logs its arguments."""
    path = kit.ROOT / "cluster" / "images.py"
    spec = importlib.util.spec_from_file_location("cluster_images", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    for folder in ("cluster", "argo-workflows", "knative"):
        shutil.copytree(kit.ROOT / folder, tmp_path / folder)
    builder = tmp_path / "builder"
    builder.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/arguments"\n')
    builder.chmod(0o755)
    monkeypatch.setenv("TASADOR_IMAGE_BUILDER", f"{builder} build")
    monkeypatch.setenv("TASADOR_IMAGE_PREFIX", "registry.test:5000/")
    monkeypatch.delenv("TASADOR_OVERLAY", raising=False)
    answers = {("rev-parse", "HEAD"): SHA, ("rev-parse", "--short=12", "HEAD"): SHA[:12]}
    monkeypatch.setattr(module, "git", lambda *arguments: answers.get(arguments, ""))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def run(images, monkeypatch, *names):
    monkeypatch.setattr(sys, "argv", ["images.py", *names])
    images.main()


def applied(folder, *below):
    """Every tasador image in the written overlay."""
    done = subprocess.run(
        [*kit.kustomize(), str(folder.joinpath(".build", "cluster", *below))],
        capture_output=True,
        text=True,
        check=True,
    )
    images = {c["image"] for _, c in kit.containers(kit.objects_of(done.stdout))}
    return {image for image in images if "tasador-" in image}


def test_every_dockerfile_belongs_to_an_image(images):
    known = {image.dockerfile for image in images.IMAGES.values()}
    there = {str(p.relative_to(kit.ROOT)) for p in kit.ROOT.glob("*/Dockerfile")}
    assert there <= known
    for image in images.IMAGES.values():
        text = (kit.ROOT / image.dockerfile).read_text()
        assert not image.target or f" AS {image.target}\n" in text
        assert "USER 10001" in text
        assert image.by_name or "UV_COMPILE_BYTECODE=1" in text
        assert "org.opencontainers.image.revision" in text


def test_flows_image_has_the_command_that_the_docs_call_in_the_console(tmp_path):
    dockerfile = (kit.ROOT / "flows" / "Dockerfile").read_text()
    (line,) = re.findall(r"(printf .*) > /usr/local/bin/tasador && ", dockerfile)
    script = tmp_path / "tasador"
    script.write_bytes(subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout)
    script.chmod(0o755)
    environ = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(kit.ROOT),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [script, "--help"], env=environ, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "dead-letters" in done.stdout


def test_arguments_of_the_image_builder(images, monkeypatch, tmp_path):
    run(images, monkeypatch, "flows", "predict")
    flows, predict = (tmp_path / "arguments").read_text().splitlines()
    tag = SHA[:12]
    assert flows == (
        f"build registry.test:5000/tasador-flows:{tag} . -f flows/Dockerfile"
        f" --build-arg GIT_SHA={SHA}"
    )
    assert predict == (
        f"build registry.test:5000/tasador-predict:{tag} . -f functions/Dockerfile"
        f" --target predict --build-arg GIT_SHA={SHA}"
    )


@pytest.mark.skipif(kit.kustomize() is None, reason="no kustomize and no kubectl here")
def test_overlay_names_new_and_earlier_images(images, monkeypatch, tmp_path):
    run(images, monkeypatch)
    assert applied(tmp_path) == {
        f"registry.test:5000/tasador-{name}:{SHA[:12]}"
        for name, image in images.IMAGES.items()
        if not image.by_name
    }
    for alone in ("console", "source", "restore"):
        assert applied(tmp_path, alone) == {f"registry.test:5000/tasador-flows:{SHA[:12]}"}
    monkeypatch.setenv("TASADOR_IMAGE_PREFIX", "elsewhere.test/")
    run(images, monkeypatch, "reload")
    assert applied(tmp_path) == {
        f"registry.test:5000/tasador-{name}:{SHA[:12]}"
        for name, image in images.IMAGES.items()
        if not image.by_name and name != "reload"
    } | {f"elsewhere.test/tasador-reload:{SHA[:12]}"}


def test_tag_of_a_checkout_with_changes(images, monkeypatch):
    clean = images.tag()
    changes = {("status", "--porcelain"): " M a", ("rev-parse", "--short=12", "HEAD"): SHA[:12]}
    tags = []
    for diff in ("one", "two"):
        answers = {**changes, ("diff", "HEAD"): diff}
        monkeypatch.setattr(images, "git", lambda *a, answers=answers: answers.get(a, ""))
        tags.append(images.tag())
    assert len({clean, *tags}) == 3
    assert all(tag.startswith(f"{clean}-dirty-") for tag in tags)


@pytest.mark.skipif(kit.kustomize() is None, reason="no kustomize and no kubectl here")
@pytest.mark.parametrize("commit", ["576156635112", "576156635e12", "012345670123"])
def test_numeric_commit_is_quoted_as_a_tag(images, monkeypatch, tmp_path, commit):
    monkeypatch.setattr(images, "tag", lambda: commit)
    run(images, monkeypatch, "flows")
    assert f"registry.test:5000/tasador-flows:{commit}" in applied(tmp_path)


def test_unknown_image_name_is_refused(images, monkeypatch):
    with pytest.raises(SystemExit, match="no image 'webb': there are flows"):
        run(images, monkeypatch, "webb")
