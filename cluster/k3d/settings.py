"""The settings of ./taskw k3d:*, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.k3d import repository
from cluster.k3d.credentials import SIMULATED_SOURCE

# The registry for pods and nodes.
REGISTRY = "k3d-registry.localhost:5000/"
# The same registry for docker on this machine.
PUSH_TO = "localhost:30555/"
CLUSTER = "tasador"


@dataclass(frozen=True)
class Settings:
    """What a user may choose.

    ``source_url`` (TASADOR_SOURCE_URL) is the batch source; default: the simulated one.
    ``git_url`` (TASADOR_GIT_URL) is a repository that the cluster reaches; default: one inside it.
    ``git_revision`` (TASADOR_GIT_REVISION) is its branch, ``environment`` (TASADOR_ENVIRONMENT) a
    folder of cluster/environments, ``wait_seconds`` (TASADOR_K3D_WAIT) how long to wait until
    everything is healthy.
    """

    source_url: str = SIMULATED_SOURCE
    git_url: str = ""
    git_revision: str = "main"
    environment: str = "k3d"
    wait_seconds: float = 1800

    @property
    def kubectl(self) -> list[str]:
        """kubectl for this cluster, whatever the current context is."""
        return ["kubectl", "--context", f"k3d-{CLUSTER}"]

    @property
    def repository(self) -> str:
        """The repository that Argo CD reads."""
        return self.git_url or repository.URL

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of the environment; ValueError names a wrong one."""
        default = cls()
        seconds = environ.get("TASADOR_K3D_WAIT") or str(default.wait_seconds)
        try:
            wait_seconds = float(seconds)
        except ValueError:
            raise ValueError(f"TASADOR_K3D_WAIT is {seconds!r}: set it to seconds") from None
        return cls(
            source_url=environ.get("TASADOR_SOURCE_URL") or default.source_url,
            git_url=environ.get("TASADOR_GIT_URL") or default.git_url,
            git_revision=environ.get("TASADOR_GIT_REVISION") or default.git_revision,
            environment=environ.get("TASADOR_ENVIRONMENT") or default.environment,
            wait_seconds=wait_seconds,
        )
