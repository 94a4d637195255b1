"""A real cluster for tests: kubectl, the overlay, commands in pods, requests from outside.

The environment describes the cluster; see tests/README.md.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time

import httpx
import pytest

from tests.kit.checkout import ROOT
from tests.kit.waiting import wait_for

NAMESPACE = "tasador"
OVERLAY = ROOT / ".build" / "cluster"
NEEDED = ("KUBECONFIG", "TASADOR_INGRESS_URL", "TASADOR_INGRESS_DOMAIN")
SEED = "11"


# Takes minutes: runs before a release, not for every change.
long = pytest.mark.skipif(
    not os.environ.get("TASADOR_TEST_LONG"), reason="long: set TASADOR_TEST_LONG (tests/README.md)"
)


def missing():
    """The reason why the tests cannot run, or an empty text."""
    absent = [name for name in NEEDED if not os.environ.get(name)]
    return f"no cluster: {', '.join(absent)} not set (tests/README.md)" if absent else ""


def kubectl(*arguments, stdin=None, check=True):
    """The output of kubectl; ``stdin`` is its standard input."""
    command = [*shlex.split(os.environ.get("TASADOR_KUBECTL") or "kubectl"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=ROOT)
    assert not check or done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    return done.stdout if done.returncode == 0 else ""


def get(kind, name="", *more):
    """One object, or a list of them."""
    text = kubectl("-n", NAMESPACE, "get", kind, *([name] if name else []), *more, "-o", "json")
    return json.loads(text) if name else json.loads(text)["items"]


def patch(kind, name, changes):
    """Merge ``changes`` into an object."""
    kubectl("-n", NAMESPACE, "patch", kind, name, "--type=merge", "-p", json.dumps(changes))


def until(what, condition, seconds, pause=1.0):
    """Wait until ``condition()`` is true; returns (its value, seconds waited).

    A failed kubectl, a missing key and an HTTP error count as false.
    """
    began = time.monotonic()
    ignored = (AssertionError, KeyError, httpx.HTTPError)
    value = wait_for(condition, seconds, pause=pause, ignored=ignored, what=what)
    return value, time.monotonic() - began


def condition(resource, kind):
    """The status of an object's condition ("True", "False", "Unknown"), or an empty text."""
    conditions = resource.get("status", {}).get("conditions", [])
    return next((c["status"] for c in conditions if c["type"] == kind), "")


def images():
    """Build the images and write the overlay."""
    subprocess.run([sys.executable, "cluster/images.py"], cwd=ROOT, check=True)


def build(name, dockerfile, base):
    """Build an image for tests from benchmarks/serving/NAME; returns its name."""
    builder = shlex.split(os.environ.get("TASADOR_IMAGE_BUILDER") or "docker build -t")
    prefix, tag = base.rpartition("/")[0], base.rpartition(":")[2]
    image = f"{prefix}/tasador-test-{name}:{tag}"
    command = [*builder, image, f"benchmarks/serving/{name}", "-f", dockerfile]
    subprocess.run([*command, "--build-arg", f"BASE={base}"], cwd=ROOT, check=True)
    return image


def flows_image():
    """The flows' image in the overlay."""
    job = get("job", "deploy-flows")
    return job["spec"]["template"]["spec"]["containers"][0]["image"]


def apply():
    """Apply the overlay."""
    return kubectl("apply", "-k", str(OVERLAY))


def remove():
    """Remove everything; the event bus last, since it waits for its sources and sensors."""
    if not kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
        return
    for kind in ("workflow", "cronworkflow", "sensor", "eventsource", "eventbus"):
        resource = f"{kind}.argoproj.io"
        gone = ("delete", resource, "--all", "--timeout=120s")
        if not kubectl("-n", NAMESPACE, *gone, check=False):
            # A controller that is busy, or that does not run, keeps what it has to finalize.
            for each in get(resource):
                patch(resource, each["metadata"]["name"], {"metadata": {"finalizers": None}})
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    # Their data is deleted too, so the pods need no grace period.
    kubectl("-n", NAMESPACE, "delete", "pod", "--all", "--grace-period=0", "--force", check=False)
    kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=300s", check=False)
    left = kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "json")
    if left:
        conditions = json.loads(left)["status"].get("conditions", [])
        why = "; ".join(each["message"] for each in conditions if each["status"] == "True")
        raise AssertionError(
            f"the namespace {NAMESPACE} of an earlier installation cannot be deleted: "
            f"{why or 'something creates it again'}"
        )


def unready():
    """The objects that are not ready (or not complete) yet."""
    waiting = []
    for each in get("job"):
        if condition(each, "Complete") != "True":
            waiting.append(each)
    for each in get("services.serving.knative.dev,triggers,brokers"):
        if condition(each, "Ready") != "True":
            waiting.append(each)
    for each in get("deployment,statefulset"):
        status = each["status"]
        if status.get("readyReplicas", 0) != each["spec"]["replicas"]:
            waiting.append(each)
    for each in get("eventbus,eventsource,sensor"):
        if condition(each, "Deployed") != "True":
            waiting.append(each)
    return [f"{each['kind']} {each['metadata']['name']}" for each in waiting]


def versions():
    """(kind, name) -> a version that changes with the object but not with its status."""
    listed = kubectl("get", "-k", str(OVERLAY), "-o", "json")
    return {
        (each["kind"], each["metadata"]["name"]): each["metadata"].get(
            "generation", each["metadata"]["resourceVersion"]
        )
        for each in json.loads(listed)["items"]
    }


# -- next to the platform: a source of batches, and a pod to run commands in --------------------


def guest(image, name, command, account="", ports=()):
    """A deployment of the flows' image for tests."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"guest": name}},
            "template": {
                # The name lets it pass cluster/policies.
                "metadata": {"labels": {"guest": name, "app.kubernetes.io/name": name}},
                "spec": {
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 1,
                    **({"serviceAccountName": account} if account else {}),
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 10001,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {
                            "name": name,
                            "image": image,
                            "command": command,
                            "securityContext": {
                                "allowPrivilegeEscalation": False,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
                            "envFrom": [
                                {"secretRef": {"name": "tasador-endpoints"}},
                                {"secretRef": {"name": "tasador-flows"}},
                            ],
                            "ports": [{"containerPort": port} for port in ports],
                            **(
                                {"readinessProbe": {"tcpSocket": {"port": ports[0]}}}
                                if ports
                                else {}
                            ),
                        }
                    ],
                },
            },
        },
    }


def guests(rows, scenario):
    """A source of simulated batches, and a console that may start flows."""
    for each in get("deployment"):
        name = each["metadata"]["name"]
        ours = each["spec"]["selector"]["matchLabels"] == {"guest": name}
        assert ours or name not in ("source", "console"), (
            f"the deployment {name} belongs to another installation (by Argo CD?): without "
            "TASADOR_TEST_APPLIED the tests remove that one and install their own"
        )
    image = flows_image()
    serve = ["python", "-m", "tasador", "source", "serve", "--simulate", SEED]
    serve += ["--scenario", scenario, "--rows", str(rows), "--host", "0.0.0.0"]
    rules = [
        {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create", "get"]},
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtemplates"], "verbs": ["get"]},
    ]
    subject = {"kind": "ServiceAccount", "name": "console"}
    rbac = "rbac.authorization.k8s.io"
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "console"}},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": {"name": "console"},
            "rules": rules,
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "console"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "console"},
            "subjects": [subject],
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "source"},
            "spec": {"selector": {"guest": "source"}, "ports": [{"port": 8000}]},
        },
        guest(image, "source", serve, ports=(8000,)),
        guest(image, "console", ["sleep", "infinity"], account="console"),
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    before = _sources()
    kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=json.dumps(listed))
    for name in ("source", "console"):
        kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=180s")
    if _sources() - before:
        python(SKIP_KNOWN)


# A new process of the source begins with its first batch. One that the platform has starts no flow.
SKIP_KNOWN = """
import httpx
query = {"group_number": settings.source_group, "day": settings.source_day}
# The node may refuse the Service's connections for a moment after the pod is ready.
transport = httpx.HTTPTransport(retries=6)
with httpx.Client(base_url="http://source:8000", transport=transport, timeout=60) as source:
    for _ in warehouse.batches():
        source.get("/data", params=query).raise_for_status()
report(True)
"""


def _sources():
    """The pods of the source, by their unique ids."""
    return {each["metadata"]["uid"] for each in get("pod", "", "-l", "guest=source")}


COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"


def collect():
    """Have flows and functions send their spans to a collector (tests/cluster/collector.py)."""
    code = (ROOT / "tests" / "cluster" / "collector.py").read_text()
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "collector"},
        "spec": {"selector": {"guest": "collector"}, "ports": [{"port": 8000}]},
    }
    items = [guest(flows_image(), "collector", ["python", "-c", code], ports=(8000,)), service]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=json.dumps(listed))
    kubectl("-n", NAMESPACE, "rollout", "status", "deployment/collector", "--timeout=180s")
    url = f"http://collector.{NAMESPACE}.svc.cluster.local:8000"
    patch("secret", "tasador-endpoints", {"stringData": {COLLECTOR: url}})
    # Processes read it when they start. reload always runs, and record may.
    if running := pods("record"):
        kill(*running)
    restart("reload")


def stop_collecting():
    """Let the processes that start from now on send no spans."""
    patch("secret", "tasador-endpoints", {"data": {COLLECTOR: None}})
    kubectl("-n", NAMESPACE, "delete", "deployment,service", "collector")


def console(*command):
    """The output of a command in a pod that has the platform's addresses and keys."""
    return kubectl("-n", NAMESPACE, "exec", "deployment/console", "--", *command)


def python(code):
    """Run Python in that pod; returns what the code passes to ``report``.

    ``settings`` and ``warehouse`` are defined.
    """
    setup = (
        "import json, dataclasses\n"
        "from tasador.settings import Settings\n"
        "from tasador.warehouse.warehouse import Warehouse\n"
        "settings = Settings.load()\n"
        "warehouse = Warehouse(settings.database_url)\n"
        "def report(value): print(json.dumps(value, default=str))\n"
    )
    return json.loads(console("python", "-c", setup + code).strip().splitlines()[-1])


def train_with(**parameters):
    """Set parameters of the trainings that events start; their sensor has them."""
    sensor = get("sensor", "trainflow")
    workflow = sensor["spec"]["triggers"][0]["template"]["k8s"]["source"]["resource"]
    for parameter in workflow["spec"]["arguments"]["parameters"]:
        if parameter["name"] in parameters:
            parameter["value"] = str(parameters.pop(parameter["name"]))
    assert not parameters, f"the sensor has no {parameters}"
    patch("sensor", "trainflow", {"spec": sensor["spec"]})


def scale_quickly():
    """Scale predict and explain to zero some 36 seconds after the last request."""
    quick = {
        "autoscaling.knative.dev/window": "6s",
        # With the default, a tenth of the window, one slow answer would start more processes.
        "autoscaling.knative.dev/panic-window-percentage": "100",
        "autoscaling.knative.dev/scale-to-zero-pod-retention-period": "0s",
    }
    for name in ("predict", "explain"):
        patch("podtemplate", name, {"template": {"metadata": {"annotations": quick}}})


def pods(service):
    """The names of a service's pods that are not terminating."""
    matches = get("pod", "", "-l", f"serving.knative.dev/service={service}")
    return [p["metadata"]["name"] for p in matches if "deletionTimestamp" not in p["metadata"]]


def kill(*pods):
    """Kill pods at once, as a failing node does."""
    kubectl("-n", NAMESPACE, "delete", "pod", *pods, "--grace-period=0", "--force", "--wait=false")


def restart(service):
    """Kill a service's processes and wait until another is ready.

    `kubectl wait` would wait for pods that are ending, too, such as those of an earlier revision.
    """
    kill(*pods(service))
    until(
        f"{service} to be ready again",
        lambda: any(condition(get("pod", pod), "Ready") == "True" for pod in pods(service)),
        240,
    )


def trigger(flow, **parameters):
    """``python flows/FLOW.py argo-workflows trigger``; returns the workflow's name."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in parameters.items()]
    command = ["python", f"/app/flows/{flow}.py", "argo-workflows", "trigger", *options]
    # Metaflow prints the name on stderr.
    output = console("sh", "-c", f"{shlex.join(command)} 2>&1")
    return re.search(rf"argo-({flow}flow-[a-z0-9]+)", output)[1]


def workflows(template):
    """All workflows of a flow, newest last."""
    matches = [
        each
        for each in get("workflow.argoproj.io")
        if each["spec"].get("workflowTemplateRef", {}).get("name") == template
    ]
    return sorted(matches, key=lambda each: each["metadata"]["creationTimestamp"])


def pods_of(workflow, step):
    """The pods of a workflow's step, as its status has them."""
    nodes = (workflow.get("status", {}).get("nodes") or {}).values()
    return [n for n in nodes if n["type"] == "Pod" and n.get("templateName") == step]


def phase(workflow, step):
    """The phase of the newest pod of a workflow's step, or an empty text."""
    matches = pods_of(workflow, step)
    return max(matches, key=lambda n: n.get("startedAt") or "")["phase"] if matches else ""


def finished(workflow, wanted="Succeeded"):
    """Whether a workflow ended in the phase ``wanted``; fails if it ended in another."""
    phase = workflow.get("status", {}).get("phase", "")
    if phase in ("Failed", "Error"):
        assert wanted == phase, (
            f"{workflow['metadata']['name']}: {workflow['status'].get('message')}"
        )
    return phase == wanted


# -- from outside ------------------------------------------------------------------------------


def request(method, path, body=None, service="predict"):
    """A request through the ingress."""
    url, domain = os.environ["TASADOR_INGRESS_URL"], os.environ["TASADOR_INGRESS_DOMAIN"]
    return httpx.request(
        method,
        f"{url.rstrip('/')}{path}",
        json=body,
        headers={"host": f"{service}.{NAMESPACE}.{domain}"},
        timeout=60,
        trust_env=False,
    )
