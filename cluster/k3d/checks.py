"""What must be there before anything is started."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cluster.k3d.runner import CommandFailed, Runner
from cluster.pins import pins
from tasador.local.ports import port_is_free

CONFIG = Path(__file__).with_name("k3d.yaml")
# Room for the platform, a training and the build of an image.
MEMORY_GIB = 8
PROCESSORS = 2

# Program, its pin, the command that prints its version, and where to get it.
TOOLS = (
    ("docker", "DOCKER", ("docker", "--version"), "https://docs.docker.com/get-docker/"),
    ("k3d", "K3D", ("k3d", "version"), "https://k3d.io/#installation"),
    (
        "kubectl",
        "KUBECTL",
        ("kubectl", "version", "--client"),
        "https://kubernetes.io/docs/tasks/tools/",
    ),
    ("git", "GIT", ("git", "--version"), "https://git-scm.com/downloads"),
)


def config() -> dict[str, Any]:
    """The configuration of the cluster."""
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return loaded


def ports() -> list[int]:
    """The ports of 127.0.0.1 that the cluster listens on."""
    configured = config()
    mapped = [int(each["port"].split(":")[1]) for each in configured["ports"]]
    return [*mapped, int(configured["registries"]["create"]["hostPort"])]


def version(text: str) -> tuple[int, ...]:
    """The version number in the first line of a program's output; () if there is none."""
    match = re.search(r"\bv?(\d+(?:\.\d+)+)", text.partition("\n")[0])
    return tuple(map(int, match[1].split("."))) if match else ()


def problems(runner: Runner, exists: bool) -> list[str]:
    """What is missing, with what to do about it, one text each.

    ``exists``: the cluster exists, so its ports are its own.
    """
    found = tools(runner)
    # Without docker nothing else can be asked.
    if not any(text.startswith("docker") for text in found):
        found += docker(runner)
    return found + ([] if exists else taken_ports())


def tools(runner: Runner) -> list[str]:
    """Programs that are missing or too old."""
    found, pinned = [], pins()
    for name, pin, command, address in TOOLS:
        least = pinned[pin]
        if shutil.which(name) is None:
            found.append(f"{name} is not installed: {address} (version {least} or newer)")
            continue
        installed = version(runner.output(*command, check=False))
        if not installed:
            found.append(f"{name} does not print its version: `{' '.join(command)}`")
        elif installed < version(least):
            text = ".".join(map(str, installed))
            found.append(f"{name} {text} is too old: {least} or newer is needed ({address})")
    return found


def docker(runner: Runner) -> list[str]:
    """Whether docker runs, and what it may use."""
    try:
        answer = runner.output("docker", "info", "--format", "{{json .}}")
        info: Mapping[str, Any] = json.loads(answer)
    except CommandFailed as error:
        return [f"docker does not run, or you may not use it: {error}"]
    except ValueError:
        return ["docker info does not print JSON: is `docker` really Docker?"]
    # Inside a virtual machine, docker has fewer than the machine.
    found = []
    memory = info.get("MemTotal", 0) / 2**30
    if memory < MEMORY_GIB * 0.95:
        found.append(
            f"docker has {memory:.1f} GiB of memory, {MEMORY_GIB} are needed"
            " (Docker Desktop: Settings, Resources)"
        )
    if info.get("NCPU", 0) < PROCESSORS:
        found.append(f"docker has {info.get('NCPU', 0)} processors, {PROCESSORS} are needed")
    return found


def taken_ports() -> list[str]:
    """Ports that something listens on already."""
    return [
        f"port {port} of 127.0.0.1 is in use: stop what listens there, or change"
        f" {CONFIG.relative_to(CONFIG.parents[2])}"
        for port in ports()
        if not port_is_free(port)
    ]
