"""The manifests as kustomize builds them; needs no cluster."""

import base64
import json
import os
import shutil
import subprocess
from functools import cache

import jsonschema
import yaml

from tests.kit.checkout import ROOT
from tests.kit.once import written_once

SCHEMAS = ROOT / "tests" / "manifests" / "schemas"
KUSTOMIZATIONS = sorted(
    str(path.parent.relative_to(ROOT))
    for folder in ("argo-workflows", "knative", "cluster")
    for path in (ROOT / folder).rglob("kustomization.yaml")
    # Components are no kustomizations, and the add-ons read upstream's manifests from the network.
    if "kind: Component" not in path.read_text() and "addons" not in path.parts
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
    """Every object of a kustomization, which one process of a test run builds for all."""

    def write(file):
        done = subprocess.run([*kustomize(), folder], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        file.write_text(done.stdout)

    return objects_of(written_once(f"kustomization-{folder.replace('/', '-')}", write).read_text())


def objects_of(text):
    """The objects in YAML; by libyaml, which takes a tenth of the time of PyYAML's own parser."""
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


@cache
def _validator(api_version, kind):
    """By the vendored schema of a custom resource."""
    file = SCHEMAS / f"{api_version.replace('/', '_')}_{kind}.json"
    schema = json.loads(file.read_text())
    made = jsonschema.validators.validator_for(schema)
    made.check_schema(schema)
    return made(schema)


def validate(each):
    """Check a custom resource; raises jsonschema.ValidationError."""
    validator = _validator(each["apiVersion"], each["kind"])
    error = jsonschema.exceptions.best_match(validator.iter_errors(each))
    if error is not None:
        raise error


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


def secrets_read(spec):
    """(name, keys) of every Secret that a pod needs; no keys where it reads all of them."""
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield source["secretRef"]["name"], []
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield reference["name"], [reference["key"]]
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            yield volume["secret"]["secretName"], []
        for source in volume.get("projected", {}).get("sources", []):
            if "secret" in source:
                items = source["secret"].get("items", [])
                yield source["secret"]["name"], [item["key"] for item in items]


def built_offline(folder, upstream, scratch):
    """Every object of a kustomization whose remote resources are files below ``upstream``.

    `https://HOST/PATH` is UPSTREAM/HOST/PATH; `https://HOST/OWNER/NAME//PATH?ref=COMMIT` is
    UPSTREAM/HOST/OWNER/NAME/COMMIT/PATH.
    """
    target = scratch / "copy"
    shutil.copytree(ROOT / folder, target)
    for number, line in enumerate(remote_resources(target)):
        address, _, commit = line.removeprefix("https://").partition("?ref=")
        source = upstream / address.replace("//", f"/{commit}/")
        local = target / f"upstream-{number}{source.suffix}"
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copied = source if not source.is_dir() else source.parent
        copy(copied, local)
        name = local.name if not source.is_dir() else f"{local.name}/{source.name}"
        file = target / "kustomization.yaml"
        file.write_text(file.read_text().replace(line, name))
    return built(str(target))


def remote_resources(folder):
    """The addresses in a kustomization."""
    resources = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [each for each in resources if each.startswith("https://")]
