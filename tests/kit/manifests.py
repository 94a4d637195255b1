"""The manifests as kustomize builds them; needs no cluster."""

import base64
import json
import os
import shutil
import subprocess
from functools import cache

import yaml

from tests.kit.checkout import ROOT

SCHEMAS = ROOT / "tests" / "manifests" / "schemas"
KUSTOMIZATIONS = sorted(
    str(path.parent.relative_to(ROOT))
    for folder in ("argo-workflows", "knative", "cluster")
    for path in (ROOT / folder).rglob("kustomization.yaml")
)


def kustomize():
    """The command that builds a kustomization, or None: $KUSTOMIZE, kustomize, kubectl."""
    if command := os.environ.get("KUSTOMIZE"):
        return command.split()
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    return ["kubectl", "kustomize"] if shutil.which("kubectl") else None


@cache
def built(folder):
    """Every object of a kustomization."""
    done = subprocess.run([*kustomize(), folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def schema(api_version, kind):
    """The vendored schema of a custom resource."""
    return json.loads((SCHEMAS / f"{api_version.replace('/', '_')}_{kind}.json").read_text())


def named(objects, kind):
    """name -> object, of one kind."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def pod_specs(each):
    """(path, pod spec) of every pod spec in an object."""
    specs = []

    def search(node, path):
        if isinstance(node, dict):
            if isinstance(node.get("containers"), list):
                specs.append((path, node))
            for key, value in node.items():
                search(value, f"{path}.{key}")
        elif isinstance(node, list):
            for number, value in enumerate(node):
                search(value, f"{path}[{number}]")

    search(each.get("spec", each.get("template")), "spec")
    return specs


def containers(objects):
    """(object, container) of every container in any pod spec."""
    return [
        (each, container)
        for each in objects
        for _, spec in pod_specs(each)
        for container in [*spec.get("initContainers", []), *spec["containers"]]
    ]


def decoded(value):
    """The text of a Secret's value."""
    return base64.b64decode(value).decode()
