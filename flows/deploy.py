"""Deploy every flow to Argo Workflows: a template for each, and a sensor for each with a trigger.

python flows/deploy.py        # in a pod of the flows image: the deploy-flows job does it

Metaflow does the work (``argo-workflows create``). What its command has no option for is added to
the templates afterwards: how long finished workflows and their pods are kept, and as whom they run.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DAY = 24 * 60 * 60

# What Metaflow keeps of a run is in S3; these are about the objects in the cluster alone.
KEPT = {
    "ttlStrategy": {"secondsAfterSuccess": DAY, "secondsAfterFailure": 7 * DAY},
    "podGC": {"strategy": "OnPodSuccess"},
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def flows() -> list[Path]:
    """Every flow file beside this one."""
    return [path for path in sorted(HERE.glob("*.py")) if path != Path(__file__).resolve()]


def create(flow: Path, environ: dict[str, str]) -> str:
    """``argo-workflows create`` of one flow; returns its template's name."""
    with tempfile.TemporaryDirectory() as scratch:
        told = Path(scratch) / "deployed.json"
        command = [
            *(sys.executable, str(flow), "argo-workflows", "create"),
            *("--deployer-attribute-file", str(told)),
        ]
        subprocess.run(command, env=environ, check=True)
        return str(json.loads(told.read_text())["name"])


def own_image(namespace: str) -> str:
    """The image of the pod that this runs in: the flows' steps shall run in the same."""
    from kubernetes import client

    pod = client.CoreV1Api().read_namespaced_pod(os.environ["POD_NAME"], namespace)
    return str(pod.spec.containers[0].image)


def main() -> None:
    """Deploy all flows from inside the cluster, or with KUBECONFIG and an image named."""
    from kubernetes import client, config

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
    templates = client.CustomObjectsApi()
    for flow in flows():
        name = create(flow, environ)
        templates.patch_namespaced_custom_object(
            *("argoproj.io", "v1alpha1", namespace, "workflowtemplates", name),
            {"spec": KEPT},
            _content_type="application/merge-patch+json",
        )
        print(f"{flow.stem} is deployed as {name} with {image}", flush=True)


if __name__ == "__main__":
    main()
