"""Who may reach whom with all policies applied: the table below, and nobody else."""

import pytest
import yaml

from tests.kit import manifests as kit
from tests.kit.network_policies import Pod, passes, selects

pytestmark = pytest.mark.skipif(
    kit.kustomize() is None, reason="building the manifests needs kustomize or kubectl"
)

NAME = "app.kubernetes.io/name"
# Pods that controllers create, with the labels that they give them.
STEP = Pod("step", {"workflows.argoproj.io/workflow": "trainflow-abc"})
SENSOR = Pod("sensor", {"controller": "sensor-controller", "sensor-name": "trainflow"})
WEBHOOK = Pod("webhook", {"controller": "eventsource-controller"})
BUS = Pod("bus", {"controller": "eventbus-controller", "eventbus-name": "default"})
MADE = (STEP, SENSOR, WEBHOOK, BUS)
# Pods of other namespaces.
STRANGER = Pod("stranger", {NAME: "mlflow"}, "elsewhere")
INGRESS = Pod("ingress", {NAME: "traefik"}, "kube-system")
ACTIVATOR = Pod("activator", {"app": "activator"}, "knative-serving")
BROKER = Pod("broker", {"app": "mt-broker-ingress"}, "knative-eventing")
PROMETHEUS = Pod("prometheus", {NAME: "prometheus"}, "monitoring")
OTHERS = (STRANGER, INGRESS, ACTIVATOR, BROKER, PROMETHEUS)
API = Pod("api server", {}, "")
INTERNET = Pod("internet", {}, "")

# Destination and port: who may connect.
FUNCTIONS = ("predict", "explain", "record", "reload")
ALLOWED = {
    ("postgres", 5432): {
        "mlflow",
        "record",
        "reload",
        "prepare",
        "backup",
        "prune",
        "step",
        "exporter",
        "web",
    },
    ("objects", 8333): {
        *("mlflow", "predict", "explain", "reload", "prepare", "backup", "prune"),
        *("deploy-flows", "step", "web"),
    },
    ("mlflow", 5000): {"step", "ingress", "web"},
    ("web", 3000): {"ingress"},
    ("webhook", 12000): {"step", "web"},
    ("bus", 4222): {"sensor", "webhook", "bus"},
    ("bus", 6222): {"bus"},
    **{(name, 8012): {"activator", "ingress"} for name in FUNCTIONS},
    **{(name, 9090): {"activator", "prometheus"} for name in FUNCTIONS},
    **{(name, 9464): {"prometheus"} for name in (*FUNCTIONS, "exporter")},
    ("bus", 7777): {"prometheus"},
    # SeaweedFS without keys: nobody.
    **{("objects", port): set() for port in (8888, 9333, 8080 + 10000, 18333, 19333, 18888)},
    ("broker", 8080): {"predict", "explain", "reload", "step", "web"},
    ("activator", 8012): {"record", "reload", "web"},
    ("api server", 443): {"reload", "deploy-flows", "sensor", "step"},
    ("internet", 443): {"reload", "deploy-flows", "sensor", "step"},
    ("internet", 25): set(),
    ("ingress", 53): {"predict", "explain", "record", "reload", "web", "mlflow", "step"},
}


@pytest.fixture(scope="module")
def dev():
    return kit.built("cluster/overlays/dev")


@pytest.fixture(scope="module")
def policies(dev):
    return list(kit.named(dev, "NetworkPolicy").values())


@pytest.fixture(scope="module")
def pods(dev):
    """Every pod of the manifests and of the controllers, by name."""
    found = {pod.name: pod for pod in (*MADE, *OTHERS, API, INTERNET)}
    for each in dev:
        spec = each.get("spec") or {}
        job = (spec.get("jobTemplate") or {}).get("spec") or {}
        template = each.get("template") or spec.get("template") or job.get("template")
        if not template or not kit.pod_specs(each):
            continue
        if each["kind"] not in (
            *("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "PodTemplate", "Service"),
        ):
            continue
        labels = dict((template.get("metadata") or {}).get("labels") or {})
        name = each["metadata"]["name"]
        if each["kind"] == "PodTemplate" or each["apiVersion"].startswith("serving.knative"):
            labels["serving.knative.dev/service"] = name
        found[name] = Pod(name, labels)
    return found


@pytest.mark.parametrize(("destination", "port"), ALLOWED)
def test_only_the_listed_pods_may_connect(policies, pods, destination, port):
    allowed = {
        name
        for name, pod in pods.items()
        if pod.namespace
        and not (pod.namespace != "tasador" and pods[destination].namespace != "tasador")
        and passes(policies, pod, pods[destination], port)
    }
    expected = ALLOWED[destination, port]
    if port == 53:
        assert allowed >= expected
    else:
        assert allowed == expected


def test_every_port_that_a_stranger_tries_is_closed(policies, pods):
    for pod in pods.values():
        if pod.namespace == "tasador":
            ports = (80, 443, 2746, 3000, 4222, 5000, 5432, 6222, 8000, 8008, 8012, 8013, 8080)
            for port in (*ports, 8222, 8333, 8888, 9090, 9091, 9333, 12000, 18333, 18888, 19333):
                assert not passes(policies, STRANGER, pod, port), (pod.name, port)


def test_every_pod_is_selected_by_the_denying_policy(policies, pods):
    (deny,) = (p for p in policies if p["metadata"]["name"] == "deny")
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & deny["spec"].keys()
    for pod in pods.values():
        assert selects(deny["spec"]["podSelector"], pod.labels)


def test_policies_name_existing_pods(policies, pods):
    """Values that no pod of these manifests has belong to parts that an overlay adds."""
    added = {"metaflow", "metaflow-ui", "exporter", "console", "source", "restore"}
    known = {pod.labels.get(NAME) for pod in pods.values()} | added
    named = set()
    for text in (str(policy["spec"]) for policy in policies):
        named |= {word for word in added | {"mlflow", "prepare", "web"} if f"'{word}'" in text}
    assert named <= known


def test_nobody_but_the_ingress_and_each_other_reaches_the_monitoring():
    objects = kit.built("cluster/monitoring")
    there = list(kit.named(objects, "NetworkPolicy").values())
    pods = {
        each["metadata"]["name"]: Pod(
            each["metadata"]["name"],
            each["spec"]["template"]["metadata"]["labels"],
            "monitoring",
        )
        for each in objects
        if kit.pod_specs(each)
    }
    assert set(pods) == {"prometheus", "alertmanager", "grafana"}
    callers = [*pods.values(), STRANGER, INGRESS, BROKER, STEP]
    allowed = {
        (name, port): {caller.name for caller in callers if passes(there, caller, pod, port)}
        for name, pod in pods.items()
        for port in (3000, 9090, 9093, 9094)
    }
    assert {key: names for key, names in allowed.items() if names} == {
        ("prometheus", 9090): {"grafana", "ingress"},
        ("alertmanager", 9093): {"prometheus", "ingress"},
        ("grafana", 3000): {"ingress"},
    }
    prometheus = pods["prometheus"]
    scraped = yaml.safe_load((kit.ROOT / "cluster/monitoring/prometheus.yml").read_text())
    namespaces = {
        name
        for job in scraped["scrape_configs"]
        for discovered in job.get("kubernetes_sd_configs", [])
        for name in discovered.get("namespaces", {}).get("names", [])
    }
    assert {"tasador", "knative-serving", "argo"} <= namespaces
    for name in namespaces - {"monitoring"}:
        assert passes(there, prometheus, Pod("target", {}, name), 9090), name
    assert not passes(there, prometheus, STRANGER, 80)
    assert not passes(there, pods["grafana"], INTERNET, 443)


def test_argo_cd_alone_reads_the_git_server_in_the_cluster():
    objects = kit.built("cluster/git")
    there = list(kit.named(objects, "NetworkPolicy").values())
    git = Pod("git", {NAME: "git"}, "git")
    assert passes(there, Pod("repo-server", {}, "argocd"), git, 8080)
    for caller in (STRANGER, STEP, INGRESS):
        assert not passes(there, caller, git, 8080)
    assert not passes(there, git, INTERNET, 443)


def policy(name, spec, namespace="tasador"):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


A, B = Pod("a", {"app": "a"}), Pod("b", {"app": "b"})
OTHER = Pod("c", {"app": "a"}, "other")
ALL = {"podSelector": {}, "policyTypes": ["Ingress"]}


@pytest.mark.parametrize(
    ("policies_of", "source", "destination", "port", "expected"),
    [
        ([], OTHER, A, 1, True),
        ([policy("deny", ALL)], B, A, 1, False),
        # Without types, one with only ingress rules leaves the egress open.
        ([policy("p", {"podSelector": {}, "ingress": [{}]})], A, OTHER, 1, True),
        ([policy("p", {"podSelector": {}, "egress": []})], A, OTHER, 1, True),
        ([policy("p", {"podSelector": {}, "policyTypes": ["Egress"]})], A, OTHER, 1, False),
        # A policy of another namespace selects nothing here.
        ([policy("deny", ALL, "other")], B, A, 1, True),
        # Rules of several policies add up.
        ([policy("deny", ALL), policy("open", ALL | {"ingress": [{}]})], B, A, 1, True),
        # A pod selector alone means this namespace.
        (
            [policy("p", ALL | {"ingress": [{"from": [{"podSelector": {}}]}]})],
            *(OTHER, A, 1, False),
        ),
        # In one entry both selectors must match; two entries are alternatives.
        (
            [
                policy(
                    "p",
                    ALL
                    | {
                        "ingress": [
                            {
                                "from": [
                                    {
                                        "namespaceSelector": {},
                                        "podSelector": {"matchLabels": {"app": "b"}},
                                    }
                                ]
                            }
                        ]
                    },
                )
            ],
            *(OTHER, A, 1, False),
        ),
        (
            [
                policy(
                    "p",
                    ALL
                    | {
                        "ingress": [
                            {
                                "from": [
                                    {"namespaceSelector": {}},
                                    {"podSelector": {"matchLabels": {"app": "b"}}},
                                ]
                            }
                        ]
                    },
                )
            ],
            *(OTHER, A, 1, True),
        ),
        (
            [policy("p", ALL | {"ingress": [{"ports": [{"port": 80, "endPort": 90}]}]})],
            *(B, A, 85, True),
        ),
        ([policy("p", ALL | {"ingress": [{"ports": [{"port": 80}]}]})], B, A, 85, False),
        (
            [policy("p", ALL | {"ingress": [{"ports": [{"port": 80, "protocol": "UDP"}]}]})],
            *(B, A, 80, False),
        ),
    ],
)
def test_evaluator(policies_of, source, destination, port, expected):
    assert passes(policies_of, source, destination, port) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["a"], True),
        ("In", ["b"], False),
        ("NotIn", ["b"], True),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_evaluator_of_expressions(operator, values, expected):
    expression = {"key": "app", "operator": operator, "values": values}
    assert selects({"matchExpressions": [expression]}, A.labels) is expected
