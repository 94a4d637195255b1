"""The environments of Argo CD: their applications, and what each renders."""

import re

import pytest
import yaml

from cluster import images
from cluster.k3d import addresses, checks
from cluster.k3d.credentials import SIMULATED_SOURCE, credentials
from cluster.k3d.repository import IMAGES, with_images
from cluster.k3d.root import root
from cluster.k3d.settings import REGISTRY
from tests.kit import manifests as kit

pytestmark = pytest.mark.skipif(
    kit.kustomize() is None, reason="building the manifests needs kustomize or kubectl"
)

ENVIRONMENTS = sorted(
    str(path.relative_to(kit.ROOT))
    for path in (kit.ROOT / "cluster" / "environments").iterdir()
    if (path / "kustomization.yaml").is_file()
)
K3D = "cluster/environments/k3d"


def applications(environment):
    return kit.named(kit.built(environment), "Application")


def wave(application):
    return int(application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])


def rendered(environment):
    """application -> objects, of the applications that need no network."""
    return {
        name: kit.built(each["spec"]["source"]["path"])
        for name, each in applications(environment).items()
        if "addons" not in each["spec"]["source"]["path"]
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_application_has_an_existing_path_and_project(environment):
    projects = kit.named(kit.built(environment), "AppProject")
    for name, each in applications(environment).items():
        spec = each["spec"]
        assert (kit.ROOT / spec["source"]["path"] / "kustomization.yaml").is_file(), name
        allowed = projects[spec["project"]]["spec"]["destinations"]
        assert spec["destination"]["namespace"] in {to["namespace"] for to in allowed}, name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_application_prunes_heals_and_retries(environment):
    for name, each in applications(environment).items():
        policy = each["spec"]["syncPolicy"]
        assert policy["automated"] == {"prune": True, "selfHeal": True}, name
        assert policy["retry"]["limit"] == -1, name


def test_waves_are_in_the_order_in_which_the_parts_need_each_other():
    waves = {name: wave(each) for name, each in applications(K3D).items()}
    for earlier, later in [
        ("platform", "argo-workflows"),
        ("platform", "knative-serving"),
        ("knative-serving", "traefik"),
        *((addon, "flows") for addon in ("argo-workflows", "argo-events")),
        *((addon, "functions") for addon in ("knative-eventing", "knative-serving", "traefik")),
        ("platform", "web"),
        ("policies", "platform"),
    ]:
        assert waves[earlier] < waves[later], f"{earlier} before {later}"


def test_the_stores_come_before_their_databases_and_these_before_mlflow():
    objects = rendered(K3D)["platform"]

    def waves(kind, name):
        annotations = kit.named(objects, kind)[name]["metadata"].get("annotations", {})
        return int(annotations.get("argocd.argoproj.io/sync-wave", 0))

    assert waves("StatefulSet", "postgres") == waves("StatefulSet", "objects") == 0
    assert (
        waves("StatefulSet", "postgres") < waves("Job", "prepare") < waves("Deployment", "mlflow")
    )


def test_every_volume_on_k3d_is_of_a_type_that_the_kubelet_measures():
    """The kubelet measures no hostPath, which K3s' provisioner makes by default."""
    objects = [each for built in rendered(K3D).values() for each in built]
    claims = [each for each in objects if each["kind"] == "PersistentVolumeClaim"]
    for each in objects:
        claims += each.get("spec", {}).get("volumeClaimTemplates", [])
    assert len(claims) >= 4
    for each in claims:
        assert each["metadata"].get("annotations", {}).get("volumeType") == "local", each[
            "metadata"
        ]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_object_belongs_to_one_application(environment):
    owners = {}
    for name, objects in rendered(environment).items():
        for each in objects:
            metadata = each["metadata"]
            key = (each["kind"], metadata.get("namespace"), metadata["name"])
            assert key not in owners, f"{key} is in {owners[key]} and in {name}"
            owners[key] = name


def test_a_project_limits_its_applications_to_one_namespace():
    for name, each in applications(K3D).items():
        if each["spec"]["project"] == "tasador":
            kinds = {o["kind"] for o in kit.built(each["spec"]["source"]["path"])}
            assert not kinds & {"Namespace", "ClusterRole", "ClusterRoleBinding"}, name
    assert (
        kit.named(kit.built(K3D), "AppProject")["tasador"]["spec"]["clusterResourceWhitelist"] == []
    )


def test_applications_together_contain_what_the_dev_overlay_contains():
    def keys(objects):
        left_out = ("Secret", "Namespace")
        return {(o["kind"], o["metadata"]["name"]) for o in objects if o["kind"] not in left_out}

    everything = {key for objects in rendered(K3D).values() for key in keys(objects)}
    assert keys(kit.built("cluster/overlays/dev")) <= everything


def test_no_environment_contains_a_secret():
    for environment in ENVIRONMENTS:
        for objects in rendered(environment).values():
            assert not kit.named(objects, "Secret")


def test_production_reads_every_secret_from_a_store():
    secrets = kit.named(rendered("cluster/environments/production")["secrets"], "ExternalSecret")
    assert set(secrets) == set(credentials())
    for name, each in secrets.items():
        assert each["spec"]["target"]["name"] == name
        (source,) = each["spec"]["dataFrom"]
        assert source["extract"]["key"] == name.replace("-", "/", 1)


def test_production_exposes_no_port_and_plays_no_simulation():
    production = rendered("cluster/environments/production")
    assert "source" not in production
    for name, objects in production.items():
        for service in kit.named(objects, "Service").values():
            assert "nodePort" not in str(service), name
            assert service["spec"].get("type", "ClusterIP") == "ClusterIP", name


def test_an_environment_reads_no_folder_of_another_one():
    for name, each in applications("cluster/environments/production").items():
        assert "environments/k3d" not in each["spec"]["source"]["path"], name


def test_every_secret_and_key_that_a_pod_reads_is_created():
    created = credentials()
    for objects in rendered(K3D).values():
        for each in objects:
            for path, spec in kit.pod_specs(each):
                for name, keys in kit.secrets_read(spec):
                    assert set(keys) <= set(created[name]), f"{each['metadata']['name']} {path}"


def test_created_secrets_have_the_keys_of_the_dev_overlay():
    dev = kit.named(kit.built("cluster/overlays/dev-metaflow"), "Secret")
    created = credentials()
    assert set(created) == set(dev)
    for name, values in created.items():
        # The dev overlay has no source.
        assert set(values) - {"TASADOR_SOURCE_URL"} == set(dev[name]["data"]), name


def test_the_simulated_source_is_where_the_secret_says():
    service = kit.named(rendered(K3D)["source"], "Service")["source"]
    host, port = re.fullmatch(r"http://([\w.]+):(\d+)", SIMULATED_SOURCE).groups()
    assert host == "source.tasador.svc.cluster.local"
    assert service["spec"]["ports"][0]["port"] == int(port)


def test_the_console_may_start_and_follow_flows_and_nothing_else():
    role = kit.named(rendered(K3D)["console"], "Role")["console"]
    allowed = {(r, v) for rule in role["rules"] for r in rule["resources"] for v in rule["verbs"]}
    assert ("workflows", "create") in allowed
    assert {resource for resource, _ in allowed} == {"workflows", "workflowtemplates"}
    assert {verb for _, verb in allowed} == {"create", "get", "list"}


def test_images_of_all_applications_come_from_the_component():
    used = {
        container["image"]
        for objects in rendered(K3D).values()
        for _, container in kit.containers(objects)
        if "tasador-" in container["image"]
    }
    # The git server is no application: the applications come from it.
    assert used == {f"{REGISTRY}tasador-{name}:dev" for name in images.IMAGES if name != "git"}


def test_a_snapshot_names_every_image_by_its_tag(tmp_path):
    text = with_images((kit.ROOT / IMAGES).read_text(), "registry.test/", "0123456789e1")
    named = yaml.safe_load(text)["images"]
    assert {each["name"] for each in named} == {
        f"tasador-{name}" for name in images.IMAGES if name != "git"
    }
    for each in named:
        assert each["newName"] == f"registry.test/{each['name']}"
        # A text, although YAML reads 0123456789e1 as a number.
        assert each["newTag"] == "0123456789e1"


def test_a_snapshot_without_images_is_refused():
    with pytest.raises(ValueError, match="names no image"):
        with_images("images: []\n", "registry.test/", "1")


def test_the_root_application_sets_repository_and_revision():
    spec = root("https://git.test/o'r.git", "release", "k3d")["spec"]
    assert spec["source"]["path"] == K3D
    (patch,) = spec["source"]["kustomize"]["patches"]
    operations = {op["path"]: op["value"] for op in yaml.safe_load(patch["patch"])}
    assert operations == {
        "/spec/source/repoURL": "https://git.test/o'r.git",
        "/spec/source/targetRevision": "release",
    }
    kit.validate(root("https://git.test/r.git", "main", "k3d"))


def test_the_configuration_of_k3d_is_valid():
    kit.validate(checks.config())


def test_every_node_port_is_mapped_and_every_address_has_a_port():
    mapped = {each["port"].split(":")[2] for each in checks.config()["ports"]}
    text = kit.yaml.safe_dump_all(kit.built(K3D))
    objects = [o for each in rendered(K3D).values() for o in each]
    text += kit.yaml.safe_dump_all(objects)
    for port in re.findall(r"nodePort(?:, value)?: (\d+)", text):
        assert port in mapped, f"cluster/k3d/k3d.yaml does not map {port}"
    for each in addresses.ADDRESSES:
        # Otherwise `k3d:up` would never print it.
        assert each.application in applications(K3D), each.name
        for port in re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)", each.url):
            assert int(port) in checks.ports(), each.name


def test_the_docs_list_every_address_and_every_application_in_its_wave():
    text = (kit.ROOT / "docs" / "k3d.md").read_text()
    for each in addresses.ADDRESSES:
        if each.url.startswith("http") and each.application in applications(K3D):
            assert re.search(r":\d+", each.url)[0] in text, each.name
    table = dict(re.findall(r"^\| (\d) \| (.*) \|$", text, re.MULTILINE))
    for environment in ENVIRONMENTS:
        for name, each in applications(environment).items():
            assert re.search(rf"\b{name}\b", table[str(wave(each))]), name


def test_everything_listens_on_this_machine_only():
    configured = checks.config()
    assert all(each["port"].startswith("127.0.0.1:") for each in configured["ports"])
    assert configured["registries"]["create"]["host"] == "127.0.0.1"
    assert configured["kubeAPI"]["hostIP"] == "127.0.0.1"
