"""The manifests, checked without a cluster: they build, are valid, and their references exist."""

import asyncio
import json
import re
from functools import cache
from urllib.parse import urlsplit

import httpx
import jsonschema
import kubernetes_validate
import pytest
from typer.testing import CliRunner

from cluster.k3d.credentials import S3_IDENTITIES
from tasador.cli.app import make_app
from tasador.events import event
from tasador.events.event import (
    MODEL_PROMOTED,
    PREDICTION_COMPARED,
    PREDICTION_MADE,
    PREDICTION_REQUESTED,
)
from tasador.operations.provision import METAFLOW_DATABASE
from tasador.records.shadow import MIRROR
from tasador.settings import Settings
from tasador.warehouse.logins import GRANTS, OWNERS, login, read_passwords
from tests.kit import manifests as kit

pytestmark = pytest.mark.skipif(
    kit.kustomize() is None, reason="building the manifests needs kustomize or kubectl"
)

DEV = "cluster/overlays/dev"
METAFLOW = "cluster/overlays/dev-metaflow"
# The oldest supported Kubernetes.
KUBERNETES = "1.32"
BUILT_IN = (*("v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"),)
# Services that are not in the manifests: created by a cluster, or installed by operators.
MADE = {"metaflow-webhook-eventsource-svc"}
# reload creates their Services from the PodTemplates of the same names.
ROLLED_OUT = {"predict", "explain"}
OPERATORS = {"broker-ingress.knative-eventing"}


def what(each):
    return f"{each['kind']} {each['metadata']['name']}"


@pytest.fixture(scope="module", params=[DEV, METAFLOW])
def dev(request):
    return kit.built(request.param)


@pytest.mark.parametrize("folder", kit.KUSTOMIZATIONS)
def test_every_kustomization_builds(folder):
    assert kit.built(folder)


@pytest.mark.parametrize("folder", kit.KUSTOMIZATIONS)
def test_every_object_is_valid(folder):
    for each in kit.built(folder):
        check(json.dumps(each))


@cache
def check(text):
    """Fail if the object is invalid. Kustomizations share most of their objects."""
    each = json.loads(text)
    if each["apiVersion"] in BUILT_IN:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
        return
    try:
        kit.validate(each)
    except jsonschema.ValidationError as error:
        path = "/".join(map(str, error.absolute_path))
        pytest.fail(f"{what(each)}, {path}: {error.message[:500]}")


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (lambda o: o["spec"]["webhook"]["metaflow-event"].update(prot="1"), "prot"),
        (lambda o: o["spec"].update(eventBus="default"), "eventBus"),
        (lambda o: o["spec"]["webhook"]["metaflow-event"].update(port=1), "not of type 'string'"),
    ],
)
def test_schema_check_rejects_an_invalid_object(dev, apply, message):
    wrong = yaml_copy(kit.named(dev, "EventSource")["metaflow-webhook"])
    apply(wrong)
    with pytest.raises(jsonschema.ValidationError, match=message):
        kit.validate(wrong)


def yaml_copy(each):
    return kit.yaml.safe_load(kit.yaml.safe_dump(each))


def test_all_objects_are_in_one_namespace(dev):
    cluster_wide = {"Namespace"}
    for each in dev:
        if each["kind"] not in cluster_wide:
            assert each["metadata"].get("namespace") == "tasador", what(each)


def test_images_have_version_tags(dev):
    images = {c["image"] for _, c in kit.containers(dev)}
    assert images
    for image in images:
        tag = image.rpartition("/")[2].partition(":")[2]
        assert tag, f"{image} has no tag"
        assert tag != "latest"


@pytest.mark.parametrize("folder", [f for f in kit.KUSTOMIZATIONS if f not in (DEV, METAFLOW)])
def test_secrets_only_in_the_dev_overlay(folder):
    objects = kit.built(folder)
    assert not kit.named(objects, "Secret")
    for each, container in kit.containers(objects):
        for variable in container.get("env", []):
            secret = re.search("PASSWORD|SECRET|TOKEN|_KEY$|DATABASE_URL", variable["name"])
            assert not (secret and "value" in variable), f"{what(each)}: {variable['name']}"


@pytest.mark.parametrize(
    "folder",
    [DEV, METAFLOW, "cluster/monitoring", "cluster/git", "cluster/source", "cluster/console"],
)
def test_every_container_has_requests_and_limits(folder):
    for each, container in kit.containers(kit.built(folder)):
        needed = {"cpu", "memory", "ephemeral-storage"}
        if each["kind"] == "PodTemplate" or each["apiVersion"].startswith("serving.knative"):
            # Knative starts them next to its queue-proxy; the namespace's LimitRange covers both.
            needed.remove("ephemeral-storage")
        for kind in ("requests", "limits"):
            resources = container.get("resources", {}).get(kind, {})
            assert needed <= set(resources), f"{what(each)} {container['name']}: {kind}"


def test_a_container_may_fill_its_folders_on_the_node(dev):
    """Else the pod would be evicted below the limit of its emptyDir."""
    for each in dev:
        for _, spec in kit.pod_specs(each):
            limits = [
                mebibytes(c["resources"]["limits"]["ephemeral-storage"])
                for c in spec["containers"]
                if "ephemeral-storage" in c["resources"]["limits"]
            ]
            folders = [v["emptyDir"] for v in spec.get("volumes", []) if "emptyDir" in v]
            filled = sum(
                mebibytes(folder.get("sizeLimit", "0Mi"))
                for folder in folders
                if folder.get("medium") != "Memory"
            )
            assert not limits or sum(limits) >= filled, what(each)


def mebibytes(text):
    """The number in a quantity like 64Mi or 2Gi."""
    return int(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]


def test_limit_range_covers_flow_steps(dev):
    (limits,) = kit.named(dev, "LimitRange")["containers"]["spec"]["limits"]
    assert limits["type"] == "Container"
    assert {"cpu", "memory", "ephemeral-storage"} <= set(limits["default"])


def test_event_bus_and_event_source_have_limits(dev):
    bus = kit.named(dev, "EventBus")["default"]["spec"]["jetstream"]
    source = kit.named(dev, "EventSource")["metaflow-webhook"]["spec"]["template"]["container"]
    for part in ("containerTemplate", "reloaderContainerTemplate", "metricsContainerTemplate"):
        assert {"cpu", "memory"} <= set(bus[part]["resources"]["limits"])
    assert {"cpu", "memory"} <= set(source["resources"]["limits"])


def test_every_pod_has_a_restricted_security_context(dev):
    seen = 0
    for each in dev:
        for _, spec in kit.pod_specs(each):
            seen += 1
            assert spec.get("serviceAccountName"), what(each)
            assert spec.get("enableServiceLinks") is False, what(each)
            pod = spec.get("securityContext", {})
            for container in spec["containers"]:
                own = container["securityContext"]
                name = f"{what(each)} {container['name']}"
                assert own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True, name
                seccomp = own.get("seccompProfile", pod.get("seccompProfile"))
                assert seccomp == {"type": "RuntimeDefault"}, name
                assert own["allowPrivilegeEscalation"] is False, name
                assert own["readOnlyRootFilesystem"] is True, name
                assert own["capabilities"] == {"drop": ["ALL"]}, name
    assert seen >= 5


def test_long_running_pods_have_probes(dev):
    for each in dev:
        if each["kind"] in ("Deployment", "StatefulSet"):
            for container in each["spec"]["template"]["spec"]["containers"]:
                assert {"readinessProbe", "livenessProbe"} <= set(container), what(each)


def test_referenced_secrets_and_config_maps_exist(dev):
    there = set(kit.named(dev, "Secret")) | set(kit.named(dev, "ConfigMap"))
    for each in dev:
        for _, spec in kit.pod_specs(each):
            wanted = set()
            for container in spec["containers"]:
                for source in container.get("envFrom", []):
                    wanted |= {v["name"] for v in source.values() if isinstance(v, dict)}
                for variable in container.get("env", []):
                    reference = variable.get("valueFrom", {})
                    for kind in ("secretKeyRef", "configMapKeyRef"):
                        wanted |= {reference[kind]["name"]} if kind in reference else set()
            for volume in spec.get("volumes", []):
                wanted |= {volume["secret"]["secretName"]} if "secret" in volume else set()
                wanted |= {volume["configMap"]["name"]} if "configMap" in volume else set()
                sources = volume.get("projected", {}).get("sources", [])
                wanted |= {source["secret"]["name"] for source in sources}
            assert wanted <= there, what(each)


def test_service_accounts_roles_and_subjects_exist(dev):
    accounts = set(kit.named(dev, "ServiceAccount"))
    for each in dev:
        for _, spec in kit.pod_specs(each):
            assert spec["serviceAccountName"] in accounts, what(each)
    roles = set(kit.named(dev, "Role"))
    for name, binding in kit.named(dev, "RoleBinding").items():
        assert binding["roleRef"]["name"] in roles, name
        assert {s["name"] for s in binding["subjects"]} <= accounts, name
    for name, role in kit.named(dev, "Role").items():
        for rule in role["rules"]:
            requested = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "*" not in requested, name
            assert "secrets" not in rule["resources"], name


def test_services_select_pods_and_their_ports(dev):
    pods = [
        (spec_labels, spec)
        for each in dev
        if each["kind"] in ("Deployment", "StatefulSet")
        for spec_labels, spec in [
            (each["spec"]["template"]["metadata"]["labels"], each["spec"]["template"]["spec"])
        ]
    ]
    for name, service in kit.named(dev, "Service").items():
        if service["apiVersion"] != "v1":
            continue
        selector = service["spec"]["selector"].items()
        behind = [spec for labels, spec in pods if selector <= labels.items()]
        assert len(behind) == 1, name
        ports = {p["name"] for c in behind[0]["containers"] for p in c.get("ports", [])}
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports, name


def test_urls_in_settings_point_to_services(dev):
    services = {
        (name, port["port"])
        for name, each in kit.named(dev, "Service").items()
        if each["apiVersion"] == "v1"
        for port in each["spec"]["ports"]
    }
    source = kit.named(dev, "EventSource")["metaflow-webhook"]["spec"]
    services |= {
        ("metaflow-webhook-eventsource-svc", port["port"]) for port in source["service"]["ports"]
    }
    seen = set()
    for name, each in kit.named(dev, "Secret").items():
        for value in each["data"].values():
            text = kit.decoded(value)
            for host, namespace, port in re.findall(
                r"[/@]([\w-]+)\.([\w-]+)\.svc\.cluster\.local(?::(\d+))?", text
            ):
                if f"{host}.{namespace}" in OPERATORS:
                    continue
                assert namespace == "tasador", f"{name}: {text}"
                assert (host, int(port or 80)) in services, f"{name}: {host}:{port}"
                seen.add(host)
    assert {"postgres", "objects", "mlflow", *MADE} <= seen


def test_web_app_calls_existing_functions_and_can_do_what_its_pages_offer(dev, monkeypatch):
    pod = kit.named(dev, "Deployment")["web"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "envFrom" not in container
    environ = {variable["name"]: variable["value"] for variable in container["env"]}
    secrets = kit.named(dev, "Secret")
    held = {
        key
        for name, keys in kit.secrets_read(pod)
        for key in keys or [*secrets[name]["data"], *secrets[name].get("stringData", {})]
    }
    # What the verbs of web/tasador_web/actions.py need on a cluster; it signs nothing.
    assert held == {
        "TASADOR_DATABASE_URL",
        *("TASADOR_S3_ENDPOINT", "TASADOR_S3_ACCESS_KEY", "TASADOR_S3_SECRET_KEY"),
        *("TASADOR_MLFLOW_URL", "TASADOR_MLFLOW_PASSWORD", "TASADOR_SIGNING_PUBLIC_KEYS"),
        *("TASADOR_BROKER_URL", "TASADOR_EVENTS_KEY", "TASADOR_FUNCTIONS_TOKEN"),
        *("TASADOR_ARGO_EVENTS_URL", "TASADOR_ARGO_EVENTS_TOKEN"),
        # Where it leads to; optional.
        "TASADOR_METAFLOW_UI_URL",
    }
    assert {"name": "secrets", "mountPath": environ["TASADOR_SETTINGS"], "readOnly": True} in (
        container["volumeMounts"]
    )
    url = environ["TASADOR_FUNCTIONS_URL"]
    assert url == "http://{function}.tasador.svc.cluster.local"
    hosts = hosts_called_by_the_web_app(url, monkeypatch)
    assert hosts <= {f"{name}.tasador.svc.cluster.local" for name in functions(dev)}
    assert len(hosts) == 3


def hosts_called_by_the_web_app(url, monkeypatch):
    """The hosts that the methods of the web app's client call."""
    monkeypatch.syspath_prepend(str(kit.ROOT / "web"))
    from tasador_web.client import Functions

    hosts = set()

    def answer(request):
        hosts.add(request.url.host)
        return httpx.Response(200, json={"states": [], "predictions": []})

    async def call_all():
        async with Functions(url) as client:
            await client._http.aclose()
            client._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
            await asyncio.gather(
                *(client.predict({}), client.explain({}), client.states(), client.model()),
                *(client.summary(), client.history(1)),
            )

    asyncio.run(call_all())
    return hosts


def test_object_store_accepts_the_keys_in_secrets(dev):
    secrets = {
        name: {k: kit.decoded(v) for k, v in each["data"].items()}
        for name, each in kit.named(dev, "Secret").items()
    }
    identities = kit.json.loads(secrets["tasador-objects"]["s3.json"])["identities"]
    keys = {(c["accessKey"], c["secretKey"]) for i in identities for c in i["credentials"]}
    for name, values in secrets.items():
        for prefix in ("TASADOR_S3_", "AWS_"):
            access = values.get(f"{prefix}ACCESS_KEY", values.get(f"{prefix}ACCESS_KEY_ID"))
            secret = values.get(f"{prefix}SECRET_KEY", values.get(f"{prefix}SECRET_ACCESS_KEY"))
            if access or secret:
                assert (access, secret) in keys, name


def decoded_secrets(dev):
    """name -> key -> value of every Secret."""
    return {
        name: {key: kit.decoded(value) for key, value in each["data"].items()}
        for name, each in kit.named(dev, "Secret").items()
    }


def test_each_part_logs_in_to_postgres_with_its_own_login():
    secrets = decoded_secrets(kit.built(METAFLOW))
    passwords = read_passwords(secrets["tasador-owner"]["TASADOR_DATABASE_ROLES"])
    assert set(passwords) == {*GRANTS, *OWNERS}
    found = {}
    for name, values in secrets.items():
        for key in ("TASADOR_DATABASE_URL", "MLFLOW_BACKEND_STORE_URI"):
            if key in values:
                url = urlsplit(values[key])
                found[name] = (url.username, url.password, url.path.lstrip("/"))
    metaflow = secrets["tasador-metaflow"]
    found["tasador-metaflow"] = tuple(
        metaflow[f"MF_METADATA_DB_{key}"] for key in ("USER", "PSWD", "NAME")
    )
    owner = secrets["tasador-postgres"]
    assert found.pop("tasador-owner") == tuple(
        owner[f"POSTGRES_{key}"] for key in ("USER", "PASSWORD", "DB")
    )
    assert found == {
        f"tasador-{secret}": (login(part), passwords[part], database)
        for secret, part, database in (
            ("flows", "flows", "tasador"),
            ("history", "record", "tasador"),
            ("reload", "reload", "tasador"),
            ("exporter", "exporter", "tasador"),
            ("web", "web", "tasador"),
            ("mlflow", "mlflow", "mlflow"),
            ("metaflow", "metaflow", "metaflow"),
        )
    }


def test_only_jobs_hold_the_owner_s_password(dev):
    holders = {}
    for each in dev:
        for _, spec in kit.pod_specs(each):
            for name, _ in kit.secrets_read(spec):
                holders.setdefault(name, set()).add(each["metadata"]["name"])
    assert holders["tasador-owner"] == {"prepare", "backup"}
    assert holders["tasador-postgres"] == {"postgres"}
    assert holders["tasador-objects"] == {"objects"}
    assert "prepare" not in holders["tasador-flows"]
    # Its tables and buckets must exist before anything logs in.
    prepare = kit.named(dev, "Job")["prepare"]["spec"]["template"]["spec"]
    assert {n for n, _ in kit.secrets_read(prepare)} == {"tasador-owner", "tasador-endpoints"}


def test_prune_follows_the_backup_with_the_rights_of_flows(dev):
    jobs = kit.named(dev, "CronJob")

    def minute(name):
        minutes, hours, *daily = jobs[name]["spec"]["schedule"].split()
        assert daily == ["*"] * 3
        return 60 * int(hours) + int(minutes)

    assert minute("backup") < minute("prune")
    pod = jobs["prune"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert {name for name, _ in kit.secrets_read(pod)} == {"tasador-endpoints", "tasador-flows"}
    (container,) = pod["containers"]
    python, *command = container["command"]
    assert (python, command[:2]) == ("python", ["-m", "tasador"])
    assert CliRunner().invoke(make_app(), [*command[2:], "--help"]).exit_code == 0
    tables = {"raw.raw_data", "raw.inference_logs", "ops.fetches", "ops.dead_letters"}
    assert all("delete" in GRANTS["flows"][table] for table in tables)
    assert "Write:data-raw" in S3_IDENTITIES["flows"]


def test_each_part_has_a_key_of_the_object_store_for_its_buckets_alone():
    dev = decoded_secrets(kit.built(METAFLOW))
    identities = json.loads(dev["tasador-objects"]["s3.json"])["identities"]
    assert {i["name"]: i["actions"] for i in identities} == S3_IDENTITIES
    # Who may do something to every bucket may change what others trust.
    everywhere = {
        name for name, may in S3_IDENTITIES.items() if not all(":" in action for action in may)
    }
    assert everywhere == {"owner"}
    writers = {
        name
        for name, may in S3_IDENTITIES.items()
        if {"Write", "Admin", "Write:mlflow-artifacts"} & set(may)
    }
    assert writers == {"owner", "flows", "mlflow"}
    names = {
        secret: values.get("TASADOR_S3_ACCESS_KEY", values.get("AWS_ACCESS_KEY_ID"))
        for secret, values in dev.items()
    }
    assert {secret: name for secret, name in names.items() if name} == {
        f"tasador-{name}": name for name in S3_IDENTITIES
    }


def functions(dev):
    """name -> pod template of every function, from its Service or its PodTemplate."""
    templates = {n: each["template"] for n, each in kit.named(dev, "PodTemplate").items()}
    for name, each in kit.named(dev, "Service").items():
        if each["apiVersion"] == "serving.knative.dev/v1":
            templates[name] = each["spec"]["template"]
    return templates


def test_every_function_has_a_knative_service(dev):
    there = {p.parent.name for p in (kit.ROOT / "functions").glob("*/func.yaml")}
    assert set(functions(dev)) == there
    assert set(kit.named(dev, "PodTemplate")) == ROLLED_OUT


def test_functions_have_probes_and_autoscaling(dev):
    for name, template in functions(dev).items():
        annotations = template["metadata"]["annotations"]
        assert annotations["autoscaling.knative.dev/initial-scale"] == "1", name
        assert {"min-scale", "max-scale"} <= {a.rpartition("/")[2] for a in annotations}, name
        (container,) = template["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/health/readiness", name
        assert container["livenessProbe"]["httpGet"]["path"] == "/health", name
        assert {"mountPath": "/tmp", "name": "tmp"} in container["volumeMounts"], name
        # A PodTemplate has no field for it; tasador/rollout/knative.py reads the annotation.
        longest = 300 if name == "reload" else 30
        stated = annotations.get("tasador/timeout-seconds", template["spec"].get("timeoutSeconds"))
        assert int(stated) == longest, name


def test_functions_have_only_the_secrets_they_need(dev):
    secrets = {}
    for name, template in functions(dev).items():
        (container,) = template["spec"]["containers"]
        # As files: a process whose environment was set at its start would not learn a rotated key.
        assert "envFrom" not in container, name
        environ = {v["name"]: v.get("value") for v in container["env"]}
        mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
        assert environ["TASADOR_SETTINGS"] == mounts["secrets"], name
        (volume,) = (v for v in template["spec"]["volumes"] if v["name"] == "secrets")
        secrets[name] = {s["secret"]["name"]: s["secret"] for s in volume["projected"]["sources"]}
        has_token = template["spec"].get("automountServiceAccountToken") is not False
        assert has_token == (name == "reload"), name
    assert secrets["predict"] == secrets["explain"]
    assert set(secrets["predict"]) == {"tasador-serving", "tasador-endpoints"}
    only = [item["key"] for item in secrets["predict"]["tasador-endpoints"]["items"]]
    assert only == ["TASADOR_S3_ENDPOINT"]
    assert set(secrets["record"]) == {"tasador-history"}
    assert set(secrets["reload"]) == {"tasador-endpoints", "tasador-serving", "tasador-reload"}
    serving = kit.json.loads(
        kit.decoded(kit.named(dev, "Secret")["tasador-objects"]["data"]["s3.json"])
    )["identities"]
    assert [i["actions"] for i in serving if i["name"] == "serving"] == [["Read:mlflow-artifacts"]]


def test_readers_and_publishers_hold_the_same_tokens_and_keys(dev):
    secrets = {
        name: {k: kit.decoded(v) for k, v in each["data"].items()}
        for name, each in kit.named(dev, "Secret").items()
    }
    holders = {
        "TASADOR_EVENTS_KEY": {
            *("tasador-flows", "tasador-serving", "tasador-history", "tasador-reload"),
            "tasador-web",
        },
        "TASADOR_FUNCTIONS_TOKEN": {
            *("tasador-flows", "tasador-history", "tasador-reload", "tasador-web"),
        },
        "TASADOR_ARGO_EVENTS_TOKEN": {"tasador-flows", "tasador-webhook", "tasador-web"},
        "TASADOR_SIGNING_PUBLIC_KEYS": {"tasador-flows", "tasador-serving", "tasador-web"},
        # Only flows sign.
        "TASADOR_SIGNING_KEY": {"tasador-flows"},
    }
    for name, expected in holders.items():
        values = {secret: v[name] for secret, v in secrets.items() if name in v}
        assert set(values) == expected, name
        assert len(set(values.values())) == 1, name
    webhook = kit.named(dev, "EventSource")["metaflow-webhook"]["spec"]["webhook"]["metaflow-event"]
    token = webhook["authSecret"]
    assert token["key"] in secrets[token["name"]]
    # Argo Events mounts the whole Secret into the event source's pod.
    assert len(secrets[token["name"]]) == 1


def test_only_public_functions_are_reachable_from_outside(dev):
    inside = {
        name
        for name, each in kit.named(dev, "Service").items()
        if each["metadata"]["labels"].get("networking.knative.dev/visibility") == "cluster-local"
    }
    assert inside == {"record", "reload"}


def test_reload_role_names_two_services_and_the_trigger_of_a_shadow(dev):
    rules = kit.named(dev, "Role")["reload"]["rules"]
    by_kind = {rule["resources"][0]: rule for rule in rules}
    assert set(by_kind) == {"services", "revisions", "podtemplates", "triggers"}
    assert by_kind["triggers"]["resourceNames"] == [MIRROR]
    assert set(by_kind["triggers"]["verbs"]) == {"create", "patch", "delete"}
    assert set(by_kind["services"]["resourceNames"]) == ROLLED_OUT
    assert set(by_kind["podtemplates"]["resourceNames"]) == ROLLED_OUT
    assert by_kind["podtemplates"]["verbs"] == ["get"]
    assert "list" not in by_kind["services"]["verbs"]


def test_triggers_filter_known_events_and_have_subscribers(dev):
    known = {v for k, v in vars(event).items() if k.isupper() and str(v).startswith("tasador.")}
    brokers = kit.named(dev, "Broker")
    heard = {}
    for name, trigger in kit.named(dev, "Trigger").items():
        spec = trigger["spec"]
        assert spec["broker"] in brokers
        kind = spec["filter"]["attributes"]["type"]
        assert kind in known, name
        to = spec["subscriber"]
        heard[kind] = to["ref"]["name"] if "ref" in to else to["uri"].split("/")[2].split(".")[0]
        assert heard[kind] in functions(dev), name
    assert heard == {
        PREDICTION_REQUESTED: "predict",
        PREDICTION_MADE: "record",
        PREDICTION_COMPARED: "record",
        MODEL_PROMOTED: "reload",
    }


def test_dead_letter_sink_has_an_existing_target(dev):
    import importlib

    sinks = [
        kit.named(dev, "Broker")["default"]["spec"]["delivery"]["deadLetterSink"],
    ]
    services = kit.named(dev, "Service")
    for sink in sinks:
        name = sink["ref"]["name"]
        assert services[name]["apiVersion"] == sink["ref"]["apiVersion"]
        routes = importlib.import_module(f"functions.{name}.func").FUNCTION.routes
        assert ("POST", sink["uri"]) in {(route.method, route.path) for route in routes}


def test_metaflow_service_and_ui_read_what_the_flows_write():
    objects = kit.built(METAFLOW)
    secrets = {
        name: {key: kit.decoded(value) for key, value in each["data"].items()}
        for name, each in kit.named(objects, "Secret").items()
    }
    service, flows = secrets["tasador-metaflow"], secrets["tasador-endpoints"]
    assert service["METAFLOW_S3_ENDPOINT_URL"] == flows["TASADOR_S3_ENDPOINT"]
    assert service["METAFLOW_DATASTORE_SYSROOT_S3"] == f"s3://{Settings.load({}).bucket_metaflow}"
    assert service["MF_METADATA_DB_NAME"] == METAFLOW_DATABASE
    assert flows["TASADOR_METAFLOW_SERVICE_URL"].endswith(
        "//metaflow.tasador.svc.cluster.local:8080"
    )
    identities = kit.json.loads(secrets["tasador-objects"]["s3.json"])["identities"]
    (actions,) = [i["actions"] for i in identities if i["name"] == "metaflow"]
    assert actions == ["Read:metaflow", "List:metaflow"]
    for each in kit.named(objects, "Deployment").values():
        for _, spec in kit.pod_specs(each):
            for container in spec.get("initContainers", []):
                own = container["securityContext"]
                assert own["readOnlyRootFilesystem"] is True
                assert own["capabilities"] == {"drop": ["ALL"]}
