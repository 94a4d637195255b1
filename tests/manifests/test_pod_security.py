"""Pod Security "restricted", for every pod of the namespace: of manifests and of controllers."""

import copy
import importlib.util
import json

import pytest

from tests.kit import manifests as kit
from tests.kit.pod_security import violations

pytestmark = pytest.mark.skipif(
    kit.kustomize() is None, reason="building the manifests needs kustomize or kubectl"
)

DEV = "cluster/overlays/dev"


@pytest.fixture(scope="module")
def dev():
    return kit.built(DEV)


@pytest.fixture(scope="module")
def deploy():
    spec = importlib.util.spec_from_file_location("deploy", kit.ROOT / "flows" / "deploy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pods(objects):
    """Name -> pod spec of every pod that the manifests or their controllers create."""
    found = {}
    for each in objects:
        where = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "EventBus":
            found[where] = of_event_bus(each["spec"]["jetstream"])
        elif each["kind"] == "EventSource":
            found[where] = of_argo_events(each["spec"]["template"])
        else:
            found |= {f"{where} {path}": spec for path, spec in kit.pod_specs(each)}
    return found


def of_event_bus(jetstream):
    """As Argo Events' controller builds it: three containers."""
    parts = ("containerTemplate", "reloaderContainerTemplate", "metricsContainerTemplate")
    return {
        "securityContext": jetstream.get("securityContext"),
        "containers": [
            {"name": part, "securityContext": jetstream[part].get("securityContext")}
            for part in parts
        ],
    }


def of_argo_events(template):
    """The pod of an EventSource or a Sensor."""
    container = {"name": "main", **template.get("container", {})}
    return {"securityContext": template.get("securityContext"), "containers": [container]}


def test_namespace_enforces_the_restricted_profile(dev):
    labels = kit.named(dev, "Namespace")["tasador"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_pod_is_restricted_and_has_a_read_only_root(dev):
    found = pods(dev)
    assert len(found) >= 12
    for name, spec in found.items():
        assert violations(spec) == [], name
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, f"{name} {container['name']}"


def test_pods_of_flows_are_restricted(deploy):
    # What Argo's controller 3.6 builds of a step of Metaflow: no container has a context.
    step = {
        "initContainers": [{"name": "init"}],
        "containers": [{"name": "wait"}, {"name": "main", "volumeMounts": [{"mountPath": "/m"}]}],
        "volumes": [{"name": "var-run-argo", "emptyDir": {}}],
        "securityContext": deploy.TEMPLATE_PATCH["securityContext"],
    }
    assert len(violations(step)) == 6
    patched = merged(step, json.loads(deploy.TEMPLATE_PATCH["podSpecPatch"]))
    assert violations(patched) == []
    (main,) = (c for c in patched["containers"] if c["name"] == "main")
    assert main["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {m["mountPath"] for m in main["volumeMounts"]}
    dockerfile = (kit.ROOT / "flows" / "Dockerfile").read_text()
    assert "WORKDIR /home/tasador" in dockerfile
    assert {"/home/tasador", "/tmp"} < mounts


def merged(pod, patch):
    """A strategic merge: lists of containers and volumes by name, other lists joined."""
    result = copy.deepcopy(pod)
    for key, entries in patch.items():
        for entry in entries:
            (known,) = [e for e in result[key] if e["name"] == entry["name"]] or [{}]
            if not known:
                result[key].append(known)
            lists = {k: known.get(k, []) + v for k, v in entry.items() if isinstance(v, list)}
            known.update({**entry, **lists})
    return result


def test_sensors_of_flows_are_restricted(deploy):
    # Metaflow's sensor: a container with resources only.
    sensor = {"container": {"name": "main"}}
    assert violations(of_argo_events(sensor))
    template = deploy.SENSOR_PATCH["template"]
    container = sensor["container"] | template["container"]
    assert violations(of_argo_events({**template, "container": container})) == []
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_only_callers_of_the_api_server_have_a_token(dev):
    accounts = kit.named(dev, "ServiceAccount")
    bound = {
        subject["name"]
        for binding in kit.named(dev, "RoleBinding").values()
        for subject in binding["subjects"]
    }
    for name, spec in pods(dev).items():
        account = spec.get("serviceAccountName")
        if account is None:
            continue  # a controller sets that of the event bus
        own = spec.get("automountServiceAccountToken")
        has = accounts[account].get("automountServiceAccountToken") if own is None else own
        assert (has is not False) == (account in bound), name


RESTRICTED = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "c",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda pod, _: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod, _: pod.update(volumes=[{"name": "v", "hostPath": {}}]), "hostPath"),
        (lambda pod, _: pod["securityContext"].pop("runAsNonRoot"), "as root"),
        (lambda pod, _: pod["securityContext"].update(runAsUser=0), "user 0"),
        (lambda pod, _: pod["securityContext"].pop("seccompProfile"), "seccomp"),
        (lambda pod, _: pod["securityContext"].update(sysctls=[{"name": "kernel.x"}]), "sysctl"),
        (lambda _, c: c["securityContext"].pop("allowPrivilegeEscalation"), "escalation"),
        (lambda _, c: c["securityContext"].pop("capabilities"), "capabilities"),
        (lambda _, c: c["securityContext"]["capabilities"].update(add=["NET_RAW"]), "NET_RAW"),
        (lambda _, c: c["securityContext"].update(privileged=True), "privileged"),
        (lambda _, c: c["securityContext"].update(runAsNonRoot=False), "as root"),
        (lambda _, c: c["securityContext"].update(runAsUser=0), "user 0"),
        (lambda _, c: c["securityContext"].update(seccompProfile={"type": "Unconfined"}), "uncon"),
        (lambda _, c: c["securityContext"].update(procMount="Unmasked"), "procMount"),
        (lambda _, c: c["securityContext"].update(seLinuxOptions={"user": "u"}), "SELinux"),
        (lambda _, c: c.update(ports=[{"hostPort": 80}]), "port of the host"),
        (lambda _, c: c.update(livenessProbe={"httpGet": {"host": "h"}}), "another host"),
        (lambda pod, _: pod.update(initContainers=[{"name": "init"}]), "init keeps"),
    ],
)
def test_each_rule_refuses_what_breaks_it(change, found):
    pod = copy.deepcopy(RESTRICTED)
    assert violations(pod) == []
    change(pod, pod["containers"][0])
    assert any(found in text for text in violations(pod)), violations(pod)
