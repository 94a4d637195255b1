"""Deploy every flow to Argo Workflows: one template per flow, and a sensor if it has a trigger.

python flows/deploy.py        # in a pod of the flows image, as the deploy-flows job does

Metaflow creates the templates and sensors (``argo-workflows create``). Settings that its command
has no option for are patched in afterwards: how long finished workflows and pods are kept, and what
Pod Security "restricted" demands of each pod.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DAY = 24 * 60 * 60

POD_CONTEXT = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_CONTEXT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
READ_ONLY = {**CONTAINER_CONTEXT, "readOnlyRootFilesystem": True}

# What Argo makes of a step: `main` runs it; `init` and `wait` are Argo's and write to their root. A
# step writes to its home, where it unpacks its code, and to the folder for temporary files.
POD_PATCH = {
    "initContainers": [{"name": "init", "securityContext": CONTAINER_CONTEXT}],
    "containers": [
        {
            "name": "main",
            "securityContext": READ_ONLY,
            "volumeMounts": [
                {"name": "home", "mountPath": "/home/tasador"},
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            ],
        },
        {"name": "wait", "securityContext": CONTAINER_CONTEXT},
    ],
    "volumes": [{"name": "home", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
}

# Retention of the objects in the cluster (a run's data is in S3), and the security of the pods.
TEMPLATE_PATCH = {
    "ttlStrategy": {"secondsAfterSuccess": DAY, "secondsAfterFailure": 7 * DAY},
    "podGC": {"strategy": "OnPodSuccess"},
    "securityContext": {**POD_CONTEXT, "runAsUser": 10001, "fsGroup": 10001},
    "podSpecPatch": json.dumps(POD_PATCH),
}

# The user of Argo Events' image.
SENSOR_PATCH = {
    "template": {
        "securityContext": {**POD_CONTEXT, "runAsUser": 9731},
        "container": {"securityContext": READ_ONLY},
    }
}

# Nothing waits for the event that Metaflow itself sends when a run has ended, without the webhook's
# token: the flows announce what they did.
CREATE = ("argo-workflows", "create", "--no-auto-emit-argo-events")


def flows() -> list[Path]:
    """Every flow file in this folder."""
    return [path for path in sorted(HERE.glob("*.py")) if path != Path(__file__).resolve()]


def create(flow: Path, environ: dict[str, str]) -> str:
    """Run ``argo-workflows create`` for one flow; returns the name of its template."""
    with tempfile.TemporaryDirectory() as scratch:
        attributes = Path(scratch) / "deployed.json"
        command = [
            *(sys.executable, str(flow), *CREATE),
            *("--deployer-attribute-file", str(attributes)),
        ]
        subprocess.run(command, env=environ, check=True)
        return str(json.loads(attributes.read_text())["name"])


def own_image(namespace: str) -> str:
    """The image of this pod, which the steps of the flows use too."""
    from kubernetes import client

    pod = client.CoreV1Api().read_namespaced_pod(os.environ["POD_NAME"], namespace)
    assert pod.spec is not None
    return str(pod.spec.containers[0].image)


def main() -> None:
    """Deploy all flows, in the cluster or from outside with KUBECONFIG and an image."""
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException

    if NAMESPACE_FILE.is_file():
        config.load_incluster_config()
        namespace = NAMESPACE_FILE.read_text().strip()
    else:
        config.load_kube_config()
        namespace = os.environ.get("METAFLOW_KUBERNETES_NAMESPACE", "tasador")
    image = os.environ.get("METAFLOW_KUBERNETES_CONTAINER_IMAGE") or own_image(namespace)
    environ = {
        **os.environ,
        "METAFLOW_KUBERNETES_NAMESPACE": namespace,
        "METAFLOW_KUBERNETES_CONTAINER_IMAGE": image,
    }
    objects = client.CustomObjectsApi()

    def patch(kind: str, name: str, spec: Mapping[str, object]) -> None:
        objects.patch_namespaced_custom_object(
            *("argoproj.io", "v1alpha1", namespace, kind, name),
            {"spec": spec},
            _content_type="application/merge-patch+json",
        )

    for flow in flows():
        name = create(flow, environ)
        patch("workflowtemplates", name, TEMPLATE_PATCH)
        try:
            # Metaflow's name of the sensor: dots are not allowed in it.
            patch("sensors", name.replace(".", "-"), SENSOR_PATCH)
        except ApiException as error:
            if error.status != 404:  # a flow without a trigger has no sensor
                raise
        print(f"{flow.stem} is deployed as {name} with {image}", flush=True)


if __name__ == "__main__":
    main()
