"""The components of docs/scale.md, each applied: larger engines, and readers of the lake."""

import os
import subprocess

import kubernetes_validate
import pytest
from typer.testing import CliRunner

from tasador.cli.app import make_app
from tests.kit import manifests as kit
from tests.kit.network_policies import Pod, passes

pytestmark = pytest.mark.skipif(
    kit.kustomize() is None, reason="building the manifests needs kustomize or kubectl"
)

NAME = "app.kubernetes.io/name"


@pytest.fixture(scope="module")
def applied(tmp_path_factory):
    """Every object of the production environment's folders with a component, by its name."""

    def build(component):
        folder = tmp_path_factory.mktemp(component)
        bases = [
            os.path.relpath(kit.ROOT / "cluster" / each, folder)
            for each in ("base", f"components/{component}", "policies")
        ]
        (folder / "kustomization.yaml").write_text(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            f"namespace: tasador\nresources: [{bases[0]}]\ncomponents: [{bases[2]}, {bases[1]}]\n"
        )
        command = [*kit.kustomize(), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        objects = kit.objects_of(done.stdout)
        for each in objects:
            if each["apiVersion"] in ("v1", "apps/v1", "batch/v1", "networking.k8s.io/v1"):
                kubernetes_validate.validate(each, "1.32", strict=True)
            elif each["kind"] in ("Broker", "Cluster"):
                kit.validate(each)
        return objects

    return build


def may_call(objects, pod, port):
    policies = list(kit.named(objects, "NetworkPolicy").values())
    return {
        name
        for name in ("mlflow", "record", "reload", "prepare", "exporter", "web", "predict")
        if passes(policies, Pod(name, {NAME: name}), pod, port)
    }


def test_kafka_takes_the_place_of_the_channel(applied):
    broker = kit.named(applied("kafka-broker"), "Broker")["default"]
    assert broker["metadata"]["annotations"]["eventing.knative.dev/broker.class"] == "Kafka"
    assert broker["spec"]["config"]["name"] == "kafka-broker-config"
    # Retries and dead letters stay what they are.
    assert broker["spec"]["delivery"]["deadLetterSink"]["uri"] == "/dead-letters"


def test_managed_stores_take_the_place_of_postgres_and_seaweedfs(applied):
    objects = applied("managed-stores")
    assert not kit.named(objects, "StatefulSet")
    services = {
        n for n, each in kit.named(objects, "Service").items() if each["apiVersion"] == "v1"
    }
    assert services == {"mlflow", "web"}
    database, other = Pod("database", {}, ""), Pod("other", {}, "")
    assert may_call(objects, database, 5432) == {
        *("mlflow", "record", "reload", "prepare", "exporter", "web", "predict"),
    }
    step = Pod("step", {"workflows.argoproj.io/workflow": "x"})
    assert passes(list(kit.named(objects, "NetworkPolicy").values()), step, database, 5432)
    assert may_call(objects, other, 25) == set()


def test_web_app_alone_calls_an_openid_provider(applied):
    objects = applied("openid")
    assert may_call(objects, Pod("provider", {}, ""), 443) == {"web"}


def test_the_iceberg_table_gets_new_files_each_hour_with_the_rights_of_flows(applied):
    objects = applied("iceberg")
    job = kit.named(objects, "CronJob")["lake-sync"]
    assert job["metadata"]["namespace"] == "tasador"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]
    secrets = {name for name, _ in kit.secrets_read(pod["spec"])}
    assert secrets == {"tasador-endpoints", "tasador-flows"}
    (container,) = pod["spec"]["containers"]
    python, *command = container["command"]
    assert (python, command[:2]) == ("python", ["-m", "tasador"])
    assert CliRunner().invoke(make_app(), [*command[2:], "--help"]).exit_code == 0
    policies = list(kit.named(objects, "NetworkPolicy").values())
    caller = Pod("lake-sync", pod["metadata"]["labels"])
    for name, port in (("postgres", 5432), ("objects", 8333)):
        assert passes(policies, caller, Pod(name, {NAME: name}), port)
    assert not passes(policies, caller, Pod("mlflow", {NAME: "mlflow"}), 5000)
    assert not passes(policies, caller, Pod("internet", {}, ""), 443)


def test_cloudnative_pg_answers_under_the_name_of_postgres(applied):
    objects = applied("cloudnative-pg")
    assert set(kit.named(objects, "StatefulSet")) == {"objects"}
    assert kit.named(objects, "Cluster")["postgres"]["spec"]["instances"] == 3
    service = kit.named(objects, "Service")["postgres"]["spec"]
    assert service["ports"][0]["port"] == service["ports"][0]["targetPort"] == 5432
    labels = {"cnpg.io/cluster": "postgres", "cnpg.io/instanceRole": "primary"}
    assert service["selector"] == labels
    primary, replica = Pod("primary", labels), Pod("replica", {"cnpg.io/cluster": "postgres"})
    assert may_call(objects, primary, 5432) == {
        *("mlflow", "record", "reload", "prepare", "exporter", "web"),
    }
    policies = list(kit.named(objects, "NetworkPolicy").values())
    operator = Pod("operator", {}, "cnpg-system")
    assert passes(policies, replica, primary, 5432)
    assert passes(policies, operator, primary, 8000)
    assert passes(policies, primary, Pod("api server", {}, ""), 6443)
    assert not passes(policies, Pod("stranger", {}, "elsewhere"), primary, 5432)
