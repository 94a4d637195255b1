"""The git repository inside the cluster: Argo CD reads from it what is in this checkout."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from cluster.k3d.runner import CommandFailed, Runner

ROOT = Path(__file__).resolve().parents[2]
# The address for pods.
URL = "http://git.git.svc.cluster.local/tasador.git"
BRANCH = "main"
IMAGES = "cluster/components/images/kustomization.yaml"
FOLDER = "/git/tasador.git"


def git(*arguments: str, stdin: str = "", environ: dict[str, str] | None = None) -> str:
    """The output of a git command in this checkout."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **(environ or {})},
    )
    if done.returncode:
        raise CommandFailed(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def with_images(text: str, prefix: str, tag: str) -> str:
    """The component that names the images, with another registry (with its slash) and tag."""
    changed, count = re.subn(
        r"newName: \S+?(tasador-[a-z]+), newTag: [^}]+}",
        rf'newName: {prefix}\1, newTag: "{tag}"}}',
        text,
    )
    if not count:
        raise ValueError(f"{IMAGES} names no image")
    return changed


def snapshot(prefix: str, tag: str, parent: str = "") -> str:
    """A commit of the checkout, uncommitted and new files included, that uses these images.

    It is in no branch of the checkout, and neither its index nor its files change. Without a
    difference it is the parent.
    """
    with tempfile.TemporaryDirectory() as scratch:
        environ = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        git("read-tree", "HEAD", environ=environ)
        git("add", "--all", environ=environ)
        images = with_images((ROOT / IMAGES).read_text(), prefix, tag)
        stored = git("hash-object", "-w", "--stdin", stdin=images)
        git("update-index", "--cacheinfo", f"100644,{stored},{IMAGES}", environ=environ)
        tree = git("write-tree", environ=environ)
    if parent and git("rev-parse", f"{parent}^{{tree}}") == tree:
        return parent
    author = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", "k3d:up"), ("EMAIL", "k3d-up@tasador.invalid"))
    }
    arguments = ["commit-tree", tree, "-m", f"Checkout with images {tag}"]
    return git(*arguments, *(["-p", parent] if parent else []), environ=author)


def remote(kubectl: list[str]) -> str:
    """The address for git on this machine: it speaks through ``kubectl exec``, so nothing listens.

    ``%S`` is git-receive-pack or git-upload-pack.
    """
    command = [*kubectl, "-n", "git", "exec", "-i", "git-0", "--", "%S", FOLDER]
    return "ext::" + " ".join(command)


def push(runner: Runner, kubectl: list[str], prefix: str, tag: str) -> str:
    """Push a snapshot to the repository in the cluster; returns the commit."""
    create = ["git", "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", FOLDER]
    runner.run(*kubectl, "-n", "git", "exec", "git-0", "--", *create)
    # git refuses this transport unless it is allowed explicitly.
    allowed = ["git", "-C", str(ROOT), "-c", "protocol.ext.allow=always"]
    address = remote(kubectl)
    listed = runner.output(*allowed, "ls-remote", address, f"refs/heads/{BRANCH}")
    parent = listed.split()[0] if listed else ""
    if parent:
        runner.run(*allowed, "fetch", "--quiet", "--no-tags", address, parent)
    commit = "HEAD" if runner.dry else snapshot(prefix, tag, parent)
    runner.run(*allowed, "push", "--quiet", address, f"{commit}:refs/heads/{BRANCH}")
    return commit
