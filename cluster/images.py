"""Build every image from this checkout and write the overlay that names them.

python cluster/images.py [NAME...]        # ./taskw images; NAME: flows, mlflow, ...

An image is called PREFIXtasador-NAME:TAG. TASADOR_IMAGE_PREFIX sets the prefix (default: k3d's
registry). The tag is the commit, followed by `-dirty` and a digest of the changes if there are any,
so that one tag never means two images. The builder is called as

    $TASADOR_IMAGE_BUILDER IMAGE FOLDER -f DOCKERFILE [--target T] --build-arg GIT_SHA=SHA

and is ``docker build -t`` unless TASADOR_IMAGE_BUILDER says otherwise. Afterwards
`kubectl apply -k .build/cluster` applies the dev overlay (or TASADOR_OVERLAY) with these images;
.build/cluster/console, source and restore are the console, the simulated source and the job that
restores a backup, with the same ones.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "k3d-registry.localhost:5000/"
# What is applied by itself, next to the overlay: a folder of .build/cluster -> one of the checkout.
ALONE = {
    "console": "cluster/console",
    "source": "cluster/source",
    "restore": "cluster/platform/restore",
}


@dataclass(frozen=True)
class Image:
    """The Dockerfile of an image, relative to the checkout, and the target in it."""

    dockerfile: str
    target: str = ""
    # Built only by name: the dev overlay does without.
    by_name: bool = False


IMAGES = {
    "flows": Image("flows/Dockerfile"),
    "mlflow": Image("cluster/mlflow/Dockerfile"),
    "predict": Image("functions/Dockerfile", "predict"),
    "explain": Image("functions/Dockerfile", "explain"),
    "record": Image("functions/Dockerfile", "record"),
    "reload": Image("functions/Dockerfile", "reload"),
    "web": Image("web/Dockerfile"),
    "metaflow": Image("cluster/metaflow/Dockerfile", by_name=True),
    "git": Image("cluster/git/Dockerfile", by_name=True),
}


def git(*arguments: str) -> str:
    """The output of a git command in the checkout."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def tag() -> str:
    """The commit, with a digest of uncommitted changes."""
    changes = git("status", "--porcelain") and git("diff", "HEAD") + git("status", "--porcelain")
    suffix = f"-dirty-{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else ""
    return git("rev-parse", "--short=12", "HEAD") + suffix


def build_command(image: Image, reference: str, builder: str = "docker build -t") -> list[str]:
    """The command that builds an image; to run in the root of the checkout."""
    command = [*shlex.split(builder), reference, ".", "-f", image.dockerfile]
    if image.target:
        command += ["--target", image.target]
    return [*command, "--build-arg", f"GIT_SHA={git('rev-parse', 'HEAD')}"]


def build(name: str, image: Image, reference: str) -> None:
    """Run the builder; its output is not captured."""
    builder = os.environ.get("TASADOR_IMAGE_BUILDER") or "docker build -t"
    command = build_command(image, reference, builder)
    began = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True)
    print(f"{name}: {reference} ({time.monotonic() - began:.0f} s)", flush=True)


def overlay(built: dict[str, str]) -> Path:
    """Write .build/cluster: the overlay with these images and those built earlier."""
    folder = ROOT / ".build" / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "images.json"
    images = (json.loads(known.read_text()) if known.is_file() else {}) | built
    known.write_text(json.dumps(images, indent=1) + "\n")
    base = os.environ.get("TASADOR_OVERLAY", "dev")
    write_kustomization(folder, ROOT / "cluster" / "overlays" / base, images)
    for name, resource in ALONE.items():
        write_kustomization(folder / name, ROOT / resource, images)
    return folder


def write_kustomization(folder: Path, resource: Path, images: dict[str, str]) -> None:
    """Write a kustomization of another one with these images."""
    lines = [
        "# Written by cluster/images.py",
        "apiVersion: kustomize.config.k8s.io/v1beta1",
        "kind: Kustomization",
        f"resources: [{os.path.relpath(resource, folder)}]",
        "images:",
    ]
    for name, image in images.items():
        new, _, tagged = image.rpartition(":")
        # Under both names: the manifests may have added the prefix already.
        for old in (f"tasador-{name}", f"{PREFIX}tasador-{name}"):
            # Quoted, since YAML reads a commit like 576156635e12 as a number.
            lines.append(f'  - {{name: "{old}", newName: "{new}", newTag: "{tagged}"}}')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Build the named images, or all that are not built by name."""
    names = sys.argv[1:] or [name for name, image in IMAGES.items() if not image.by_name]
    unknown = [name for name in names if name not in IMAGES]
    if unknown:
        raise SystemExit(f"no image {unknown[0]!r}: there are {', '.join(IMAGES)}")
    prefix, tagged = os.environ.get("TASADOR_IMAGE_PREFIX", PREFIX), tag()
    built = {name: f"{prefix}tasador-{name}:{tagged}" for name in names}
    for name, reference in built.items():
        build(name, IMAGES[name], reference)
    folder = overlay(built)
    print(f"kubectl apply -k {folder.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
