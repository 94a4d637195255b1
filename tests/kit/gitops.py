"""Argo CD on the test cluster: a repository that it reads, and the state of its applications."""

import json
import os
import subprocess
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from cluster.k3d import applications, repository
from cluster.k3d.credentials import credentials, secret
from cluster.k3d.root import NAME as ROOT
from cluster.k3d.root import root
from tests.kit import cluster as kit
from tests.kit.checkout import ROOT as CHECKOUT

ENVIRONMENT = "test"
ARGO_CD = "argocd"
MONITORING = "monitoring"
PROJECTS = ("tasador", "addons")  # cluster/argocd/projects.yaml
NEEDED = ("TASADOR_TEST_GIT_URL", "TASADOR_TEST_GIT_INSIDE")
SETTINGS = CHECKOUT / "cluster" / "addons" / "argo-cd" / "settings"


def missing():
    """The reason why the tests cannot run, or an empty text."""
    absent = [name for name in NEEDED if not os.environ.get(name)]
    return f"no git server: {', '.join(absent)} not set (tests/README.md)" if absent else ""


def git(*arguments, folder=CHECKOUT):
    """The output of a git command."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


def built_images():
    """name -> (image without its tag, tag) of the images that `./taskw images` built last."""
    written = json.loads((kit.OVERLAY / "images.json").read_text())
    return {name: tuple(image.rsplit(":", 1)) for name, image in written.items()}


def component(images):
    """The component that names the images."""
    lines = ["apiVersion: kustomize.config.k8s.io/v1alpha1", "kind: Component", "images:"]
    for name, (new, tag) in images.items():
        lines.append(f'  - {{name: tasador-{name}, newName: {new}, newTag: "{tag}"}}')
    return "\n".join(lines) + "\n"


class Repository:
    """A clone of the repository that Argo CD reads; every change is pushed at once."""

    def __init__(self, folder: Path, images):
        url = os.environ["TASADOR_TEST_GIT_URL"]
        first = repository.snapshot("unused/", "unused")
        git("push", "--quiet", "--force", url, f"{first}:refs/heads/main")
        subprocess.run(["git", "clone", "--quiet", url, str(folder)], check=True)
        git("config", "user.name", "test", folder=folder)
        git("config", "user.email", "test@tasador.invalid", folder=folder)
        self.folder = folder
        self.write(repository.IMAGES, component(images))

    def write(self, path, text):
        """Commit a file with this text and push it; returns the commit."""
        (self.folder / path).write_text(text)
        return self.commit(f"Change {path}")

    def commit(self, message):
        """Commit all changes and push them; returns the commit."""
        git("add", "--all", folder=self.folder)
        git("commit", "--quiet", "--message", message, folder=self.folder)
        git("push", "--quiet", "origin", "main", folder=self.folder)
        return git("rev-parse", "HEAD", folder=self.folder)


def configure(scratch: Path):
    """Apply the project's settings to the Argo CD of the cluster."""
    bare = {"apiVersion": "v1", "kind": "ConfigMap"}
    bare["metadata"] = {"name": "argocd-cm", "labels": {"app.kubernetes.io/part-of": "argocd"}}
    (scratch / "argocd-cm.json").write_text(json.dumps(bare))
    (scratch / "kustomization.yaml").write_text(
        f"namespace: {ARGO_CD}\nresources: [argocd-cm.json]\n"
        f"components: [{os.path.relpath(SETTINGS, scratch.resolve())}]\n"
    )
    kit.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(scratch))


def start():
    """Create the Secrets and apply the root application."""
    kit.kubectl("create", "namespace", kit.NAMESPACE)
    for name, values in credentials(metaflow=False).items():
        kit.kubectl("create", "-f", "-", stdin=json.dumps(secret(name, values)))
    application = root(os.environ["TASADOR_TEST_GIT_INSIDE"], "main", ENVIRONMENT)
    kit.kubectl("apply", "-f", "-", stdin=json.dumps(application))


def remove():
    """Remove the applications, if there are any, and everything that they or others created.

    Without this, an Argo CD that still runs would bring back what ``kit.remove`` deletes. What is
    left because a busy API server did not answer in time is removed again.
    """

    def removed():
        _remove()
        return True

    kit.until("everything of an earlier installation removed", removed, 900, pause=5)


def _remove():
    kind = "applications.argoproj.io"
    if any(each["metadata"]["name"] == ROOT for each in get()):
        kit.kubectl("-n", ARGO_CD, "delete", kind, ROOT)
    for each in get():
        if each["spec"]["project"] not in PROJECTS:
            continue
        name = each["metadata"]["name"]
        # The namespace is deleted as a whole.
        change = '{"metadata": {"finalizers": null}}'
        kit.kubectl("-n", ARGO_CD, "patch", kind, name, "--type=merge", "-p", change)
        kit.kubectl("-n", ARGO_CD, "delete", kind, name)
    # Others have a namespace of that name, too.
    labels = f"kubernetes.io/metadata.name={MONITORING},app.kubernetes.io/part-of=tasador"
    kit.kubectl("delete", "namespace", "-l", labels, "--timeout=180s")
    if kit.kubectl("get", "namespace", kit.NAMESPACE, "--ignore-not-found"):
        for each in kit.get("job"):
            # Argo CD's own, which waits for a sync that never comes.
            kit.patch("job", each["metadata"]["name"], {"metadata": {"finalizers": None}})
    kit.remove()


def get():
    """Every application; none on a cluster without Argo CD."""
    kind = "applications.argoproj.io"
    if not kit.kubectl("get", "crd", kind, "--ignore-not-found"):
        return []
    return json.loads(kit.kubectl("-n", ARGO_CD, "get", kind, "-o", "json"))["items"]


def states():
    """name -> state."""
    return {each["metadata"]["name"]: applications.state(each) for each in get()}


def refresh():
    """Have Argo CD read git now."""
    mark = ("annotate", "--overwrite", "applications.argoproj.io", "--all")
    kit.kubectl("-n", ARGO_CD, *mark, "argocd.argoproj.io/refresh=normal")


def healthy(commit, seconds):
    """Wait until all applications are healthy in this commit; returns the seconds."""

    def done():
        refresh()
        found = states()
        late = [each.text for each in found.values() if not each.done or each.revision != commit]
        # A message names them if the time is over.
        assert not late, late
        return replace(found["root"])

    return kit.until(f"all applications in {commit}", done, seconds, pause=5)[1]


def when(text):
    """A time of Kubernetes."""
    return datetime.fromisoformat(text)
