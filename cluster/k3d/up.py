"""./taskw k3d:up: from nothing to the whole platform. Each step finds what an earlier run did."""

import json

from cluster import images
from cluster.k3d import addresses, applications, checks, credentials, repository
from cluster.k3d.root import NAMESPACE as ARGO_CD
from cluster.k3d.root import root
from cluster.k3d.runner import CommandFailed, Runner, note
from cluster.k3d.settings import CLUSTER, PUSH_TO, REGISTRY, Settings

SERVER_SIDE = ("apply", "--server-side", "--force-conflicts", "--field-manager=k3d-up")


def up(runner: Runner, settings: Settings) -> None:
    """Check, then create what is missing, wait, and print the addresses.

    Raises CommandFailed if a prerequisite is missing or a step failed; a second call continues.
    """
    state = cluster_state(runner)
    missing = [] if runner.dry else checks.problems(runner, exists=bool(state))
    if missing:
        raise CommandFailed("nothing was started:\n  " + "\n  ".join(missing))
    start(runner, state)
    tag = push_images(runner)
    install_argo_cd(runner, settings)
    create_secrets(runner, settings)
    revision = publish(runner, settings, tag)
    note("Argo CD installs its applications; the first time it downloads their images")
    apply_root(runner, settings)
    if runner.dry:
        return
    found = applications.wait(lambda: read(runner, settings), revision, settings.wait_seconds)
    print(addresses.text({each.name for each in found}))


def cluster_state(runner: Runner) -> str:
    """ "running", "stopped", or an empty text if there is no cluster."""
    try:
        listed = json.loads(
            runner.output("k3d", "cluster", "list", "-o", "json", check=False) or "[]"
        )
    except ValueError as error:
        raise CommandFailed(f"k3d cluster list prints no JSON: {error}") from None
    for each in listed:
        if each["name"] == CLUSTER:
            return "running" if each.get("serversRunning") else "stopped"
    return ""


def start(runner: Runner, state: str) -> None:
    """Create the cluster with its registry, or start it."""
    if state == "running":
        note(f"the cluster {CLUSTER} runs")
    elif state == "stopped":
        runner.run("k3d", "cluster", "start", CLUSTER, "--wait")
    else:
        runner.run("k3d", "cluster", "create", "--config", str(checks.CONFIG))


def push_images(runner: Runner) -> str:
    """Build every image and push it into k3d's registry; returns their tag."""
    tag = images.tag()
    for name, image in images.IMAGES.items():
        reference = f"{PUSH_TO}tasador-{name}:{tag}"
        runner.run(*images.build_command(image, reference))
        runner.run("docker", "push", "--quiet", reference)
    return tag


def install_argo_cd(runner: Runner, settings: Settings) -> None:
    """Apply Argo CD; it manages itself from then on."""
    kubectl = settings.kubectl
    if runner.output(
        *kubectl, "-n", ARGO_CD, "get", "application", "root", "-o", "name", check=False
    ):
        note("Argo CD manages itself")
        return
    # The definitions first: until the API server knows them, it refuses their objects.
    runner.run(*kubectl, *SERVER_SIDE, "-k", "cluster/addons/argo-cd")
    for workload in (
        "statefulset/argocd-application-controller",
        "deployment/argocd-repo-server",
        "deployment/argocd-server",
    ):
        runner.run(*kubectl, "-n", ARGO_CD, "rollout", "status", workload, "--timeout=600s")


def create_secrets(runner: Runner, settings: Settings) -> None:
    """Create all Secrets with random values, or none if they exist: they belong together.

    Only the source's address follows the settings.
    """
    kubectl, namespace = settings.kubectl, credentials.NAMESPACE
    values = credentials.credentials(settings.source_url)
    listed = runner.output(*kubectl, "-n", namespace, "get", "secret", "-o", "name", check=False)
    existing = {line.rpartition("/")[2] for line in listed.splitlines()} & set(values)
    if not existing:
        runner.run(*kubectl, *SERVER_SIDE, "-k", "cluster/namespace")
        objects = [credentials.secret(name, each) for name, each in values.items()]
        listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        # `create` fails as a whole rather than leave another password than the database has.
        runner.run(*kubectl, "create", "-f", "-", stdin=listing, about="the random Secrets")
        return
    if absent := sorted(set(values) - existing):
        raise CommandFailed(
            f"the namespace {namespace} lacks the Secrets {', '.join(absent)}, whose passwords must"
            " match those of the others. Restore them, or start again: ./taskw k3d:down -- --delete"
        )
    change = {"stringData": {"TASADOR_SOURCE_URL": settings.source_url}}
    runner.run(
        *kubectl,
        *("-n", namespace, "patch", "secret", "tasador-endpoints", "--type=merge"),
        *("-p", json.dumps(change)),
    )


def publish(runner: Runner, settings: Settings, tag: str) -> str:
    """Give Argo CD the checkout; returns the commit, or an empty text for another repository."""
    if settings.git_url:
        note(f"Argo CD reads {settings.git_url}: push your commits there")
        return ""
    kubectl = settings.kubectl
    manifest = runner.output("kubectl", "kustomize", "cluster/git")
    manifest = manifest.replace("image: tasador-git", f"image: {REGISTRY}tasador-git:{tag}")
    runner.run(*kubectl, *SERVER_SIDE, "-f", "-", stdin=manifest, about="cluster/git")
    runner.run(*kubectl, "-n", "git", "rollout", "status", "statefulset/git", "--timeout=300s")
    return repository.push(runner, kubectl, REGISTRY, tag)


def apply_root(runner: Runner, settings: Settings) -> None:
    """Apply the root application, and have Argo CD read git now."""
    application = root(settings.repository, settings.git_revision, settings.environment)
    text = json.dumps(application)
    runner.run(*settings.kubectl, *SERVER_SIDE, "-f", "-", stdin=text, about="the root application")
    refresh(runner, settings)


def refresh(runner: Runner, settings: Settings) -> None:
    """Have Argo CD read git now instead of within a minute."""
    annotation = "argocd.argoproj.io/refresh=normal"
    runner.run(
        *settings.kubectl,
        *("-n", ARGO_CD, "annotate", "--overwrite", "application", "--all", annotation),
    )


def read(runner: Runner, settings: Settings) -> list[applications.State]:
    """The applications; none if the API server does not answer."""
    command = (*settings.kubectl, "-n", ARGO_CD, "get", "applications.argoproj.io", "-o", "json")
    return applications.states(runner.output(*command, check=False))
