"""A pod of another namespace tries what a stranger would; all of it is refused.

The network of the test cluster may enforce no NetworkPolicy, so these are the second line: what
stops a stranger who can connect. tests/manifests/test_network_policies.py proves the first one.
"""

import json
import uuid

import pytest

from tests.kit import cluster as kit

NAMESPACE = "stranger"
DOMAIN = "tasador.svc.cluster.local"

# Runs in the stranger's pod, which has no secret: {name: status, or the name of an exception}.
ATTEMPTS = """
import httpx, json, socket, sys
domain, forged_id, broker, address = sys.argv[1:]
found = {}

def attempt(name, method, url, **options):
    try:
        found[name] = httpx.request(method, url, timeout=60, trust_env=False, **options).status_code
    except httpx.HTTPError as error:
        found[name] = type(error).__name__

def forged(kind, data):
    headers = {"ce-specversion": "1.0", "ce-id": forged_id, "ce-source": "/stranger",
               "ce-type": kind, "content-type": "application/json"}
    return {"headers": headers, "content": json.dumps(data)}

prediction = {"prediction_id": forged_id, "predicted_at": "2026-01-01T00:00:00+00:00",
              "model_name": "m", "model_version": 1, "model_digest": "d", "correlation_id": "",
              "revision": "", "listing": {}, "price": 1.0, "intervals": {}, "missing": [],
              "warnings": [], "latency_ms": 1.0}
made = forged("tasador.prediction.made", prediction)
record, reload, mlflow = (f"http://{name}.{domain}" for name in ("record", "reload", "mlflow"))
attempt("history", "GET", f"{record}/predictions/history")
attempt("summary", "GET", f"{record}/metrics/summary")
attempt("report", "GET", f"{record}/report/{forged_id}")
attempt("guessed token", "GET", f"{record}/predictions/history",
        headers={"authorization": "Bearer guess"})
attempt("forged prediction", "POST", record, **made)
attempt("forged dead letter", "POST", f"{record}/dead-letters", **made)
attempt("reconcile", "POST", f"{reload}/reconcile")
attempt("reload", "POST", f"{reload}/reload")
attempt("forged promotion", "POST", reload, **forged("tasador.model.promoted", {"promotion": 1}))
attempt("experiments", "GET", f"{mlflow}:5000/api/2.0/mlflow/experiments/search?max_results=1")
attempt("alias", "POST", f"{mlflow}:5000/api/2.0/mlflow/registered-models/alias",
        json={"name": "tasador-price", "alias": "champion", "version": "1"})
attempt("bucket", "GET", f"http://objects.{domain}:8333/mlflow-artifacts")
attempt("webhook", "POST",
        f"http://metaflow-webhook-eventsource-svc.{domain}:12000/metaflow-event",
        json={"name": "tasador.training.requested", "payload": {}})
attempt("broker", "POST", broker, **made)
for port in (8888, 9333, 8080):
    with socket.socket() as connection:
        connection.settimeout(5)
        found[f"seaweedfs {port}"] = connection.connect_ex((address, port)) == 0
import psycopg2
try:
    psycopg2.connect(host=f"postgres.{domain}", user="tasador", password="guess", dbname="tasador",
                     connect_timeout=10)
    found["postgres"] = "open"
except psycopg2.OperationalError as error:
    found["postgres"] = "refused" if "authentication failed" in str(error) else str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def stranger(loop):
    """A function that runs Python in a pod of another namespace."""
    kit.kubectl("create", "namespace", NAMESPACE)
    try:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "pod", "namespace": NAMESPACE},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [
                    {"name": "pod", "image": kit.flows_image(), "command": ["sleep", "infinity"]}
                ],
            },
        }
        kit.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
        kit.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/pod", "--timeout=180s")

        def run(code, *arguments):
            command = ("exec", "pod/pod", "--", "python", "-c", code, *arguments)
            return json.loads(kit.kubectl("-n", NAMESPACE, *command).strip().splitlines()[-1])

        yield run
    finally:
        kit.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_what_a_stranger_tries_is_refused(stranger):
    forged = uuid.uuid4().hex
    broker = kit.python("report(settings.broker_url)")
    objects = kit.get("pod", "objects-0")["status"]["podIP"]
    found = stranger(ATTEMPTS, DOMAIN, forged, broker, objects)
    closed = (
        *("history", "summary", "report", "guessed token", "forged prediction"),
        "forged dead letter",
        *("reconcile", "reload", "forged promotion", "experiments", "alias"),
    )
    assert {name: found[name] for name in closed} == dict.fromkeys(closed, 401)
    assert found["bucket"] == 403
    assert found["webhook"] >= 400
    assert [found[f"seaweedfs {port}"] for port in (8888, 9333, 8080)] == [False] * 3
    assert found["postgres"] == "refused"
    # A broker accepts events from anybody; what was forged is neither kept nor a dead letter.
    assert found["broker"] in (202, "ConnectTimeout")
    kept = kit.python(
        "import time\n"
        "time.sleep(10)\n"
        f"letters = [l for l in warehouse.dead_letters() if l.event_id == {forged!r}]\n"
        f"report([warehouse.prediction({forged!r}) is not None, len(letters)])"
    )
    assert kept == [False, 0]


def test_namespace_refuses_a_privileged_pod(applied):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged", "namespace": kit.NAMESPACE},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": kit.flows_image(),
                    "securityContext": {"privileged": True},
                }
            ]
        },
    }
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted'):
        kit.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_every_pod_of_the_namespace_satisfies_the_restricted_profile(applied):
    from tests.kit.pod_security import violations

    for pod in kit.get("pods"):
        assert violations(pod["spec"]) == [], pod["metadata"]["name"]
